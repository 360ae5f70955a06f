"""The store's commands on a store that the command itself opens."""

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tierfold.cli import main
from tierfold.cli.damage import is_all_saved, repair_lines
from tierfold.cli.local import LocalContexts
from tierfold.client.documents import ContextObject, ItemsPage
from tierfold.client.paging import each_context, each_item
from tierfold.engine.repairing import RepairedShard
from tierfold.engine.shard.operations import Hits
from tierfold.engine.shard.upkeep.recovering import Recovered
from tierfold.errors import StoreLockedError
from tierfold.storage.lock import StoreLock

Output = pytest.CaptureFixture[str]
ROWS: list[dict[str, Any]] = [
    {"role": "user", "content": f"Row {i} is about the weather, and so on."} for i in range(150)
]
ROWS[70]["content"] = "The flight to Oslo leaves at 9:15, gate 17."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where TIERFOLD_STORE points."""
    return tmp_path / "store"


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    path = tmp_path / "chat.json"
    path.write_text(json.dumps(ROWS))
    return path


@pytest.fixture
def contexts(folder: Path) -> Iterator[LocalContexts]:
    import tierfold  # noqa: PLC0415  # as the command does

    contexts = LocalContexts(tierfold.open(folder))
    yield contexts
    contexts.close()


def test_a_chat_lives_from_command_to_command(chat: Path, folder: Path, capsys: Output) -> None:
    """Stored by one process, folded, read, grown and deleted by the next ones."""
    assert main(["put", str(chat), "--id", "trip", "--title", "Oslo", "--ttl", "1d"]) == 0
    assert f"store {folder} (opened here)" in capsys.readouterr().err

    words = ["ask", "trip", "When does the flight leave?", "--tokens", "60"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "9:15" in out
    assert len(json.loads(out)) < 10

    assert main(["put", str(chat), "--id", "trip", "--append", "-q"]) == 0
    assert main(["get", "trip", "--start", "-1", "--json"]) == 0
    body = json.loads(capsys.readouterr().out.removeprefix("trip\n"))
    assert (body["total"], body["data"], body["start"]) == (300, ROWS[-1:], 299)

    assert main(["ls", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)["data"]
    assert (listed["title"], listed["items"], listed["version"]) == ("Oslo", 300, 2)

    assert main(["rm", "trip"]) == 0
    assert main(["get", "trip"]) == 2
    assert "there is no context 'trip'" in capsys.readouterr().err


def test_what_a_fold_left_out_comes_back_by_its_handle(chat: Path, capsys: Output) -> None:
    """`left_out` of `ask --json` names handles, and `get` takes them."""
    assert main(["put", str(chat), "--id", "trip", "-q"]) == 0
    capsys.readouterr()
    assert main(["ask", "trip", "When does the flight leave?", "--tokens", "60", "--json"]) == 0
    left_out = json.loads(capsys.readouterr().out)["left_out"][0]

    assert main(["get", left_out["handle"], "--json"]) == 0
    restored = json.loads(capsys.readouterr().out)
    assert ROWS[left_out["message"]]["content"] in json.dumps(restored)


def test_inspect_knows_how_a_context_is_stored(chat: Path, capsys: Output) -> None:
    """Chain, pages, keys, and the tier that answers for each run of items."""
    assert main(["put", str(chat), "--id", "trip", "-q"]) == 0
    capsys.readouterr()
    assert main(["inspect", "trip", "--json"]) == 0
    storage = json.loads(capsys.readouterr().out)["storage"]
    assert (storage["pages"], storage["branches"], storage["tail"]) == (2, 0, 150 - 128)
    assert sum(run["stop"] - run["start"] for run in storage["lies_in"]) == 150
    assert len(storage["chain"]) == 32

    assert main(["inspect", "trip"]) == 0
    out = capsys.readouterr().out
    assert "2 sealed" in out
    assert " to 149" in out


def test_tiers_of_a_store_have_totals(chat: Path, capsys: Output) -> None:
    """One line per tier over all shards."""
    assert main(["put", str(chat), "-q"]) == 0
    capsys.readouterr()
    assert main(["tiers"]) == 0
    out = capsys.readouterr().out
    assert "L3" in out
    assert "shard 0: 1 context" in out
    assert main(["tiers", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["shards"][0]["contexts"] == 1


def test_export_and_import_between_stores(
    chat: Path, tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second store has what the first one had."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"A text.\n\n" * 20_000)))
    assert main(["put", "-", "--id", "text", "-q"]) == 0
    assert main(["put", str(chat), "--id", "trip", "--title", "T", "--ttl", "2h", "-q"]) == 0
    path, other = str(tmp_path / "all.parquet"), str(tmp_path / "other")
    assert main(["export", path, "-q"]) == 0
    assert main(["import", path, "--store", other, "-q"]) == 0
    assert main(["import", path, "--store", other]) == 0
    assert "2 equal" in capsys.readouterr().err

    bodies = []
    for where in ([], ["--store", other]):
        assert main(["get", "text", *where, "-q"]) == 0
        text = capsys.readouterr().out
        assert main(["get", "trip", "--json", *where, "-q"]) == 0
        body = json.loads(capsys.readouterr().out)
        bodies.append((text, body["data"]))
    assert bodies[0] == bodies[1]
    assert bodies[0][0] == "A text.\n\n" * 20_000


def test_a_document_in_parts_is_seen_as_a_server_shows_it(contexts: LocalContexts) -> None:
    """Every method answers in the shapes of the wire."""
    made = contexts.create(
        "doc", document={"title": "D", "parts": [{"text": "a", "role": "user"}, {"text": "b"}]}
    )
    assert (made.shape, made.title, made.ttl_s) == ("parts", "D", 0)
    contexts.append("doc", parts=[{"text": "c"}], if_version=made.version)
    assert contexts.put("other", text="needle").shape == "text"
    pages = [page.items for page in each_item(contexts.items_page, "doc", -3, limit=2)]
    assert pages == [({"text": "a", "role": "user"}, {"text": "b"}), ({"text": "c"},)]
    changed = contexts.update("doc", metadata={"k": 1}, ttl_s=60)
    assert (changed.metadata, changed.ttl_s) == ({"k": 1}, 60.0)
    assert [c.id for c in each_context(contexts.list_page, limit=1)] == ["doc", "other"]
    assert contexts.search("needle").hits[0].context == "other"


@pytest.mark.parametrize(("is_slow", "asked"), [(False, 3), (True, 1)])
def test_a_search_waits_for_what_was_just_written(
    contexts: LocalContexts, monkeypatch: pytest.MonkeyPatch, *, is_slow: bool, asked: int
) -> None:
    """A word that was put a moment ago is found, and nobody waits for ever."""
    waiting = iter([2, 1, 0])
    monkeypatch.setattr(
        contexts.store, "search", lambda *_, **__: Hits(hits=(), segments_waiting=next(waiting))
    )
    monkeypatch.setattr("tierfold.cli.local._INDEXING_S_STEP", 0.0)
    monkeypatch.setattr("tierfold.cli.local._INDEXING_S_MAX", 0.0 if is_slow else 60.0)

    assert contexts.search("word").segments_waiting == 3 - asked
    assert next(waiting, None) == (1 if is_slow else None)


def test_a_store_keeps_its_object_store_whoever_opens_it(
    folder: Path, chat: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It begins with a folder in it; one that was named once is not left for another by the way."""
    assert main(["put", str(chat), "--id", "trip", "-q"]) == 0
    assert main(["tiers"]) == 0
    assert f"wait for file://{folder}/objects" in capsys.readouterr().out

    elsewhere = f"file://{folder}-elsewhere"
    monkeypatch.setenv("TIERFOLD_OBJECTS", elsewhere)
    assert main(["tiers"]) == 0
    monkeypatch.delenv("TIERFOLD_OBJECTS")
    assert main(["tiers"]) == 0
    assert f"wait for {elsewhere}\n" in capsys.readouterr().out.splitlines(keepends=True)[-1]


def test_an_object_store_can_be_left(
    folder: Path, chat: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`none` is heard, and stays."""
    assert main(["put", str(chat), "--id", "trip", "-q"]) == 0
    monkeypatch.setenv("TIERFOLD_OBJECTS", "none")
    assert main(["tiers"]) == 0
    monkeypatch.delenv("TIERFOLD_OBJECTS")
    assert main(["tiers"]) == 0
    said = capsys.readouterr().out
    assert said.count("no object store") == 2
    assert str(folder) not in said


def test_a_store_that_is_not_there_is_not_made_by_reading(folder: Path, capsys: Output) -> None:
    """Only what writes makes one."""
    for words in (["ls"], ["get", "x"], ["tiers"], ["doctor", "--store"]):
        assert main(words) == 2
        assert "there is no store at" in capsys.readouterr().err
    assert not folder.exists()


def test_a_store_that_is_open_elsewhere_leads_to_its_server(
    folder: Path, url: str, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """The lock file names the server; without one the process that holds it is named."""
    monkeypatch.delenv("TIERFOLD_URL")
    with StoreLock.acquire(folder) as lock:
        assert main(["ls"]) == 1
        assert "is open in process" in capsys.readouterr().err
        lock.announce(url)
        assert main(["ls"]) == 0
        assert f"server {url} (from the lock file)" in capsys.readouterr().err
        assert main(["doctor", "--store"]) == 1
        assert "stop it first" in capsys.readouterr().err


@pytest.mark.parametrize("has_url", ["yes", ""])
def test_a_store_that_is_taken_while_we_look(
    folder: Path, url: str, monkeypatch: pytest.MonkeyPatch, capsys: Output, has_url: str
) -> None:
    """Between looking and opening somebody else may come; their server serves us too."""
    monkeypatch.delenv("TIERFOLD_URL")
    folder.mkdir()

    def taken(_: Path) -> None:
        raise StoreLockedError(str(folder), pid=1, url=url if has_url else None)

    monkeypatch.setattr("tierfold.cli.reach._open", taken)
    assert main(["ls"]) == (0 if has_url else 1)
    assert ("from the lock file" if has_url else "process 1") in capsys.readouterr().err


def test_a_sound_store_passes_its_audit(chat: Path, capsys: Output) -> None:
    """Everything is counted, nothing is found."""
    assert main(["put", str(chat), "--id", "trip", "-q"]) == 0
    assert main(["doctor", "--store"]) == 0
    assert "checked 1 context, " in (out := capsys.readouterr().out)
    assert "all sound" in out
    assert main(["doctor", "--store", "--repair", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"]
    assert main(["doctor", "--repair"]) == 2


def test_what_an_audit_finds_is_listed(
    chat: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Damage fails, garbage does not; long lists are cut."""
    from tierfold.engine.shard.operations import AuditReport, Finding  # noqa: PLC0415  # late, too
    from tierfold.engine.store import Store  # noqa: PLC0415  # as above

    assert main(["put", str(chat), "-q"]) == 0
    capsys.readouterr()

    def report(kind: str, count: int) -> AuditReport:
        findings = tuple(Finding(kind=kind, what="ab", detail="checksum") for _ in range(count))
        return AuditReport(contexts=1, references=2, segments=3, blocks=4, findings=findings)

    monkeypatch.setattr(Store, "audit", lambda *_, **__: [report("corrupt", 101)])
    assert main(["doctor", "--store"]) == 1
    out = capsys.readouterr().out
    assert "corrupt   ab: checksum" in out
    assert "1 more; --json" in out
    assert "101 findings" in out

    monkeypatch.setattr(Store, "audit", lambda *_, **__: [report("garbage", 1)])
    assert main(["doctor", "--store", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["findings"][0]["kind"] == "garbage"


def test_a_store_that_does_not_open_is_repaired(
    chat: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """Doctor names the damaged table and the way out; that way deletes nothing, and says all."""
    monkeypatch.setenv("TIERFOLD_OBJECTS", "none")
    assert main(["put", str(chat), "-q"]) == 0
    table = max((folder / "shard-00").glob("*.sst"))
    content = bytearray(table.read_bytes())
    content[-30] ^= 1
    table.write_bytes(content)
    capsys.readouterr()
    assert main(["ls"]) == 1
    assert "--repair" in capsys.readouterr().err
    assert main(["doctor", "--store"]) == 1
    out = capsys.readouterr().out
    assert f"table {table.name} cannot be read" in out
    assert "--repair" in out
    assert main(["doctor", "--store", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["damaged"][0]["name"] == "shard-00"
    shutil.copytree(folder, folder.with_name("again"))
    assert main(["doctor", "--store", "--repair"]) in (0, 1)
    out = capsys.readouterr().out
    assert "shard-00.damaged-1" in out
    assert "checked" in out
    assert (folder / "shard-00.damaged-1" / table.name).read_bytes() == content
    again = str(folder.with_name("again"))
    main(["doctor", "--store", again, "--repair", "--json"])
    assert json.loads(capsys.readouterr().out)["repaired"][0]["damage"]
    assert main(["ls"]) == 0


def test_long_lists_of_what_was_lost_are_cut() -> None:
    """Each fate is listed by id, the first hundred."""
    recovered = Recovered(whole=2, incomplete=["local/a"], lost=[f"local/{n}" for n in range(103)])
    shard = RepairedShard(
        name="shard-00", damage=(), aside="/x", object_store="", recovered=recovered
    )
    said = list(repair_lines([shard]))

    assert "partial   local/a" in said
    assert "... and 3 more lost; --json lists all" in said
    assert not is_all_saved([shard])


def test_runs_of_tiers_are_joined_and_cut() -> None:
    """Neighbours in one tier are one run; a long list stays a line."""
    from tierfold.cli.inspect import _storage_rows  # noqa: PLC0415  # what `inspect` prints

    runs = [{"tier": f"L{2 + i % 2}", "start": i, "stop": i + 1} for i in range(30)]
    storage = {
        "chain": "ab",
        "slot": 5,
        "head_bytes": 100,
        "tail": 1,
        "pages": 300,
        "branches": 1,
        "keys_remembered": 1,
        "lies_in": runs,
    }
    rows = dict(_storage_rows(storage))
    assert rows["pages"] == "300 sealed, 1 branches"
    assert rows["items in"].endswith("and 10 runs more")
    assert dict(_storage_rows({**storage, "lies_in": []}))["items in"] == "(no items)"


def test_an_answer_keeps_its_values() -> None:
    """What travels as a document is the same context on the other side."""
    context = ContextObject(
        id="c", shape="text", version=1, items=1, size_bytes=1, created_at=0.0, updated_at=0.0
    )
    page = ItemsPage(context="c", shape="text", version=1, start=0, total=0, items=())

    assert context.body()["object"] == "context"
    assert list(each_item(lambda *_: page, "c")) == [page]
