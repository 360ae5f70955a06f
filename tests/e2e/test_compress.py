"""`tierfold compress` as a person runs it."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import SCRIPTS, Run
from tierfold.text import token_counter
from tierfold.wire import AnswerModel, parse_messages

ASK = "When are the default parameter values of a function evaluated?"


def test_stages_land_on_stderr_and_the_text_alone_on_stdout(tierfold: Run, reference: Path) -> None:
    """The result can be piped on; what a person reads goes beside it."""
    ended = tierfold("compress", reference, "--ask", ASK, "--tokens", "2000")

    lines = ended.stderr.decode().splitlines()
    assert ended.returncode == 0
    assert [line.split()[0] for line in lines[:4]] == ["read", "index", "fast", "balanced"]
    assert "stopped:" in lines[-1]
    assert "->" in lines[-1]
    assert "evaluated from left to right" in ended.stdout.decode()
    assert "stopped:" not in ended.stdout.decode()


@pytest.mark.parametrize("tokenizer", ["o200k", "cl100k"])
@pytest.mark.parametrize("tokens", [300, 2000])
def test_the_budget_holds_by_recount(
    tierfold: Run, reference: Path, tokens: int, tokenizer: str
) -> None:
    """Counted again from what came out, the result is within the budget and uses it."""
    ended = tierfold(
        *("compress", reference, "--ask", ASK, "--tokens", str(tokens)),
        *("--tokenizer", tokenizer, "--quiet"),
    )

    counted = token_counter(tokenizer).count(ended.stdout.decode())
    assert ended.stderr == b""
    assert 0.8 * tokens < counted <= tokens


def test_stdin_is_a_file(tierfold: Run, reference: Path) -> None:
    """`-` folds what comes down the pipe, to the same bytes."""
    words = ("--ask", ASK, "--tokens", "500", "--quiet")
    from_file = tierfold("compress", reference, *words)
    from_pipe = tierfold("compress", "-", *words, stdin=reference.read_bytes())

    assert from_file.stdout == from_pipe.stdout
    assert from_pipe.returncode == 0


def test_json_is_the_answer_of_the_server(tierfold: Run, reference: Path) -> None:
    """`--json` prints one object with the schema of `POST /v1/process`, and nothing else."""
    ended = tierfold("compress", reference, "--ask", ASK, "--tokens", "500", "--json")
    answer = AnswerModel.model_validate_json(ended.stdout)

    assert answer.final
    assert answer.usage.prompt_tokens <= 500
    assert answer.stages[0].stage == "fast"
    assert answer.left_out


def test_output_goes_to_a_file_and_the_difference_to_stdout(
    tierfold: Run, reference: Path, tmp_path: Path
) -> None:
    """One run gives the result and shows what it left out."""
    result = tmp_path / "folded.txt"
    words = ("compress", reference, "--ask", ASK, "--tokens", "500")

    ended = tierfold(*words, "--diff", "-o", result)

    lines = ended.stdout.decode().splitlines()
    assert result.read_bytes() == tierfold(*words).stdout
    assert any(line.startswith("- ") for line in lines)
    assert any(line.startswith("  ") for line in lines)
    assert {line[:2] for line in lines if line.strip(" -")} == {"- ", "  "}


def test_a_chat_comes_back_as_a_chat(tierfold: Run, chat: Path) -> None:
    """Rows in, rows out, the answering one among them."""
    ended = tierfold("compress", chat, "--ask", "What is my phone number?", "--tokens", "300")

    messages = parse_messages(json.loads(ended.stdout))
    assert messages[0].content == "Be brief."
    assert any("0117 496 0990" in str(message.content) for message in messages)
    assert len(messages) < 60


def test_the_object_around_a_chat_stays(
    tierfold: Run, tmp_path: Path, rows: list[dict[str, str]]
) -> None:
    """A whole request body can be folded and sent on."""
    body = tmp_path / "body.json"
    body.write_text(json.dumps({"model": "m", "messages": rows, "temperature": 0}))

    ended = tierfold("compress", body, "--ask", "phone number?", "--tokens", "300", "-q")

    folded = json.loads(ended.stdout)
    assert {**folded, "messages": []} == {"model": "m", "messages": [], "temperature": 0}
    assert len(folded["messages"]) < len(rows)


def test_a_chat_can_be_read_as_text(tierfold: Run, chat: Path) -> None:
    """`--format text` does not look at what the file is."""
    ended = tierfold("compress", chat, "--format", "text", "--tokens", "100000", "-q")

    assert ended.stdout == chat.read_bytes()


@pytest.mark.parametrize("ask", [(), ("--ask", ""), ("--ask", "  \t ")])
def test_without_a_question_it_says_so(
    tierfold: Run, reference: Path, ask: tuple[str, ...]
) -> None:
    """No question, or one of spaces, folds by itself and does not keep quiet about it."""
    ended = tierfold("compress", reference, *ask, "--tokens", "500", "--json")

    assert ended.returncode == 0
    assert b"no question (--ask)" in ended.stderr
    assert json.loads(ended.stdout)["query_free"]


def test_a_floor_that_is_not_reached_is_code_3_with_the_answer(
    tierfold: Run, reference: Path
) -> None:
    """Scripts can tell, people get the text all the same."""
    ended = tierfold("compress", reference, "--ask", ASK, "--tokens", "40", "--min-quality", ".999")

    assert ended.returncode == 3
    assert ended.stdout.strip()
    assert b"floor not met" in ended.stderr


def test_a_price_shows_what_a_call_saves(tierfold: Run, reference: Path) -> None:
    """With a model the closing figures have dollars."""
    ended = tierfold("compress", reference, "--ask", ASK, "--tokens", "2000", "--model", "medium")

    assert b"saves $0.3" in ended.stderr


def test_stages_can_be_pinned(tierfold: Run, reference: Path) -> None:
    """Exactly the stages that were asked for run, and run twice give the same bytes."""
    words = ("compress", reference, "--ask", ASK, "--tokens", "500", "--stages", "fast")
    first, second = tierfold(*words, "--json"), tierfold(*words)

    assert [stage["stage"] for stage in json.loads(first.stdout)["stages"]] == ["fast"]
    assert json.loads(first.stdout)["sources"][0]["text"].encode() == second.stdout


def test_a_terminal_gets_colour_unless_it_said_no(
    environment: dict[str, str], reference: Path
) -> None:
    """Escape codes go to a terminal only, and not with NO_COLOR."""
    plain = {name: value for name, value in environment.items() if name != "NO_COLOR"}

    assert b"\x1b[" in _on_terminal(reference, plain | {"TERM": "xterm"})
    assert b"\x1b[" not in _on_terminal(reference, environment | {"TERM": "xterm"})


def _on_terminal(reference: Path, environment: dict[str, str]) -> bytes:
    ours, theirs = pty.openpty()
    command: list[str | Path] = [SCRIPTS / "tierfold", "compress", reference, "--tokens", "200"]
    subprocess.run(
        command, stderr=theirs, stdout=subprocess.DEVNULL, env=environment, check=True, timeout=50
    )
    os.close(theirs)
    shown = os.read(ours, 65_536)
    os.close(ours)
    return shown


HEAVY = {
    *("asyncio", "fastapi", "http", "httpx", "logging", "ray", "rich", "ssl", "starlette"),
    *("torch", "typer", "unittest", "uvicorn", "wordllama"),
}


@pytest.mark.parametrize("words", [[], ["--diff"], ["--json"]])
def test_nothing_heavy_is_imported(
    environment: dict[str, str], reference: Path, words: list[str]
) -> None:
    """A fold pays for numpy and our own rooms; frameworks stay out of its process."""
    code = (
        "import sys; from tierfold.cli import main;"
        f"main(['compress', {str(reference)!r}, '--tokens', '500', '-q', *{words!r}]);"
        "sys.stderr.write(' '.join(sys.modules))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=environment, check=True, timeout=50
    )
    imported = {name.partition(".")[0] for name in ended.stderr.decode().split()}

    assert "numpy" in imported
    assert imported & HEAVY == set()
