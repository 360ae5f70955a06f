"""`tierfold retention`, `tierfold refresh`, and what `inspect` says of staleness."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

import tierfold
from tests.unit.client.fake_server import FakeServer, Kept
from tierfold.cli import main
from tierfold.cli.sources import FileSource
from tierfold.client.documents import ContextObject
from tierfold.context import DocumentSource

Output = pytest.CaptureFixture[str]

RULES = {"rules": [{"name": "few", "contexts_max": 1}, {"name": "old", "age_s_max": 1e6}]}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store, and files beside it where the commands run."""
    folder = tmp_path / "store"
    monkeypatch.setenv("TIERFOLD_STORE", str(folder))
    monkeypatch.delenv("TIERFOLD_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def rules(tmp_path: Path) -> str:
    path = tmp_path / "rules.json"
    path.write_text(json.dumps(RULES))
    return str(path)


def stored(folder: Path, *names: str) -> None:
    with tierfold.open(folder) as store:
        for name in names:
            store.create(name, text=f"{name} is a text")


def ids(folder: Path) -> list[str]:
    with tierfold.open(folder) as store:
        return [info.id for info in store]


def text_in(store: tierfold.Store, name: str) -> str:
    source = store.source(name)
    assert isinstance(source, DocumentSource)
    return source.document.whole_text


def put(*words: str) -> None:
    assert main(["put", *words, "-q"]) == 0


def refreshed(capsys: Output, *words: str) -> dict[str, str]:
    capsys.readouterr()
    assert main(["refresh", *words, "--json", "-q"]) == 0
    outcomes: dict[str, str] = json.loads(capsys.readouterr().out)["outcomes"]
    return outcomes


def touched(path: Path, text: str) -> None:
    """Write a file so that its time is another."""
    path.write_text(text)
    moment = path.stat().st_mtime_ns + 5_000_000_000
    os.utime(path, ns=(moment, moment))


def test_a_plan_names_what_would_go_and_deletes_nothing(
    folder: Path, rules: str, capsys: Output
) -> None:
    """The rule and the reason stand beside each context; the newest one stays."""
    stored(folder, "a", "b", "c")
    assert main(["retention", "--plan", rules]) == 0
    out, err = capsys.readouterr()

    assert [line.split()[:3] for line in out.splitlines()[1:]] == [
        ["a", "delete", "few"],
        ["b", "delete", "few"],
    ]
    assert "too many contexts" in out
    assert "2 contexts to delete, 0 to archive" in err
    assert ids(folder) == ["a", "b", "c"]


def test_rules_are_set_shown_applied_and_cleared(folder: Path, rules: str, capsys: Output) -> None:
    """What is set is what a plan without a file goes by."""
    stored(folder, "a", "b")
    assert main(["retention"]) == 0
    assert "no rules are set" in capsys.readouterr().err
    assert main(["retention", "--set", rules]) == 0
    assert main(["retention"]) == 0
    assert json.loads(capsys.readouterr().out)["rules"][0] == {
        "name": "few",
        "action": "delete",
        "contexts_max": 1,
    }
    assert main(["retention", "--plan", "--json"]) == 0
    (planned,) = json.loads(capsys.readouterr().out)["data"]
    assert (planned["id"], planned["rule"], planned["reason"]) == ("a", "few", "contexts")
    assert main(["retention", "--apply"]) == 0
    assert "1 context deleted" in capsys.readouterr().err
    assert ids(folder) == ["b"]
    assert main(["retention", "--plan"]) == 0
    assert "nothing goes" in capsys.readouterr().err
    assert main(["retention", "--clear"]) == 0
    assert main(["retention", "--plan"]) == 2
    assert "no rules are set" in capsys.readouterr().err


def test_a_malformed_file_is_refused_and_changes_nothing(
    folder: Path, rules: str, tmp_path: Path, capsys: Output
) -> None:
    """The message has the file and the place in it."""
    stored(folder, "a")
    assert main(["retention", "--set", rules]) == 0
    (tmp_path / "bad.json").write_text('{"rules": [{"name": "x", "idle": 1}]}')
    assert main(["retention", "--set", "bad.json"]) == 2
    assert "bad.json: rules[0]: there is no 'idle'" in capsys.readouterr().err
    assert main(["retention"]) == 0

    assert "few" in capsys.readouterr().out


def test_an_archive_is_left_to_whoever_has_the_store_open(
    folder: Path, tmp_path: Path, capsys: Output
) -> None:
    """A plan lists it, applying deletes nothing for it."""
    stored(folder, "a", "b")
    path = tmp_path / "rules.json"
    path.write_text('{"rules": [{"name": "cold", "action": "archive", "contexts_max": 1}]}')
    assert main(["retention", "--apply", str(path)]) == 0

    assert "0 contexts to delete, 1 to archive" in capsys.readouterr().err
    assert ids(folder) == ["a", "b"]


@pytest.mark.usefixtures("url")
def test_a_servers_contexts_can_be_planned_but_its_rules_lie_in_its_folder(
    server: FakeServer, rules: str, tmp_path: Path, capsys: Output
) -> None:
    """Rules for a tenant are left out there: a server does not say whose contexts it shows."""
    for name in ("a", "b"):
        server.contexts[name] = Kept(id=name, shape="text", items=[{"text": "x"}])
    path = tmp_path / "more.json"
    more = {"name": "mine", "match": {"tenant": "acme"}, "age_s_max": 1}
    path.write_text(json.dumps({"rules": [*RULES["rules"], more]}))
    assert main(["retention", "--plan", str(path), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["data"]
    assert "rules for a tenant are left out" in err
    assert main(["retention", "--set", rules]) == 2
    assert "kept in the store's folder" in capsys.readouterr().err


def test_rules_need_a_store(folder: Path, rules: str, capsys: Output) -> None:
    """Setting them makes none by the way."""
    assert main(["retention", "--set", rules]) == 2
    assert f"no store at {folder}" in capsys.readouterr().err


def test_a_changed_file_is_stored_again_and_only_what_is_new(
    folder: Path, tmp_path: Path, capsys: Output
) -> None:
    """Unchanged, changed and gone are told apart; what is stored of a file that is gone stays."""
    notes, other, lost = (tmp_path / f"{name}.md" for name in ("notes", "other", "lost"))
    for path in (notes, other, lost):
        path.write_text(f"{path.stem} is a text")
        put(path.name, "--id", path.stem, "--remember")
    put("other.md", "--id", "plain")
    touched(notes, "notes is a text and more")
    touched(other, "other is a text")
    lost.unlink()

    assert refreshed(capsys, "--all", "--dry-run")["notes"] == "changed"
    assert refreshed(capsys, "--all") == {
        "lost": "gone",
        "notes": "changed",
        "other": "unchanged",
    }
    assert refreshed(capsys, "notes") == {"notes": "unchanged"}
    with tierfold.open(folder) as store:
        assert text_in(store, "notes") == "notes is a text and more"
        assert text_in(store, "lost") == "lost is a text"
        assert store.get("notes").metadata["source"]["path"] == str(notes)


def test_what_was_changed_here_since_is_not_overwritten(
    folder: Path, tmp_path: Path, capsys: Output
) -> None:
    """An append is not lost to a newer file, unless that is wanted."""
    notes = tmp_path / "notes.md"
    notes.write_text("a text")
    put("notes.md", "--id", "notes", "--remember")
    with tierfold.open(folder) as store:
        store.append("notes", text=" and a line")
    touched(notes, "another text")

    assert refreshed(capsys, "notes") == {"notes": "edited"}
    assert refreshed(capsys, "notes", "--force") == {"notes": "changed"}


@pytest.mark.usefixtures("folder")
def test_metadata_does_not_decide_which_files_are_read(tmp_path: Path, capsys: Output) -> None:
    """Only what lies under one folder is, links followed first."""
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (inside / "n.md").write_text("a text")
    (outside / "secret").write_text("secret")
    put("in/n.md", "--id", "n", "--remember")
    (inside / "n.md").unlink()
    (inside / "n.md").symlink_to(outside / "secret")

    assert refreshed(capsys, "--all", "--under", "in") == {"n": "outside"}
    assert refreshed(capsys, "--all") == {"n": "changed"}


def test_a_file_that_cannot_be_stored_is_said_to_be_so(
    folder: Path, tmp_path: Path, capsys: Output
) -> None:
    """Bytes that are no text, a folder where a file was: what is stored stays."""
    notes = tmp_path / "notes.md"
    notes.write_text("a text")
    put("notes.md", "--id", "notes", "--remember")
    notes.write_bytes(b"\x00\xff")
    assert refreshed(capsys, "--all") == {"notes": "unreadable"}
    notes.unlink()
    notes.mkdir()

    assert refreshed(capsys, "--all") == {"notes": "unreadable"}
    assert folder.exists()


def test_a_source_is_due_after_its_time(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """`ls` and `inspect` say so, `--due` looks at those alone; having looked is remembered."""
    (tmp_path / "notes.md").write_text("a text")
    put("notes.md", "--id", "notes", "--refresh-after", "1h")
    assert refreshed(capsys, "--all", "--due") == {"notes": "not due"}
    with tierfold.open(folder) as store:
        source = dict(store.get("notes").metadata["source"])
        source["read_ms"] -= 3_600_000
        store.update("notes", metadata={"source": source})
    assert main(["ls"]) == 0
    assert "1 context due" in capsys.readouterr().err
    assert main(["inspect", "notes"]) == 0
    assert "due: `tierfold refresh`" in capsys.readouterr().out
    assert refreshed(capsys, "--all", "--due") == {"notes": "unchanged"}
    assert refreshed(capsys, "--all", "--due") == {"notes": "not due"}
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["refresh"], "name contexts, or say --all"),
        (["refresh", "a", "--all"], "name contexts, or say --all"),
        (["refresh", "a"], "remembers no file"),
        (["put", "-", "--remember"], "needs a FILE"),
        (["put", "x", "--id", "a", "--append", "--refresh-after", "1h"], "needs a FILE"),
        (["put", "nothing.md", "--remember"], "cannot read nothing.md"),
    ],
)
def test_what_makes_no_sense_is_refused(
    folder: Path, words: list[str], problem: str, capsys: Output
) -> None:
    """With what would."""
    stored(folder, "a")
    assert main(words) == 2
    assert problem in capsys.readouterr().err


@pytest.mark.parametrize(
    "said",
    [
        "a text",
        {},
        {"path": 1, "size_bytes": 1, "modified_ms": 1, "hash": "", "format": "", "read_ms": 1},
        {"path": "x", "size_bytes": True},
    ],
)
def test_metadata_of_others_is_no_source(said: Any) -> None:
    """Whoever uses the name for something else is not misunderstood."""
    context = ContextObject(
        id="a",
        shape="text",
        version=1,
        items=1,
        size_bytes=1,
        metadata={"source": said},
        created_at=0,
        updated_at=0,
    )

    assert FileSource.of(context) is None


def test_inspect_counts_the_tool_results_that_later_ones_have_overtaken(
    folder: Path, tmp_path: Path, capsys: Output
) -> None:
    """Which rows, by which, and what they cost."""
    rows: list[dict[str, Any]] = [{"role": "user", "content": "Fix it."}]
    for turn in range(7):
        function = {"name": "read", "arguments": '{"path": "a.py"}'}
        calls = [{"id": str(turn), "type": "function", "function": function}]
        rows.append({"role": "assistant", "content": None, "tool_calls": calls})
        rows.append({"role": "tool", "tool_call_id": str(turn), "content": f"version {turn}"})
    (tmp_path / "chat.json").write_text(json.dumps(rows))
    put("chat.json", "--id", "chat")
    capsys.readouterr()
    assert main(["inspect", "chat", "-q"]) == 0
    out = capsys.readouterr().out
    assert "6 tool results, 18 tokens: row 2 by 14, 4 by 14" in out
    assert "and 1 more" in out
    assert main(["inspect", "chat", "-q", "--json"]) == 0

    stale = json.loads(capsys.readouterr().out)["stale"]
    assert stale["rows"][0] == {"row": 2, "by": 14, "reason": "repeated_call", "tokens": 3}
    assert folder.exists()
