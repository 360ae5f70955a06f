"""`tierfold compress` in this process; tests/e2e has the same from outside."""

import json
import os
import sys
from pathlib import Path

import pytest

from tests.unit.cli.answers import an_answer
from tierfold.cli import compress, main
from tierfold.cli.reading import Input
from tierfold.cli.writing import save
from tierfold.context import Document, DocumentSource, TextSource
from tierfold.errors import CallerError

TEXT = "The weather was fine that day.\n" * 80 + "Ada Okafor signed the contract.\n"
ROWS = [{"role": "user", "content": f"Row {i} is about the weather."} for i in range(40)]


@pytest.fixture(autouse=True)
def _threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put back what the command sets for its own process."""
    for library in ("OPENBLAS", "OMP", "MKL"):
        monkeypatch.setenv(f"{library}_NUM_THREADS", "1")


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "report.txt"
    path.write_text(TEXT)
    return path


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    path = tmp_path / "chat.json"
    path.write_text(json.dumps({"model": "m", "messages": ROWS}))
    return path


def folded(path: Path, *words: str) -> list[str]:
    return ["compress", str(path), "--ask", "Who signed the contract?", "--tokens", "60", *words]


def test_a_text_is_folded_to_stdout(text: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """The answer is on stdout, the stages and figures on stderr."""
    assert main(folded(text)) == 0

    out, err = capsysbinary.readouterr()
    assert b"Ada Okafor" in out
    assert b" -> " in err.splitlines()[-1]
    assert b"$" not in err


def test_a_chat_comes_back_in_its_envelope(
    chat: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """What stood around the rows stands around them again."""
    assert main(folded(chat, "-q")) == 0

    out, err = capsysbinary.readouterr()
    assert json.loads(out)["model"] == "m"
    assert len(json.loads(out)["messages"]) < len(ROWS)
    assert err == b""


def test_rows_in_lines_come_back_in_lines(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """JSONL in, JSONL out."""
    path = tmp_path / "chat.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)))

    assert main(folded(path, "-q")) == 0
    rows = [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    assert 0 < len(rows) < len(ROWS)
    assert all(row["role"] == "user" for row in rows)


def test_json_and_difference_replace_the_result(
    text: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """stdout has one thing only."""
    assert main(folded(text, "--json")) == 0
    assert json.loads(capsysbinary.readouterr().out)["object"] == "answer"

    assert main(folded(text, "--diff")) == 0
    assert b"- The weather was fine" in capsysbinary.readouterr().out


def test_a_result_can_go_to_a_file(
    text: Path, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """With -o stdout stays empty."""
    target = tmp_path / "out.txt"
    assert main(folded(text, "-o", str(target), "-q")) == 0
    assert b"Ada Okafor" in target.read_bytes()
    assert capsysbinary.readouterr().out == b""


@pytest.mark.parametrize("place", ["", ".", "nowhere/out.txt"])
def test_a_place_that_cannot_be_written_is_refused_before_the_work(
    monkeypatch: pytest.MonkeyPatch,
    text: Path,
    tmp_path: Path,
    capsysbinary: pytest.CaptureFixture[bytes],
    place: str,
) -> None:
    """Nobody waits for a result that has no place to go to."""
    monkeypatch.chdir(tmp_path)

    assert main(folded(text, "-o", place)) == 2

    err = capsysbinary.readouterr().err
    assert f"cannot write {place}: ".encode() in err
    assert err.count(b"\n") == 1


def test_a_file_without_permission_is_refused(
    monkeypatch: pytest.MonkeyPatch, text: Path, tmp_path: Path
) -> None:
    """The old result stays as it was."""
    target = tmp_path / "out.txt"
    target.write_text("old")
    monkeypatch.setattr(os, "access", lambda *_: False)

    assert main(folded(text, "-o", str(target))) == 2
    assert target.read_text() == "old"


def test_a_place_that_goes_away_during_the_work_is_refused(tmp_path: Path) -> None:
    """What was there before the work may be gone after it."""
    with pytest.raises(CallerError, match="no such file or directory"):
        save(str(tmp_path / "gone" / "out.txt"), b"x")


def test_a_full_disk_is_our_failure_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, text: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """/dev/full takes nothing: neither as stdout nor as a file, and no traceback comes after."""
    assert main(folded(text, "-q", "-o", "/dev/full")) == 1
    assert b"cannot write /dev/full: no space left on device" in capsysbinary.readouterr().err

    with open("/dev/full", "w", encoding="utf-8") as stdout:  # noqa: PTH123  # a device, no path
        monkeypatch.setattr(sys, "stdout", stdout)
        assert main(folded(text, "-q")) == 1
    assert b"cannot write stdout: no space left on device" in capsysbinary.readouterr().err


def test_a_named_pipe_whose_reader_left_is_code_141(monkeypatch: pytest.MonkeyPatch) -> None:
    """-o into a pipe ends as stdout into one does."""
    reading, writing = os.pipe()
    monkeypatch.setattr("builtins.open", lambda *_: os.fdopen(writing, "wb"))
    os.close(reading)

    with pytest.raises(BrokenPipeError):
        save("pipe", b"x" * 100_000)


def test_what_binds_nothing_or_leaves_nothing_is_said(
    text: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """An empty result and dollars without a price are allowed, and never silent."""
    assert main(["compress", str(text), "--ask", "x", "--tokens", "1", "--usd", "1"]) == 0

    out, err = capsysbinary.readouterr()
    assert out == b""
    assert b"--usd binds nothing" in err
    assert b"nothing of the input fits into this budget" in err


def test_a_missed_floor_is_code_3(text: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """The answer is printed all the same."""
    assert main(["compress", str(text), "--tokens", "12", "--min-quality", "1"]) == 3

    out, err = capsysbinary.readouterr()
    assert out
    assert b"floor not met" in err
    assert b"no question (--ask)" in err


def test_a_budget_that_asks_for_nothing_is_said(
    text: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Without --tokens the input comes back, and the reader learns why."""
    assert main(["compress", str(text), "--ask", "x", "--model", "small"]) == 0

    out, err = capsysbinary.readouterr()
    assert out.decode() == TEXT
    assert b"--tokens N does" in err
    assert b"net a call" in err


def test_a_terminal_is_told_that_it_is_read(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Who types `-` by mistake learns how to end."""
    monkeypatch.setattr(sys, "stdin", _Terminal(TEXT.encode()))

    assert main(["compress", "-", "--ask", "x", "--tokens", "60"]) == 0
    assert b"end with Ctrl-D" in capsysbinary.readouterr().err


def test_a_closed_stdout_is_refused_only_if_something_had_to_go_there(
    monkeypatch: pytest.MonkeyPatch, text: Path, tmp_path: Path
) -> None:
    """`-o FILE >&-` needs no stdout."""
    monkeypatch.setattr(sys, "stdout", None)

    assert main(folded(text, "-q", "-o", str(tmp_path / "out.txt"))) == 0
    assert main(folded(text, "-q")) == 2


def test_a_pipe_whose_reader_left_is_code_141(monkeypatch: pytest.MonkeyPatch, text: Path) -> None:
    """A broken pipe is no failure to talk about."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert main(folded(text, "-q")) == 141


def test_a_partial_write_is_continued(monkeypatch: pytest.MonkeyPatch, text: Path) -> None:
    """Unbuffered output may take a part of what it is given; nothing is lost."""
    stdout = _Narrow()
    monkeypatch.setattr(sys, "stdout", stdout)

    assert main(["compress", str(text), "-q"]) == 0
    assert bytes(stdout.taken).decode() == TEXT


def test_a_terminal_gets_a_line_end_and_a_pipe_the_exact_bytes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What was counted is what is piped; a prompt stands on a line of its own."""
    path = tmp_path / "line"
    path.write_text("no end")
    for is_terminal, expected in ((True, b"no end\n"), (False, b"no end")):
        stdout = _Narrow(is_terminal=is_terminal)
        monkeypatch.setattr(sys, "stdout", stdout)
        assert main(["compress", str(path), "-q"]) == 0
        assert bytes(stdout.taken) == expected


def test_only_what_was_read_is_rendered() -> None:
    """The command reads texts and chats; a document in the answer is a bug."""
    answer = an_answer(sources=(DocumentSource(document=Document(text="x")),))

    with pytest.raises(AssertionError):
        compress.rendered(Input(source=TextSource(text="x")), answer)


class _Narrow:
    """A stdout that takes seven bytes at a time."""

    def __init__(self, *, is_terminal: bool = False) -> None:
        self.taken = bytearray()
        self.buffer = self
        self._is_terminal = is_terminal

    def write(self, data: memoryview) -> int:
        self.taken += data[:7]
        return min(len(data), 7)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return self._is_terminal


class _Terminal:
    """A stdin that people type into."""

    def __init__(self, typed: bytes) -> None:
        self.buffer = self
        self._typed = typed

    def read(self, size: int) -> bytes:
        return self._typed[:size]

    def isatty(self) -> bool:
        return True
