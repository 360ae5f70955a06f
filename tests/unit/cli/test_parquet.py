"""Export and import: what goes out comes in again, whatever interrupts it."""

import json
import random
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.client.fake_server import FakeServer, Kept, problem
from tierfold.cli import main
from tierfold.cli.parquet import contents, files
from tierfold.cli.parquet.contents import compared, contexts_in
from tierfold.cli.parquet.rows import Row, row_of
from tierfold.client.documents import ContextObject, ItemsPage, Shape
from tierfold.errors import CorruptError

pytestmark = pytest.mark.usefixtures("url")
Output = pytest.CaptureFixture[str]

ROWS: list[dict[str, Any]] = [{"role": "user", "content": f"row {i}"} for i in range(25)]
PARTS: list[dict[str, Any]] = [{"text": "a", "role": "user"}, {"text": "b"}]
PIECES: list[dict[str, Any]] = [{"text": "one \u00fc "}, {"text": "two "}, {"text": "three"}]


def fill(server: FakeServer) -> dict[str, Kept]:
    """Store one context of each shape, and one that is empty."""
    made = [
        Kept(id="chat", shape="messages", items=list(ROWS), title="T", metadata={"b": 1, "a": [2]}),
        Kept(id="doc", shape="parts", items=list(PARTS), ttl_s=60.0),
        Kept(id="empty", shape="messages", items=[]),
        Kept(id="text", shape="text", items=list(PIECES)),
    ]
    server.contexts |= {kept.id: kept for kept in made}
    return dict(server.contexts)


@pytest.fixture(params=[3, 1_000])
def _run_items(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Cut runs and row groups small, so that one context has many, and as they are."""
    monkeypatch.setattr(contents, "_RUN_ITEMS_MAX", request.param)
    monkeypatch.setattr(files, "_GROUP_ROWS_MAX", 2 * request.param + 1)


@pytest.fixture
def exported(server: FakeServer, tmp_path: Path, _run_items: None) -> Path:
    fill(server)
    path = tmp_path / "all.parquet"
    assert main(["export", str(path)]) == 0
    return path


def said(kept: Kept) -> tuple[Any, ...]:
    whole = "".join(item["text"] for item in kept.items) if kept.shape == "text" else kept.items
    return kept.shape, whole, kept.title, kept.metadata, kept.ttl_s


def test_what_goes_out_comes_in_again(server: FakeServer, exported: Path, capsys: Output) -> None:
    """Items, title, metadata and life of every shape, over any number of requests."""
    before, server.contexts = server.contexts, {}

    assert main(["import", str(exported), "--json"]) == 0
    assert {name: said(kept) for name, kept in server.contexts.items()} == {
        name: said(kept) for name, kept in before.items()
    }
    out, err = capsys.readouterr()
    assert json.loads(out) == {"file": str(exported), "created": 4}
    assert "4 contexts: 4 created" in err


def test_a_second_import_changes_nothing(
    server: FakeServer, exported: Path, capsys: Output
) -> None:
    """Running it twice is safe; a text may be cut otherwise and is still the same."""
    server.contexts["text"].items = [{"text": "".join(item["text"] for item in PIECES)}]
    versions = {name: kept.version for name, kept in server.contexts.items()}

    assert main(["import", str(exported)]) == 0
    assert "4 contexts: 4 equal" in capsys.readouterr().err
    assert {name: kept.version for name, kept in server.contexts.items()} == versions


def test_a_broken_import_goes_on_where_it_stopped(
    server: FakeServer, exported: Path, capsys: Output
) -> None:
    """What is the beginning of the file's is continued, inside a piece of text too."""
    server.contexts["chat"].items = list(ROWS[:7])
    server.contexts["doc"].items = list(PARTS[:1])
    server.contexts["text"].items = [{"text": "one \u00fc tw"}]

    assert main(["import", str(exported)]) == 0
    assert "3 continued, 1 equal" in capsys.readouterr().err
    assert server.contexts["chat"].items == ROWS
    assert server.contexts["doc"].items == PARTS
    assert "".join(item["text"] for item in server.contexts["text"].items) == "one \u00fc two three"


def test_what_differs_is_left_alone_unless_replaced(
    server: FakeServer, exported: Path, capsys: Output
) -> None:
    """Nothing of a person's is overwritten by the way; the others are imported all the same."""
    chat, doc, text = (server.contexts[name] for name in ("chat", "doc", "text"))
    chat.items = [*ROWS, ROWS[0]]
    doc.title = "another"
    text.shape, text.items = "messages", ROWS[:1]
    del server.contexts["empty"]

    assert main(["import", str(exported)]) == 2
    out = capsys.readouterr().err
    assert "1 created" in out
    assert "under 'chat', 'doc', 'text': --replace" in out
    assert len(server.contexts["chat"].items) == 26

    assert main(["import", str(exported), "--replace"]) == 0
    assert "3 replaced, 1 equal" in capsys.readouterr().err
    assert server.contexts["chat"].items == ROWS
    assert server.contexts["doc"].title == ""
    assert server.contexts["text"].shape == "text"


def test_a_replaced_context_is_never_away(server: FakeServer, exported: Path) -> None:
    """One change puts the new items in the place of the old ones, and of those we have seen."""
    server.contexts["chat"].items = ROWS[1:2]
    server.contexts["doc"].title = "another"
    server.seen.clear()

    assert main(["import", str(exported), "--replace"]) == 0

    changes = [(r.method, r.url.path) for r in server.seen if r.method != "GET"]
    assert changes == [("PUT", "/v1/contexts/chat/items"), ("PATCH", "/v1/contexts/doc")]
    (put,) = (request for request in server.seen if request.method == "PUT")
    assert put.headers["if-match"] == '"1"'
    assert server.contexts["chat"].items == ROWS


def test_a_large_context_is_replaced_by_its_beginning_first(
    server: FakeServer, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was broken off is then continued by the same command."""
    monkeypatch.setattr("tierfold.cli.parquet.contents._PUT_BYTES_MAX", 500)
    server.contexts["chat"].items = [*ROWS, ROWS[0]]

    assert main(["import", str(exported), "--replace"]) == 0

    changes = [r.method for r in server.seen if r.url.path == "/v1/contexts/chat/items"]
    assert changes.count("PUT") == 1
    assert changes[-1] == "POST"
    assert server.contexts["chat"].items == ROWS


def test_the_first_of_many_that_differ_are_named(
    server: FakeServer, tmp_path: Path, capsys: Output
) -> None:
    """A line stays a line."""
    for number in range(7):
        server.contexts[f"c{number}"] = Kept(id=f"c{number}", shape="text", items=[{"text": "a"}])
    path = str(tmp_path / "f.parquet")
    assert main(["export", path, "-q"]) == 0
    for kept in server.contexts.values():
        kept.items = [{"text": "b"}]
    assert main(["import", path]) == 2
    assert "'c4' and 2 more" in capsys.readouterr().err


def test_ctrl_c_keeps_what_is_in_and_says_how_to_go_on(
    server: FakeServer, exported: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole contexts stay; the same command does the rest."""
    server.contexts = {}
    create = server._create  # noqa: SLF001  # to press a key in the middle

    def once(asked: Any) -> Any:
        monkeypatch.setattr("tierfold.cli.importing._imported", interrupted)
        return create(asked)

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(server, "_create", once)
    assert main(["import", str(exported)]) == 130
    err = capsys.readouterr().err
    assert "1 of 4 contexts are done and stay; the same command goes on" in err
    assert list(server.contexts) == ["chat"]


def test_some_contexts_can_be_chosen(server: FakeServer, tmp_path: Path, capsys: Output) -> None:
    """Named ones only, each once; one that is not there is refused before anything is written."""
    fill(server)
    path = tmp_path / "two.parquet"
    assert main(["export", str(path), "doc", "text", "doc", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["items"] == 5

    path.unlink()
    assert main(["export", str(path), "doc", "nobody"]) == 2
    assert main(["export", str(tmp_path / "no" / "x.parquet")]) == 2
    assert list(tmp_path.glob("*.parquet*")) == []


def test_a_context_that_changes_or_ends_meanwhile(
    server: FakeServer, tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that ended is left out; one that changed stops the export and leaves no file."""
    fill(server)
    path = tmp_path / "all.parquet"
    items = server._items  # noqa: SLF001  # to change it in the middle

    def changing(asked: Any) -> Any:
        server.contexts.pop("doc", None)
        if "text" in asked.name:
            server.contexts["text"].version += 1
        return items(asked)

    monkeypatch.setattr(server, "_items", changing)
    assert main(["export", str(path)]) == 2
    assert "'text' changed while it was exported" in capsys.readouterr().err
    assert list(tmp_path.glob("*.parquet*")) == []

    del server.contexts["text"]
    assert main(["export", str(path)]) == 0
    assert "exported 2 contexts" in capsys.readouterr().err


def rewritten(path: Path, change: Any) -> Path:
    table = pq.read_table(path)
    pq.write_table(change(table), path)
    return path


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (lambda t: t.slice(0, 20), 2, "has 20 of its 25 items"),
        (lambda t: t.slice(3), 2, "item 0 is expected, item 3 is there"),
        (lambda t: pa.concat_tables([t.slice(0, 5), t.slice(4)]), 2, "item 4 is there"),
        (lambda t: pa.concat_tables([t.slice(5, 1), t.slice(0, 5), t.slice(6)]), 2, "item 0 is"),
        (lambda t: t.drop_columns(["title"]), 2, "columns are missing or of another type: title"),
        (lambda t: t.replace_schema_metadata({}), 2, "not written by `tierfold export`"),
        (lambda t: t.replace_schema_metadata({"tierfold.contexts": "9"}), 1, "format 9"),
        (
            lambda t: t.set_column(2, "shape", pa.array(["odd"] * len(t))),
            2,
            "row 0: it is no item of a context",
        ),
        (
            lambda t: t.set_column(4, "content", pa.array([b"{"] * len(t), pa.binary())),
            2,
            "it is not JSON",
        ),
        (
            lambda t: t.set_column(4, "content", pa.array([b"[]"] * len(t), pa.binary())),
            2,
            "no JSON object",
        ),
    ],
)
@pytest.mark.parametrize("_run_items", [1_000], indirect=True)
def test_a_wrong_file_is_refused_before_anything_is_stored(
    server: FakeServer, exported: Path, capsys: Output, change: Any, code: int, said: str
) -> None:
    """What is missing or not ours is named."""
    rewritten(exported, change)
    server.contexts = {}

    assert main(["import", str(exported)]) == code
    assert said in capsys.readouterr().err.splitlines()[-1]
    assert server.contexts == {}


@pytest.mark.parametrize("_run_items", [1_000], indirect=True)
def test_a_text_without_text_is_refused(server: FakeServer, exported: Path, capsys: Output) -> None:
    """Whatever another program put into the column."""
    del server.contexts["empty"]
    assert main(["export", str(exported)]) == 0
    rewritten(
        exported, lambda t: t.set_column(4, "content", pa.array([b"{}"] * len(t), pa.binary()))
    )
    server.contexts = {}

    assert main(["import", str(exported)]) == 2
    assert "doc[0]: it has no text" in capsys.readouterr().err


def test_what_is_no_parquet_file_is_refused(tmp_path: Path, capsys: Output) -> None:
    """A wrong file, a missing one, a folder and a damaged one are told apart."""
    path = tmp_path / "x.parquet"
    assert main(["import", str(path)]) == 2
    path.write_bytes(b"PAR1 and more that is none")
    assert main(["import", str(path)]) == 2
    assert main(["import", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert f"cannot read {path}: no such file or directory\n" in said
    assert "no Parquet file, or only the beginning of one" in said
    assert "Traceback" not in said


def test_a_damaged_group_is_named(server: FakeServer, tmp_path: Path, capsys: Output) -> None:
    """A flipped byte inside a page is found by Parquet, and said in a line."""
    server.contexts["c"] = Kept(id="c", shape="messages", items=list(ROWS))
    path = tmp_path / "x.parquet"
    assert main(["export", str(path)]) == 0
    body = bytearray(path.read_bytes())
    body[20:200] = b"\xff" * 180
    path.write_bytes(body)

    assert main(["import", str(path)]) == 2
    assert "damaged" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("at", range(200, 3_000, 350))
def test_a_flipped_byte_never_becomes_another_text(
    server: FakeServer, tmp_path: Path, capsys: Output, at: int
) -> None:
    """A compressed page with one byte changed may still unpack: the page's checksum finds it."""
    dice = random.Random(7)
    text = "".join(dice.choice("abcdefgh ") for _ in range(9_000))
    server.contexts["c"] = Kept(id="c", shape="text", items=[{"text": text}])
    path = tmp_path / "x.parquet"
    assert main(["export", str(path)]) == 0
    body = bytearray(path.read_bytes())
    body[at] ^= 0x55
    path.write_bytes(body)
    server.contexts = {}

    assert main(["import", str(path)]) == 2
    assert "damaged" in capsys.readouterr().err.splitlines()[-1]
    assert server.contexts == {}


def test_a_context_that_cannot_be_read_is_named(
    server: FakeServer, tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file lacks it unsaid, and the sentence tells how to save the others."""
    fill(server)
    items = server._items  # noqa: SLF001  # to damage one

    def damaged(asked: Any) -> Any:
        if "text" in asked.name:
            return problem(CorruptError(what="block 7", problem="its checksum is wrong"))
        return items(asked)

    monkeypatch.setattr(server, "_items", damaged)
    path = tmp_path / "all.parquet"
    assert main(["export", str(path)]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert "context 'text' cannot be read (block 7" in said
    assert "ids are named after FILE" in said
    assert not path.exists()
    assert main(["export", str(path), "chat", "doc", "empty"]) == 0


def test_what_export_needs_is_said(capsys: Output) -> None:
    """The file alone must be there, and it is no stream."""
    assert main(["export", "-"]) == 2
    assert "not to stdout" in capsys.readouterr().err
    assert main(["export"]) == 2
    assert "required: FILE\n" in capsys.readouterr().err


def test_a_full_disk_leaves_no_file(
    server: FakeServer, tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is our failure, in a sentence."""
    fill(server)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    assert main(["export", str(tmp_path / "x.parquet")]) == 1
    assert "no space left on device" in capsys.readouterr().err
    assert list(tmp_path.glob("*.parquet*")) == []


TEXTS = st.lists(st.text(min_size=1, max_size=5), max_size=6)


def context(shape: Shape, items: list[Any]) -> ContextObject:
    return ContextObject(
        id="c",
        shape=shape,
        version=1,
        items=len(items),
        size_bytes=sum(len(item["text"].encode()) for item in items),
        created_at=0.0,
        updated_at=0.0,
    )


def rows(shape: Shape, items: list[Any]) -> list[Row]:
    about = context(shape, items)
    return [row_of(about, at, item) for at, item in enumerate(items)] or [row_of(about, None, None)]


@given(TEXTS, TEXTS, st.sampled_from(["text", "parts"]))
def test_a_comparison_knows_equal_beginning_and_different(
    stored: list[str], wanted: list[str], shape: Shape
) -> None:
    """For texts by characters, for all else by whole items; appending the rest makes it whole."""
    have = [{"text": each} for each in stored]
    want = [{"text": each} for each in wanted]
    page = ItemsPage(
        context="c", shape=shape, version=1, start=0, total=len(have), items=tuple(have)
    )

    def rows_from(start: int) -> Iterator[Row]:
        return iter(rows(shape, want)[start:])

    (there,) = contexts_in(rows_from)
    one, other = ("".join(stored), "".join(wanted)) if shape == "text" else (stored, wanted)
    expected = "equal" if one == other else "different"
    if one != other and other[: len(one)] == one:
        expected = "beginning"
    assert compared([page], there.runs(), shape) == expected

    if expected == "beginning":
        more = [row.item()["text"] for run in there.runs_after(context(shape, have)) for row in run]
        whole = list(chain(stored, more))
        assert ("".join(whole) if shape == "text" else whole) == other
