"""The store's commands against a server; tests/unit/cli/test_local.py has a store opened here."""

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.unit.client.fake_server import FakeServer, Kept
from tierfold.cli import main
from tierfold.cli import tiers as tiers_command
from tierfold.context.handle import Handle

ROWS: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {
        "role": "user",
        "name": "Ada",
        "content": [{"type": "text", "text": "Look:"}, {"type": "image"}],
    },
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "find", "arguments": "{}"}}
        ],
    },
    {"role": "tool", "tool_call_id": "1", "content": "found"},
]

pytestmark = pytest.mark.usefixtures("url")
Output = pytest.CaptureFixture[str]
HANDLE = Handle(digest=b"12345678", first=0, count=1, check=b"abcd").encode()


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    path = tmp_path / "chat.json"
    path.write_text(json.dumps(ROWS))
    return path


@pytest.fixture
def trip(server: FakeServer) -> Kept:
    kept = Kept(id="trip", shape="messages", items=list(ROWS), title="To\x1b[2J Oslo")
    server.contexts["trip"] = kept
    return kept


def test_a_file_is_stored_and_its_id_is_all_on_stdout(
    chat: Path, server: FakeServer, url: str, capsys: Output
) -> None:
    """A script takes the id from stdout, a person reads beside it where it went."""
    assert main(["put", str(chat), "--title", "Oslo", "--ttl", "30d"]) == 0

    out, err = capsys.readouterr()
    kept = server.contexts[out.strip()]
    assert (kept.items, kept.title, kept.ttl_s) == (ROWS, "Oslo", 2_592_000.0)
    assert f"server {url} (from TIERFOLD_URL)" in err
    assert "4 messages" in err


def test_a_context_becomes_the_file_or_grows_by_it(
    chat: Path, server: FakeServer, capsys: Output
) -> None:
    """--id puts the whole, --append adds, and title and life can change on the way."""
    assert main(["put", str(chat), "--id", "trip", "--ttl", "1h", "-q"]) == 0
    assert (server.contexts["trip"].version, server.contexts["trip"].ttl_s) == (1, 3600)
    assert main(["put", str(chat), "--id", "trip", "--append", "--json", "--title", "t"]) == 0
    out = capsys.readouterr().out
    assert json.loads(out.partition("\n")[2])["items"] == 8
    assert server.contexts["trip"].title == "t"

    assert main(["put", str(chat), "--id", "trip", "--title", "u"]) == 0
    assert (len(server.contexts["trip"].items), server.contexts["trip"].title) == (4, "u")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_rows_in_lines_are_a_chat(tmp_path: Path, server: FakeServer, end: str) -> None:
    """JSONL is how agents log."""
    path = tmp_path / "chat.jsonl"
    path.write_text(end.join(json.dumps(row) for row in ROWS) + end + end)

    assert main(["put", str(path), "--id", "trip"]) == 0
    assert server.contexts["trip"].items == ROWS


def test_of_an_envelope_only_the_messages_are_stored_and_that_is_said(
    tmp_path: Path, server: FakeServer, capsys: Output
) -> None:
    """Nobody should look for the model's name later."""
    path = tmp_path / "body.json"
    path.write_text(json.dumps({"model": "m", "messages": ROWS}))

    assert main(["put", str(path), "--id", "trip"]) == 0
    assert "only its messages" in capsys.readouterr().err
    assert server.contexts["trip"].items == ROWS


def test_a_text_comes_from_stdin_and_back_byte_for_byte(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """What goes in through a pipe comes out through one."""
    text = "# Heading\n\nno line end: \u00fc".encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))

    assert main(["put", "-", "--id", "notes", "-q"]) == 0
    assert main(["get", "notes", "-q"]) == 0
    assert capsysbinary.readouterr().out == b"notes\n" + text


@pytest.mark.parametrize(
    ("body", "words", "said"),
    [
        ("", [], "it is empty"),
        (" \n", [], "it is empty"),
        ('[{"role": "user", "content": "x"', [], "looks like a chat, but"),
        ('{"role": "user", "content": "x"}\n{"role', [], "line 2"),
        ("{}", ["--format", "messages"], "messages: must be a list, not an object"),
        ("text", ["--append"], "--append needs the --id"),
        ("text", ["--id", "nobody", "--append"], "there is no context 'nobody'"),
        ("text", ["--id", ".."], "is no id"),
        ("text", ["--ttl", "30"], "30d, 12h or 90min"),
    ],
)
def test_what_cannot_be_stored_is_refused(
    tmp_path: Path, capsys: Output, body: str, words: list[str], said: str
) -> None:
    """The refusal says what to mend, in one line, and stdout stays empty."""
    path = tmp_path / "file"
    path.write_text(body)

    assert main(["put", str(path), *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err.splitlines()[-1]


def test_a_chat_is_shown_as_people_read_it(trip: Kept, capsys: Output) -> None:
    """Who speaks, what is said, which tools are called; pictures by their kind."""
    assert main(["get", trip.id]) == 0

    out = capsys.readouterr().out
    assert "[0] system\nBe brief.\n\n[1] user Ada\nLook:\n(image)\n" in out
    assert "calls find({})" in out
    assert "[3] tool\nfound" in out


def test_a_run_of_items_comes_exactly_as_json(trip: Kept, capsys: Output) -> None:
    """--json is what is stored, with where it stood."""
    assert main(["get", trip.id, "--start", "-3", "--stop", "3", "--json"]) == 0

    body = json.loads(capsys.readouterr().out)
    assert body["data"] == ROWS[1:3]
    assert (body["start"], body["total"], body["shape"]) == (1, 4, "messages")


def test_an_empty_run_is_valid_json_too(trip: Kept, capsys: Output) -> None:
    """A script needs no special case."""
    assert main(["get", trip.id, "--start", "9", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"] == []


@pytest.mark.parametrize("words", [[], ["--json"]])
@pytest.mark.parametrize("shape", ["messages", "text"])
def test_a_handle_brings_back_what_it_names(
    server: FakeServer, capsys: Output, words: list[str], shape: str
) -> None:
    """`get` tells a handle from an id by its form."""
    items = [{"text": "left out"}] if shape == "text" else ROWS[3:]
    server.contexts["c"] = Kept(id="c", shape=shape, items=items)

    assert main(["get", HANDLE, *words]) == 0
    out = capsys.readouterr().out
    if not words:
        assert out == ("left out" if shape == "text" else "tool\nfound\n\n")
    else:
        assert json.loads(out) == ({"text": "left out"} if shape == "text" else {"messages": items})


def test_a_handle_has_its_own_run_and_an_id_may_look_like_one(
    server: FakeServer, capsys: Output
) -> None:
    """--start with a handle is refused; `h_trip` is a name like any other."""
    assert main(["get", HANDLE, "--start", "2"]) == 2
    server.contexts["h_trip"] = Kept(id="h_trip", shape="text", items=[{"text": "x"}])
    assert main(["get", "h_trip"]) == 0
    assert capsys.readouterr().out == "x"


@pytest.mark.usefixtures("trip")
def test_contexts_are_listed_in_columns(server: FakeServer, capsys: Output) -> None:
    """A line each, numbers to the right, and no stored text moves the cursor."""
    server.contexts["b"] = Kept(id="b", shape="text", items=[{"text": "x" * 12_345}])

    assert main(["ls"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["id", "b", "trip"]
    assert "12 kB" in lines[1]
    assert lines[2].endswith("To [2J Oslo")

    assert main(["ls", "--limit", "1", "--json"]) == 0
    assert [c["id"] for c in json.loads(capsys.readouterr().out)["data"]] == ["b"]


def test_an_empty_list_says_how_to_begin(capsys: Output) -> None:
    """Nothing on stdout is nothing for a script."""
    assert main(["ls"]) == 0
    out, err = capsys.readouterr()
    assert (out, "tierfold put" in err) == ("", True)
    assert main(["ls", "--limit", "0"]) == 2


def test_one_context_is_shown_whole(trip: Kept, capsys: Output) -> None:
    """Version, sizes and times; how it lies on the disk only the store itself knows."""
    trip.ttl_s, trip.pinned_s, trip.metadata = 1e9, 1e9, {"k": [1]}
    assert main(["inspect", "trip"]) == 0
    out = capsys.readouterr().out
    for said in ("2023-11-14", "after the last change", 'metadata  {"k":[1]}', "pinned    for"):
        assert said in out

    trip.ttl_s = trip.pinned_s = 0
    trip.metadata = {}
    assert main(["inspect", "trip", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["metadata"] == {}
    assert main(["inspect", "trip"]) == 0
    assert "never" in capsys.readouterr().out


def test_deleting_goes_on_past_what_is_not_there(
    server: FakeServer, trip: Kept, capsys: Output
) -> None:
    """What can be deleted is; the rest is named and the code says so."""
    assert main(["rm", *"abcdefg", "trip", "--json"]) == 2
    out, err = capsys.readouterr()
    assert server.contexts == {}
    assert json.loads(out) == {"deleted": ["trip"], "unknown": list("abcdefg")}
    assert "and 2 more" in err
    server.contexts["trip"] = trip
    assert main(["rm", "trip"]) == 0


@pytest.mark.usefixtures("trip")
def test_found_items_have_handles(capsys: Output) -> None:
    """A hit says where it is, how to bring it back, and shows some of it."""
    assert main(["search", "found"]) == 0
    out, err = capsys.readouterr()
    assert "trip[3]" in out
    assert "h_x" in out
    assert "3 new segments" in err

    assert main(["search", "found", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"][0]["context"] == "trip"
    assert main(["search", "nowhere"]) == 0
    assert "nothing has these words" in capsys.readouterr().err
    assert main(["search", " "]) == 2
    assert main(["search", "x", "--limit", "101"]) == 2


def test_tiers_are_bars_and_figures(capsys: Output) -> None:
    """How full, how often, how fast; what waits and what does not answer."""
    assert main(["tiers"]) == 0
    out = capsys.readouterr().out
    assert "█" * 10 + "░" * 10 in out
    assert "123 MB" in out
    assert "1 block and 2 contexts wait for s3://bucket" in out
    assert "it does not answer" in out
    assert main(["tiers", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["l0"]["hits"] == 4


@pytest.mark.parametrize("shape", ["messages", "text", "parts"])
def test_a_stored_context_is_folded(
    server: FakeServer, tmp_path: Path, capsys: Output, shape: str
) -> None:
    """The result alone on stdout, figures on stderr, as `compress` does."""
    items = ROWS if shape == "messages" else [{"text": "kept "}, {"text": "whole"}]
    server.contexts["c"] = Kept(id="c", shape=shape, items=items)
    words = ["ask", "c", "who?", "--tokens", "50"]

    assert main(words) == 0
    out, err = capsys.readouterr()
    assert (json.loads(out) == ROWS) if shape == "messages" else (out == "kept whole")
    assert "20 -> 10 tokens" in err

    target = tmp_path / "out"
    assert main([*words, "--json", "-o", str(target), "-q"]) == 0
    assert json.loads(capsys.readouterr().out)["object"] == "answer"
    assert target.read_text() == out


@pytest.mark.usefixtures("trip")
def test_a_floor_that_is_not_met_is_code_3(capsys: Output) -> None:
    """As for every fold."""
    assert main(["ask", "trip", "who?", "--min-quality", "90%"]) == 3
    assert "floor not met" in capsys.readouterr().err
    assert main(["ask", "trip", "who?", "--model", "nobody"]) == 2
    assert main(["ask", "trip", "who?", "-o", "nowhere/out"]) == 2
    assert main(["ask", "nobody", "who?"]) == 2


@pytest.mark.usefixtures("trip")
def test_an_answer_of_something_else_is_our_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """A document that is no answer is named as such."""
    monkeypatch.setattr("tests.unit.client.fake_server.answer_body", lambda *_: {"sources": []})
    assert main(["ask", "trip", "who?"]) == 1
    assert "no reply of a tierfold server" in capsys.readouterr().err


def test_a_server_that_is_down_is_said_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """The URL, and the command that starts one."""
    monkeypatch.setattr("tierfold.client.connection.time.sleep", lambda _: None)
    assert main(["ls", "--url", "http://127.0.0.1:9"]) == 1
    assert "http://127.0.0.1:9 (connection refused): `tierfold up`" in capsys.readouterr().err
    assert main(["ls", "--url", "nonsense"]) == 2


def test_a_reader_that_leaves_is_code_141(
    monkeypatch: pytest.MonkeyPatch, server: FakeServer
) -> None:
    """`tierfold get big | head` is no failure."""
    server.contexts["c"] = Kept(id="c", shape="text", items=[{"text": "x" * 1_000_000}])
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stdout:
        monkeypatch.setattr("sys.stdout", stdout)
        assert main(["get", "c", "-q"]) == 141


def test_tiers_say_who_decides_and_by_what() -> None:
    """The costs that were compared, what is pinned, what reading ahead brought, what failed."""
    tier = {"tier": "L1", "pinned_bytes": 2048, "problem": "Lfu: KeyError"}
    figures = {"batches": 2, "keys": 3, "accuracy": 0.5, "is_on": False}
    shard = {
        "tiers": [tier],
        "choice": {
            "order": "context",
            "reason": "saving",
            "windows": 7,
            "cost_ms": {"lru": 3.5, "context": 2.25},
        },
        "prefetch": {"evidence": {"asked": figures, "session_opened": {"batches": 0}}},
        "object_store": {"problem": ""},
    }

    assert list(tiers_command._choice(shard)) == [  # noqa: SLF001  # what is printed is the rule
        "  order context (saving, 7 windows; ms a request would cost: context 2.25, lru 3.50)",
        "  L1: 2.0 kB pinned or read ahead",
        "  read ahead (asked): 3 contexts, 50% of them read, off",
    ]
    assert list(tiers_command._problems(shard)) == ["L1: Lfu: KeyError"]  # noqa: SLF001  # likewise
