"""`make demo`: its parts here, its server in the tests that start Ray."""

import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.cli.answers import an_answer
from tierfold.cli.screen import Screen
from tierfold.context import Document, DocumentSource
from tierfold.wire import parse_messages
from tierfold_actors.demo.__main__ import DEFAULT_ASK, main
from tierfold_actors.demo.over_http import ask_server, events, example_chat
from tierfold_actors.demo.passage import Passage, best_passage, show_passage, stem
from tierfold_actors.demo.server import stop
from tierfold_actors.demo.stored import session, telling_gap
from tierfold_actors.demo.throwaway import STORE, interrupts_held, throwaway_folder


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the demo's throw-away folders lie."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_without_ray_the_fold_and_the_store_are_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], temporary: Path
) -> None:
    """Without the extra all that needs no server is shown, and how to get the rest is said."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    assert main([]) == 0

    said = capsys.readouterr().out
    assert "2. A history that lasts" in said
    assert "byte for byte what was sent" in said
    assert not list(temporary.iterdir())
    assert DEFAULT_ASK in said
    assert "fast" in said
    assert "->" in said
    assert "the passage that answers" in said
    assert "pip install 'tierfold[ray]'" in said


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_whole_demo_runs_and_leaves_nothing_behind(environment: dict[str, str]) -> None:
    """Both halves give the same text, and the server is gone when the demo is."""
    ended = subprocess.run(
        [sys.executable, "-m", "tierfold_actors.demo"],
        capture_output=True,
        env=environment | {"KEEP": "0"},
        check=False,
        timeout=230,
    )
    said = ended.stdout.decode()

    assert ended.returncode == 0, said + ended.stderr.decode()
    assert " ".join(next(line for line in said.splitlines() if "same text" in line).split()) == (
        "same text yes"
    )
    assert "Redcliffe" in said
    assert "from L3" in said
    assert "from L0" in said
    assert "byte for byte what was sent" in said
    assert "were sent; on the disk are" in said
    folder = Path(said.partition("--store ")[2].split()[0]).parent
    assert not folder.exists()
    url = said.rpartition("API documentation: ")[2].split("/docs")[0]
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/livez", trust_env=False)


@pytest.mark.usefixtures("temporary")
def test_a_question_of_ones_own_is_taken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """make demo ASK="..." asks that, quotes or not."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    assert main(["How does", "a generator stop?"]) == 0
    assert "How does a generator stop?" in capsys.readouterr().out


def test_the_densest_passage_is_shown_with_its_words_marked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rare words of the question count more than common ones, and a gap is never crossed."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    texts = {
        "a": "The word statement is everywhere.\n\nstatement\n\nstatement again",
        "b": "Nothing of it.[…]Generators were closing early.\n\n   code stays as it is",
    }
    sources = tuple(DocumentSource(document=Document(title=t, text=x)) for t, x in texts.items())

    passage = best_passage("How is a generator closed, statement?", an_answer(sources=sources))

    assert passage is not None
    assert passage.title == "b"
    assert passage.text.startswith("Generators")
    stream = io.StringIO()
    show_passage(passage, "generator closed", Screen(stream))
    assert "\x1b[1;33mGenerators\x1b[0m" in stream.getvalue()


HEADING = "The spam statement\n=================="
PROSE = "A spam statement wraps a block of eggs, and then another block of eggs. " * 4
SHORT = PROSE[:180]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{HEADING}\n\n{PROSE}", f"{HEADING}\n\n{PROSE}"),
        (f"Eggs.[…]{HEADING}[…]{SHORT}[…]Eggs.", f"{HEADING}\n\n[…]\n\n{SHORT}"),
        (f"{'Ham. ' * 60}[…]{HEADING}", f"{'Ham. ' * 60}\n\n[…]\n\n{HEADING}"),
    ],
)
def test_a_heading_is_never_shown_alone(text: str, expected: str) -> None:
    """What follows a heading comes with it, across a gap if need be; at the end, what precedes."""
    document = Document(title="other", text=text)
    alone = Document(title="alone", text="spam statement")
    sources = (DocumentSource(document=document), DocumentSource(document=alone))

    passage = best_passage("What is the spam statement?", an_answer(sources=sources))

    assert passage is not None
    assert passage.text == expected


def test_a_passage_grows_only_while_it_is_one_piece() -> None:
    """More than the least is shown up to three paragraphs, never across a gap."""
    block = "ham " * 55
    text = "\n\n".join([f"spam {block}", f"spam {block}", f"spam {block}", f"spam {block}"])
    document = Document(text=f"{text}[…]{'spam ' * 100}")

    passage = best_passage("eggs", an_answer(sources=(DocumentSource(document=document),)))

    assert passage is not None
    assert "[…]" not in passage.text


def test_headings_keep_their_line() -> None:
    """An underlined heading is no prose to be wrapped."""
    stream = io.StringIO()

    show_passage(Passage(title="t", text=f"{HEADING}\n\none\n  two"), "x", Screen(stream))

    assert "    The spam statement\n    =====" in stream.getvalue()
    assert "    one two\n" in stream.getvalue()


def test_nothing_kept_is_no_passage() -> None:
    """An empty answer shows nothing."""
    assert best_passage("x", an_answer(sources=())) is None
    stream = io.StringIO()
    show_passage(Passage(title="t", text="one\n\n   two"), "one", Screen(stream))
    assert "       two" in stream.getvalue()


@pytest.mark.parametrize(
    ("one", "other"), [("raised", "raising"), ("closes", "closed"), ("is", "is"), ("do", "doe")]
)
def test_stems_join_forms_of_a_word(one: str, other: str) -> None:
    """Forms that differ by a common ending are one word."""
    assert stem(one) == stem(other)


def test_the_chat_of_the_demo_is_a_good_chat() -> None:
    """Our own example passes our own door: roles, calls and results in order."""
    chat = example_chat()
    messages = parse_messages(chat["messages"])
    calls = {call.id for message in messages for call in message.tool_calls}
    results = {message.tool_call_id for message in messages if message.role == "tool"}

    assert len(messages) > 30
    assert calls
    assert calls == results
    assert "Redcliffe" in json.dumps(chat["messages"])


def test_server_sent_events_are_read_as_they_come() -> None:
    """Name and data belong together; comments and ids are passed over."""
    lines = iter(
        [": ping", "", "event: stage", "id: 1", 'data: {"a": 1}', "", "event: result", "data: 2"]
    )

    assert list(events(lines)) == [("stage", {"a": 1}), ("result", 2)]


def test_stages_over_http_are_shown_once_each() -> None:
    """Every event carries all steps so far; each gets one line."""
    first = _body(["fast"], final=False)
    second = _body(["fast", "balanced"], final=True)
    stream = io.StringIO()

    seen = ask_server(_client([("stage", first), ("result", second)]), {}, Screen(stream))

    lines = stream.getvalue().splitlines()
    assert seen.body == second
    assert [line.split()[0] for line in lines[:4]] == ["read", "index", "fast", "balanced"]
    assert len(lines) == 5


def test_a_refusal_over_http_is_an_error() -> None:
    """A problem document is not taken for an answer."""
    transport = httpx.MockTransport(lambda _: httpx.Response(422, json={"detail": "no"}))

    with (
        httpx.Client(base_url="http://demo", transport=transport) as client,
        pytest.raises(httpx.HTTPStatusError),
    ):
        ask_server(client, {}, Screen(None))


def test_a_child_that_ignores_ctrl_c_is_stopped_all_the_same() -> None:
    """The demo leaves nothing behind, by the id of what it started."""
    code = (
        "import signal, time;"
        "signal.signal(signal.SIGINT, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()

    stop(child, patience_s=0.2)
    stop(child)

    assert child.returncode == -signal.SIGTERM
    child.stdout.close()


def test_a_second_ctrl_c_is_passed_on_while_the_server_stops() -> None:
    """Whoever is impatient hurries the server, and leaves no server behind."""
    code = (
        "import signal, sys, time, os\n"
        "came = []\n"
        "def hear(*_):\n"
        "    came.append(1)\n"
        "    os.kill(os.getppid(), signal.SIGINT) if len(came) == 1 else sys.exit(7)\n"
        "signal.signal(signal.SIGINT, hear)\n"
        "print(1, flush=True)\n"
        "time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()

    with pytest.raises(KeyboardInterrupt):
        stop(child, patience_s=20)

    assert child.returncode == 7
    child.stdout.close()


def test_ctrl_c_leaves_no_folder(temporary: Path) -> None:
    """What is made in it is gone, kept or not; only what ended well is kept."""

    def interrupted() -> None:
        with throwaway_folder(keep=True) as folder:
            (folder / STORE).mkdir()
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not list(temporary.iterdir())

    with throwaway_folder(keep=True) as folder:
        pass

    assert list(temporary.iterdir()) == [folder]


def test_a_held_ctrl_c_comes_after_the_block() -> None:
    """Nothing between start and clean-up is left half done, and no Ctrl-C is lost."""
    reached = []

    def interrupted() -> None:
        with interrupts_held():
            os.kill(os.getpid(), signal.SIGTERM)
            reached.append(1)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert reached == [1]


def test_the_session_of_the_demo_is_a_good_chat() -> None:
    """Every call has its result, and after all turns there is one row more."""
    messages = parse_messages(session())

    assert [call.id for message in messages for call in message.tool_calls] == [
        message.tool_call_id for message in messages if message.role == "tool"
    ]
    assert [message.role for message in messages[-2:]] == ["tool", "assistant"]


def test_the_gap_shown_stands_where_most_was_kept() -> None:
    """The longest of that row, by its own number in the session; an answer may have none."""
    gaps = [
        {"message": message, "tokens": tokens} for message, tokens in ((3, 90), (5, 10), (5, 20))
    ]
    tools = [
        {"role": "tool", "tool_call_id": "call_0", "content": "x"},
        {"role": "tool", "tool_call_id": "call_1", "content": "xx"},
    ]
    kept = {"sources": [{"messages": [{"role": "user", "content": "xxx"}, *tools]}]}
    nothing: dict[str, Any] = {"sources": [{"messages": []}]}

    assert telling_gap(kept | {"left_out": gaps}) == gaps[2]
    assert telling_gap(kept | {"left_out": []}) is None
    assert telling_gap(nothing | {"left_out": gaps}) is None


def _body(stages: list[str], *, final: bool) -> dict[str, Any]:
    return {
        "final": final,
        "usage": {"original_prompt_tokens": 100, "prompt_tokens": 10},
        "quality": {"expected": 0.9},
        "stages": [{"stage": stage, "quality": 0.9, "tokens": 10} for stage in stages],
        "timing": {
            "read_ms": 3.0,
            "index_ms": 2.0,
            "stages": [{"stage": s, "ms": 1.0, "predicted_ms": 1.0} for s in stages],
        },
    }


def _client(sent: list[tuple[str, dict[str, Any]]]) -> httpx.Client:
    body = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in sent)
    transport = httpx.MockTransport(lambda _: httpx.Response(200, text=body))
    return httpx.Client(base_url="http://demo", transport=transport)
