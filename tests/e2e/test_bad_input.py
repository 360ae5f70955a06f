"""Whatever is thrown at the command, it ends with a code and a sentence."""

import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from tests.e2e.conftest import SCRIPTS, Run


def refused(ended: subprocess.CompletedProcess[bytes], *, code: int = 2) -> str:
    """Return the last line on stderr of a call that was refused as it should be."""
    said = ended.stderr.decode()
    assert "Traceback" not in said
    assert ended.returncode == code, said
    assert ended.stdout == b""
    return said.splitlines()[-1]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\x7fELF\x02\x01\x01\0\0\0", "this is no text: NUL at byte 7"),
        (b"text\0text", "NUL at byte 4"),
        (b"good\n\xff\xfe\xfa bad", "not valid UTF-8 at byte 5"),
        (b'[{"role": "user", "content": "\\ud83d"}]', "a lone surrogate is no character"),
        (b'[{"role": "user", "content": "x"', "looks like a chat, but the body is not JSON"),
        (b'[{"role": "king", "content": "x"}]', "[0].role"),
    ],
)
def test_content_that_is_no_text_or_chat(
    tierfold: Run, tmp_path: Path, body: bytes, reason: str
) -> None:
    """The refusal names the file, the place and the reason."""
    path = tmp_path / "input"
    path.write_bytes(body)

    said = refused(tierfold("compress", path, "--ask", "x", "--tokens", "100"))

    assert said.startswith(f"tierfold: {path}: ")
    assert reason in said


def test_a_tool_result_needs_its_call(tierfold: Run, tmp_path: Path) -> None:
    """A provider would refuse the chat, so we say it first."""
    path = tmp_path / "chat.json"
    path.write_text('[{"role": "tool", "tool_call_id": "c1", "content": "42"}]')

    assert "c1" in refused(tierfold("compress", path, "--ask", "x", "--tokens", "100"))


def test_a_missing_file_and_a_directory(tierfold: Run, tmp_path: Path) -> None:
    """What cannot be read is named with the reason."""
    assert "no such file" in refused(tierfold("compress", tmp_path / "nowhere"))
    assert "it is a directory" in refused(tierfold("compress", tmp_path))


@pytest.mark.parametrize(
    "words",
    [
        ("--tokens", "nan"),
        ("--tokens", "-1"),
        ("--tokens", "0"),
        ("--tokens", "1e99"),
        ("--tokens", "9" * 400),
        ("--usd", "nan"),
        ("--usd", "1e99"),
        ("--usd", "-1"),
        ("--deadline", "-5ms"),
        ("--deadline", "5"),
        ("--deadline", "99999999s"),
        ("--memory", "1e99"),
        ("--min-quality", "2"),
        ("--min-quality", "inf"),
        ("--model", "nobody"),
        ("--stages", "slow", "--tokens", "500"),
        ("--nonsense",),
    ],
)
def test_absurd_options(tierfold: Run, reference: Path, words: tuple[str, ...]) -> None:
    """The refusal names the option and what it may be."""
    said = refused(tierfold("compress", reference, "--ask", "x", *words))

    assert "nonsense" in said or "budget." not in said
    assert len(said) < 300


def test_a_budget_below_what_must_be_kept_names_the_minimum(tierfold: Run, tmp_path: Path) -> None:
    """The smallest budget that works is in the sentence, and it works."""
    path = tmp_path / "chat.json"
    pinned = "Follow these rules to the letter. " * 30
    path.write_text(
        f'[{{"role": "system", "content": "{pinned}"}}, {{"role": "user", "content": "hi"}}]'
    )
    words = ("compress", path, "--ask", "x", "--tokens")

    said = refused(tierfold(*words, "20"))

    minimum = said.rpartition("at least --tokens ")[2].split(",")[0]
    assert "--tokens is 20" in said
    assert tierfold(*words, minimum).returncode == 0


def test_an_empty_file_folds_to_nothing(tierfold: Run) -> None:
    """Nothing in, nothing out, as every filter does."""
    ended = tierfold("compress", "-", "--ask", "x", "--tokens", "100")

    assert (ended.returncode, ended.stdout) == (0, b"")


def test_one_line_of_five_megabytes(tierfold: Run) -> None:
    """A file without a single line end is cut where sentences end, or by force."""
    line = b"The quick brown fox jumps over the lazy dog. " * 110_000

    ended = tierfold("compress", "-", "--ask", "fox", "--tokens", "100", stdin=line)

    assert ended.returncode == 0
    assert 0 < len(ended.stdout) < 2_000


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_who_leaves_early_ends_it_quietly(
    environment: dict[str, str], reference: Path, unbuffered: str
) -> None:
    """`| head -c 10` is no failure to talk about; the code says the output was cut."""
    with subprocess.Popen(
        [SCRIPTS / "tierfold", "compress", reference, "-q"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment | {"PYTHONUNBUFFERED": unbuffered},
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.read(10)
        running.stdout.close()

        assert running.stderr.read() == b""
        assert running.wait(50) == 141


@pytest.mark.parametrize("stream", ["stdout", "stderr", "stdin"])
def test_a_closed_stream_is_no_crash(
    environment: dict[str, str], reference: Path, stream: str
) -> None:
    """`>&-`, `2>&-` and `<&-` leave no traceback."""
    closing = {"stdout": ">&-", "stderr": "2>&-", "stdin": "<&-"}[stream]
    name = "-" if stream == "stdin" else reference
    ended = subprocess.run(
        ["sh", "-c", f"tierfold compress {name} --ask x --tokens 200 {closing}"],
        capture_output=True,
        env=environment,
        check=False,
        timeout=50,
    )

    assert b"Traceback" not in ended.stderr
    assert ended.returncode == {"stdout": 2, "stderr": 0, "stdin": 2}[stream]


def test_an_unwritable_output_is_refused(tierfold: Run, reference: Path, tmp_path: Path) -> None:
    """`-o` into nowhere says so."""
    nowhere = tmp_path / "none" / "out.txt"

    ended = tierfold("compress", reference, "--ask", "x", "--tokens", "200", "-o", nowhere)

    assert "cannot write" in refused(ended)


def _interrupted(
    environment: dict[str, str], fifo: Path, body: bytes, *, end: bool
) -> tuple[int, bytes]:
    """Feed the command through the pipe, then press Ctrl-C; returns its code and stderr."""
    os.mkfifo(fifo)
    running = subprocess.Popen(
        [SCRIPTS / "tierfold", "compress", fifo, "--ask", "x", "--tokens", "100"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
    )
    with fifo.open("wb") as writer:  # opens when the command reads, so its start is over
        writer.write(body)
        writer.flush()
        if end:
            writer.close()
            threading.Event().wait(0.3)
        running.send_signal(signal.SIGINT)
        said = running.communicate(timeout=50)[1]
    return running.returncode, said


@pytest.mark.parametrize("end", [False, True])
def test_ctrl_c_ends_it_with_130(environment: dict[str, str], tmp_path: Path, *, end: bool) -> None:
    """While it waits for input, and in the middle of work on 20 MB: one word, no traceback."""
    body = b"Every line of this large text says something new, or nothing.\n" * 330_000

    code, said = _interrupted(environment, tmp_path / "pipe", body if end else b"x", end=end)

    assert code == 130
    assert b"Traceback" not in said
    assert said.splitlines()[-1] == b"tierfold: interrupted"
