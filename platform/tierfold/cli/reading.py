"""From a file or stdin to a source: bounded, decoded, and told apart."""

import os
import stat
import sys
from dataclasses import dataclass
from typing import Any

from tierfold.cli.arguments import Format
from tierfold.config import Limits
from tierfold.context import MessagesSource, Source, TextSource
from tierfold.errors import CallerError, InvalidInputError, TooLargeError

STDIN = "-"

_PROBE_BYTES = 8_000  # as far as git looks for a NUL
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """What was read, and the shape to give it back in."""

    source: Source
    envelope: dict[str, Any] | None = None  # the object the messages stood in, if there was one
    is_lines: bool = False  # one row a line


def read(name: str, limits: Limits) -> bytes:
    """Return all bytes of the file or stdin; raises CallerError with the reason."""
    if name == STDIN:
        return _read_stdin(limits)
    try:
        with open(name, "rb") as file:  # noqa: PTH123  # pathlib costs 5 ms of start-up
            status = os.fstat(file.fileno())
            if stat.S_ISREG(status.st_mode) and status.st_size > limits.body_bytes_max:
                raise _too_large(name, status.st_size, limits)
            return _bounded(file.read(limits.body_bytes_max + 1), name, limits)
    except OSError as error:
        msg = f"cannot read {name}: {_reason(error)}"
        raise CallerError(msg) from error


def parse(body: bytes, *, name: str, kind: Format, limits: Limits) -> Input:
    """Return the input as a source; raises InvalidInputError or TooLargeError."""
    shown = "stdin" if name == STDIN else name
    chat = None
    if kind == "messages" or (kind == "auto" and _may_be_json(body)):
        chat = _chat(body, shown, kind, limits)
    return chat or Input(source=TextSource(text=_decoded(body, shown)))


def _read_stdin(limits: Limits) -> bytes:
    if sys.stdin is None:
        msg = "cannot read stdin: it is closed"
        raise CallerError(msg)
    return _bounded(sys.stdin.buffer.read(limits.body_bytes_max + 1), "stdin", limits)


def _bounded(body: bytes, name: str, limits: Limits) -> bytes:
    if len(body) > limits.body_bytes_max:
        raise _too_large(name, len(body), limits)
    return body


def _too_large(name: str, size: int, limits: Limits) -> TooLargeError:
    return TooLargeError(f"bytes in {name}", size=size, limit=limits.body_bytes_max)


def _reason(error: OSError) -> str:
    if isinstance(error, IsADirectoryError):
        return "it is a directory; name a file, or join several with cat"
    return (error.strerror or str(error)).lower()


def _decoded(body: bytes, name: str) -> str:
    if body.startswith(_UTF16_MARKS):
        problem = "this is UTF-16; convert it first: iconv -f UTF-16 -t UTF-8"
        raise InvalidInputError(problem, path=name)
    nul = body.find(b"\0", 0, _PROBE_BYTES)
    if nul >= 0:
        problem = f"this is no text: NUL at byte {nul:,}"
        raise InvalidInputError(problem, path=name)
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        problem = f"not valid UTF-8 at byte {error.start:,}"
        raise InvalidInputError(problem, path=name) from error


def _may_be_json(body: bytes) -> bool:
    return body[:_PROBE_BYTES].lstrip()[:1] in {b"[", b"{"}


def _chat(body: bytes, name: str, kind: Format, limits: Limits) -> Input | None:
    """Return the chat; None when the format is ours to find out and this is something else."""
    from tierfold.wire import load_json, parse_messages  # noqa: PLC0415  # a text needs no pydantic

    try:
        is_lines = _has_rows_in_lines(body)
        value = _loaded_lines(body, limits) if is_lines else load_json(body, limits)
        envelope = value if isinstance(value, dict) and "messages" in value else None
        rows = value if envelope is None else envelope["messages"]
        if kind == "auto" and not _are_rows(rows):
            return None
        if isinstance(rows, list) and len(rows) > limits.messages_max:
            what = f"messages in {name}"
            raise TooLargeError(what, size=len(rows), limit=limits.messages_max)
        source = MessagesSource(messages=parse_messages(rows))
        return Input(source=source, envelope=envelope, is_lines=is_lines)
    except InvalidInputError as error:
        if kind == "messages":
            raise InvalidInputError(str(error), path=name) from error
        if b'"role"' not in body[:_PROBE_BYTES]:
            return None
        problem = f"looks like a chat, but {error}; --format text takes it as it stands"
        raise InvalidInputError(problem, path=name) from error


def _has_rows_in_lines(body: bytes) -> bool:
    """Whether the first line alone is a row: then every line should be one (JSONL)."""
    import orjson  # noqa: PLC0415  # a text needs no JSON

    first = body.lstrip().partition(b"\n")[0]
    if not first.startswith(b"{"):
        return False
    try:
        row = orjson.loads(first)
    except orjson.JSONDecodeError:
        return False
    return isinstance(row, dict) and isinstance(row.get("role"), str)


def _loaded_lines(body: bytes, limits: Limits) -> list[Any]:
    from tierfold.wire import load_json  # noqa: PLC0415  # as above

    rows = []
    for number, line in enumerate(body.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            rows.append(load_json(line, limits))
        except InvalidInputError as error:
            raise InvalidInputError(str(error), path=f"line {number:,}") from error
    return rows


def _are_rows(rows: Any) -> bool:
    return isinstance(rows, list) and all(isinstance(row, dict) and "role" in row for row in rows)
