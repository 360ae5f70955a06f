import io
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierfold.cli.arguments import Format
from tierfold.cli.reading import Input, parse, read
from tierfold.config import Limits
from tierfold.context import MessagesSource, TextSource
from tierfold.errors import CallerError, InvalidInputError, TooLargeError

LIMITS = Limits(body_bytes_max=20_000, inline_body_bytes_max=100, messages_max=3)


def parsed(body: bytes, kind: Format = "auto") -> Input:
    return parse(body, name="in.txt", kind=kind, limits=LIMITS)


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    """Bytes come back as they are."""
    path = tmp_path / "in"
    path.write_bytes(b"a\r\nb")

    assert read(str(path), LIMITS) == b"a\r\nb"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The reason stands beside the name."""
    with pytest.raises(CallerError, match="nowhere: no such file"):
        read(str(tmp_path / "nowhere"), LIMITS)


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    """A directory is refused with what to do instead."""
    with pytest.raises(CallerError, match="it is a directory"):
        read(str(tmp_path), LIMITS)


def test_a_file_over_the_limit_is_never_read(tmp_path: Path) -> None:
    """The size on disk is enough to refuse."""
    path = tmp_path / "big"
    path.touch()
    os.truncate(path, 1 << 40)

    with pytest.raises(TooLargeError, match="1,099,511,627,776"):
        read(str(path), LIMITS)


def test_an_endless_file_is_read_up_to_the_limit() -> None:
    """A device has no size; reading stops one byte past the limit."""
    with pytest.raises(TooLargeError, match="20,001"):
        read("/dev/zero", LIMITS)


def test_stdin_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """`yes | tierfold compress -` ends."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"y\n" * 20_000)))
    with pytest.raises(TooLargeError, match="bytes in stdin"):
        read("-", LIMITS)

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"y\n")))

    assert read("-", LIMITS) == b"y\n"


def test_a_closed_stdin_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """`<&-` leaves Python without a stdin."""
    monkeypatch.setattr(sys, "stdin", None)

    with pytest.raises(CallerError, match="stdin: it is closed"):
        read("-", LIMITS)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\x7fELF\0\0", "NUL at byte 4"),
        ("text".encode("utf-16"), "UTF-16; convert it first"),
        (b"caf\xe9", "not valid UTF-8 at byte 3"),
    ],
)
def test_what_is_no_text_is_refused(body: bytes, reason: str) -> None:
    """A binary file is told by its first NUL, an encoding by its first wrong byte."""
    with pytest.raises(InvalidInputError, match=reason) as refusal:
        parsed(body)

    assert refusal.value.path == "in.txt"


@pytest.mark.parametrize(
    "body",
    [
        b'[{"role":"user","content":"hi"}]',
        b'  \n[{"content":"hi","role":"user"}]',
        b'{"model":"m","messages":[{"role":"user","content":"hi"}]}',
    ],
)
def test_rows_with_a_role_are_a_chat(body: bytes) -> None:
    """A list of rows, bare or inside an object, is recognised; the object is kept."""
    found = parsed(body)

    assert isinstance(found.source, MessagesSource)
    assert found.source.messages[0].content == "hi"
    assert (b'"model"' in body) == (found.envelope is not None)


@pytest.mark.parametrize(
    "body",
    [
        b"[12:01] started",
        b'[{"id":1}]',
        b'{"messages":"none"}',
        b"{}",
        b"",
        b"[1, 2]",
        b'{"role":1}',
    ],
)
def test_other_json_is_text(body: bytes) -> None:
    """A log, a table or a configuration is folded as the text it is."""
    assert TextSource(text=body.decode()) == parsed(body).source


def test_format_text_never_parses() -> None:
    """A chat can be folded as text when asked."""
    body = b'[{"role":"user","content":"hi"}]'

    assert TextSource(text=body.decode()) == parsed(body, "text").source


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'[{"role":"user","content":"cut', "looks like a chat, but the body is not JSON"),
        (b'[{"role":"user","content":"\\ud800"}]', r"\[0\].content: a lone surrogate"),
        (b'[{"role":"pirate","content":"arr"}]', r"\[0\].role"),
    ],
)
def test_a_broken_chat_is_refused_not_folded_as_text(body: bytes, reason: str) -> None:
    """Who meant a chat hears why it is none, and how to have it as text."""
    with pytest.raises(InvalidInputError, match=reason) as refusal:
        parsed(body)

    assert "--format text" in str(refusal.value)


@pytest.mark.parametrize("body", [b"plain", b"{}", b'{"messages": 3}', b'[{"content":"x"}]', b""])
def test_format_messages_insists(body: bytes) -> None:
    """With --format messages everything else is refused."""
    with pytest.raises(InvalidInputError, match=r"in\.txt: "):
        parsed(body, "messages")


def test_a_chat_has_a_limit_of_rows() -> None:
    """The limit of rows holds on the command line as over HTTP."""
    body = b"[" + b",".join([b'{"role":"user","content":"x"}'] * 4) + b"]"

    with pytest.raises(TooLargeError, match="4 is more than the limit of 3"):
        parsed(body)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_source_or_a_refusal(body: bytes) -> None:
    """No input ends in anything but a source or a CallerError."""
    for kind in ("auto", "text", "messages"):
        try:
            found = parse(body, name="x", kind=kind, limits=LIMITS)
        except CallerError:
            continue
        assert isinstance(found.source, TextSource | MessagesSource)
