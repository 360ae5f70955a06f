"""JSON for stdout, and text that a terminal ends with a line."""

import sys
from collections.abc import Iterable, Iterator
from typing import Any


def json_bytes(value: Any) -> bytes:
    """Return JSON for people and programs: indented, one line end."""
    import orjson  # noqa: PLC0415  # a text needs no JSON

    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def json_line(value: Any) -> bytes:
    """Return JSON on one line, without its end; numbers of any size stay exact."""
    from tierfold.context.canonical import canonical_json  # noqa: PLC0415  # as above

    return canonical_json(value)


def lines(texts: Iterable[str]) -> Iterator[bytes]:
    """Yield each text as a line."""
    for text in texts:
        yield f"{text}\n".encode()


def ended(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the chunks, and a line end where a person reads; a pipe gets exactly what there is."""
    last = b""
    for chunk in chunks:
        last = chunk or last
        yield chunk
    if sys.stdout is not None and sys.stdout.isatty() and not last.endswith(b"\n"):
        yield b"\n"
