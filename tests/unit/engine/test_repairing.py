import contextlib
import random
import shutil
from pathlib import Path

import pytest

from tierfold.engine.opening import open_store, stored_shards
from tierfold.engine.repairing import examine_store, repair_store
from tierfold.engine.shard.folders import begin_repair, finish_repair, settle, stored_names
from tierfold.errors import (
    CorruptError,
    SetupError,
    StoreLockedError,
    TierfoldError,
    UnopenableError,
)
from tierfold.ports import Family
from tierfold.storage.rocks import RocksKeyValues
from tierfold.storage.rocks_salvage import salvage

CONTEXTS = 6


def text(number: int) -> str:
    return " ".join(str(random.Random(number * 100 + n).random()) for n in range(50))


def make(path: Path, objects: str = "none", shards: int = 1) -> None:
    with open_store(path, objects=objects, shards=shards) as store:
        for number in range(CONTEXTS):
            store.put(f"c{number}", messages=[{"role": "user", "content": text(number)}])
        store.compact()


def table_of(shard: Path, family: Family) -> Path:
    """Return a table of a family: the one without which its keys are gone."""
    for table in sorted(shard.glob("*.sst")):
        copy, salvaged = shard.with_name("copy"), shard.with_name("copy.new")
        for folder in (copy, salvaged):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(shard, copy)
        flip(copy / table.name)
        salvage(copy, salvaged)
        values = RocksKeyValues(salvaged)
        is_gone = next(values.scan(family, b""), None) is None
        values.close()
        for folder in (copy, salvaged):
            shutil.rmtree(folder)
        if is_gone:
            return table
    raise AssertionError


def flip(path: Path, back: int = 30) -> None:
    content = bytearray(path.read_bytes())
    content[-back] ^= 1
    path.write_bytes(content)


def readable(path: Path) -> int:
    """Return how many contexts have what was put; where all have, the audit is clean too."""
    whole = 0
    with open_store(path) as store:
        for number in range(CONTEXTS):
            with contextlib.suppress(TierfoldError):  # lost, or damaged
                whole += text(number) in str(store.messages(f"c{number}"))
        store.audit(repair=True)
        if whole == CONTEXTS:
            findings = [each for report in store.audit() for each in report.findings]
            assert all(each.kind == "garbage" for each in findings)
    return whole


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("alone") / "store"
    make(path)
    return path


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("followed")
    make(folder / "store", objects=f"file://{folder}/l4")
    return folder / "store"


@pytest.mark.parametrize("family", [Family.HEAD, Family.BLOCK, Family.REFERENCE, Family.CATALOGUE])
def test_what_a_damaged_table_took_comes_back_from_l4(
    followed: Path, tmp_path: Path, family: Family
) -> None:
    """Every context is whole again, whatever table is gone, and the damaged shard lies aside."""
    store = tmp_path / "store"
    shutil.copytree(followed, store)
    flip(table_of(store / "shard-00", family))
    with pytest.raises(UnopenableError):
        open_store(store)
    assert [each.name for each in examine_store(store)] == ["shard-00"]
    assert stored_names(store) == ["shard-00"]
    (repaired,) = repair_store(store)

    assert repaired.recovered.whole == CONTEXTS
    assert (repaired.recovered.lost, repaired.recovered.incomplete) == ([], [])
    assert len(repaired.recovered.from_l4) == (
        CONTEXTS if family in (Family.HEAD, Family.BLOCK) else 0
    )
    assert repaired.object_store.startswith("file://")
    assert repaired.aside == str(store / "shard-00.damaged-1")
    assert Path(repaired.aside).is_dir()
    assert stored_shards(store) == 1
    assert examine_store(store) == []
    assert repair_store(store) == []
    assert readable(store) == CONTEXTS


@pytest.mark.parametrize(
    ("family", "whole", "incomplete", "lost"),
    [
        (Family.HEAD, 0, 0, CONTEXTS),
        (Family.BLOCK, 0, CONTEXTS, 0),
        (Family.REFERENCE, CONTEXTS, 0, 0),
        (Family.CATALOGUE, CONTEXTS, 0, 0),
    ],
)
def test_without_l4_what_is_lost_is_named(
    alone: Path, tmp_path: Path, family: Family, whole: int, incomplete: int, lost: int
) -> None:
    """References and listings are found again; contexts without head or content are named by id."""
    store = tmp_path / "store"
    shutil.copytree(alone, store)
    flip(table_of(store / "shard-00", family))
    (repaired,) = repair_store(store)
    names = [f"local/c{number}" for number in range(CONTEXTS)]

    assert repaired.object_store == ""
    assert repaired.recovered.whole == whole
    assert sorted(repaired.recovered.incomplete) == names[:incomplete]
    assert sorted(repaired.recovered.lost) == names[:lost]
    assert readable(store) == whole


def test_an_object_store_that_is_forgotten_has_to_be_said(followed: Path, tmp_path: Path) -> None:
    """What only L4 has is not taken for lost because its address is: nothing is changed."""
    store = tmp_path / "store"
    shutil.copytree(followed, store)
    flip(table_of(store / "shard-00", Family.META))
    with pytest.raises(SetupError, match="TIERFOLD_OBJECTS"):
        repair_store(store)
    assert sorted(each.name for each in store.iterdir()) == ["lock.json", "shard-00"]
    url = f"file://{followed.parent}/l4"
    (repaired,) = repair_store(store, objects=url)

    assert repaired.recovered.whole == CONTEXTS
    assert readable(store) == CONTEXTS


def test_the_usual_object_store_is_found(tmp_path: Path) -> None:
    """The folder `objects` beside the shards is asked though its address is lost."""
    store = tmp_path / "store"
    make(store, objects=f"file://{store}/objects")
    flip(table_of(store / "shard-00", Family.META))
    (repaired,) = repair_store(store)

    assert repaired.object_store == f"file://{store}/objects"
    assert repaired.recovered.whole == CONTEXTS


def test_another_shard_knows_the_object_store(tmp_path: Path) -> None:
    """One damaged shard of several is repaired alone, with its own contexts only."""
    store = tmp_path / "store"
    make(store, objects=f"file://{tmp_path}/l4", shards=2)
    values = RocksKeyValues(store / "shard-00")
    own = sum(1 for _ in values.scan(Family.HEAD, b""))
    values.close()
    flip(table_of(store / "shard-00", Family.META))
    (repaired,) = repair_store(store)

    assert repaired.name == "shard-00"
    assert repaired.object_store == f"file://{tmp_path}/l4"
    assert repaired.recovered.whole == own < CONTEXTS
    assert readable(store) == CONTEXTS


def test_an_object_store_that_does_not_answer_stops_the_repair(
    followed: Path, tmp_path: Path
) -> None:
    """Nothing is changed, and it is said how to go on."""
    store = tmp_path / "store"
    shutil.copytree(followed, store)
    flip(table_of(store / "shard-00", Family.HEAD))
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(SetupError, match="nothing was changed"):
        repair_store(store, objects=f"file://{tmp_path}/file/l4")

    assert sorted(each.name for each in store.iterdir()) == ["lock.json", "shard-00"]
    (repaired,) = repair_store(store, objects="none")
    assert len(repaired.recovered.lost) == CONTEXTS


def test_an_open_store_is_not_repaired(tmp_path: Path) -> None:
    """Whoever has it open keeps it."""
    with open_store(tmp_path / "store", objects="none"):
        for look in (examine_store, repair_store):
            with pytest.raises(StoreLockedError):
                look(tmp_path / "store")


def test_a_repair_that_a_crash_cut_off_is_finished(tmp_path: Path) -> None:
    """Between the moves the repaired shard is put in its place by whoever opens the store."""
    make(tmp_path / "store")
    folder = tmp_path / "store" / "shard-00"
    folder.rename(folder.with_name("shard-00.repaired"))

    assert stored_shards(tmp_path / "store") == 1
    assert readable(tmp_path / "store") == CONTEXTS
    begin_repair(folder).mkdir()
    settle(folder)
    assert finish_repair(folder).name == "shard-00.damaged-1"
    begin_repair(folder).mkdir()
    assert finish_repair(folder).name == "shard-00.damaged-2"


def test_damage_that_opens_is_left_to_the_audit(alone: Path) -> None:
    """A store that opens has no damaged shard."""
    assert examine_store(alone) == []
    assert issubclass(UnopenableError, CorruptError)


def test_a_damaged_note_of_a_shard_is_repaired_too(tmp_path: Path) -> None:
    """A database that opens while what the shard begins with is damaged is no shard."""
    store = tmp_path / "store"
    make(store)
    values = RocksKeyValues(store / "shard-00")
    values._writable().readers[Family.META].put(b"shards", b"torn")  # noqa: SLF001  # no checksum
    values.close()
    with pytest.raises(CorruptError):
        open_store(store)
    with pytest.raises(SetupError, match="TIERFOLD_OBJECTS"):
        repair_store(store)
    (repaired,) = repair_store(store, objects="none")

    assert repaired.damage == ()
    assert readable(store) == CONTEXTS
