import errno
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from tierfold.errors import StorageFullError, UnopenableError
from tierfold.ports import Batch, Family
from tierfold.storage import RocksKeyValues, rocks_salvage
from tierfold.storage.rocks_salvage import salvage

FOOTER, INDEX, PROPERTIES = 30, 60, 700  # bytes before the end of a small table


def flip(path: Path, back: int) -> None:
    content = bytearray(path.read_bytes())
    content[-back] ^= 1
    path.write_bytes(content)


def written(path: Path) -> RocksKeyValues:
    values = RocksKeyValues(path)
    batch = Batch()
    for number in range(50):
        batch.put(Family.HEAD, b"head %d" % number, bytes(20))
        batch.put(Family.BODY, b"body %d" % number, bytes(20))
    values.write(batch)
    return values


def counts(path: Path) -> dict[Family, int]:
    values = RocksKeyValues(path)
    try:
        found = {family: sum(1 for _ in values.scan(family, b"")) for family in Family}
    finally:
        values.close()
    return {family: count for family, count in found.items() if count}


@pytest.mark.parametrize("back", [FOOTER, INDEX, PROPERTIES])
def test_one_flipped_bit_costs_one_table(tmp_path: Path, back: int) -> None:
    """A database that does not open gives up all but the damaged table, and stays as it is."""
    written(tmp_path / "values").close()
    table = min((tmp_path / "values").glob("*.sst"))
    flip(table, back)
    before = {each.name: each.read_bytes() for each in (tmp_path / "values").glob("*.sst")}
    with pytest.raises(UnopenableError, match="--repair"):
        RocksKeyValues(tmp_path / "values")
    salvaged = salvage(tmp_path / "values", tmp_path / "new")

    assert salvaged.tables == (table.name,)
    assert not salvaged.is_list_damaged
    assert list(salvaged.damage) == [f"table {table.name} cannot be read"]
    assert sum(counts(tmp_path / "new").values()) == 50
    assert {each.name: each.read_bytes() for each in (tmp_path / "values").glob("*.sst")} == before


def test_what_is_only_in_the_log_is_taken_over(tmp_path: Path) -> None:
    """A family that has no table yet loses nothing by another one's damage."""
    values = written(tmp_path / "values")
    values.compact()
    batch = Batch()
    batch.put(Family.EXPIRY, b"only in the log", b"")
    values.write(batch)
    copy = tmp_path / "crashed"
    shutil.copytree(tmp_path / "values", copy)
    values.close()
    flip(min(copy.glob("*.sst")), FOOTER)
    salvage(copy, tmp_path / "new")

    assert counts(tmp_path / "new")[Family.EXPIRY] == 1


def test_replaced_and_deleted_values_do_not_come_back(tmp_path: Path) -> None:
    """A repair does not take tables for live that a compaction has replaced."""
    values = written(tmp_path / "values")
    values.compact()
    old = {each.name: each.read_bytes() for each in (tmp_path / "values").glob("*.sst")}
    batch = Batch()
    for number in range(40):
        batch.delete(Family.HEAD, b"head %d" % number)
    values.write(batch)
    values.compact()
    values.close()
    for name, content in old.items():
        (tmp_path / "values" / name).write_bytes(content)
    salvaged = salvage(tmp_path / "values", tmp_path / "new")

    assert salvaged.tables == ()
    assert counts(tmp_path / "new") == {Family.HEAD: 10, Family.BODY: 50}


def test_without_its_list_of_tables_all_tables_are_taken(tmp_path: Path) -> None:
    """Where RocksDB's own list is gone everything that can be read is there, and that is said."""
    written(tmp_path / "values").close()
    (tmp_path / "values" / "CURRENT").unlink()
    with pytest.raises(UnopenableError, match="CURRENT"):
        RocksKeyValues(tmp_path / "values")
    salvaged = salvage(tmp_path / "values", tmp_path / "new")

    assert salvaged.is_list_damaged
    assert "list of its tables" in " ".join(salvaged.damage)
    assert counts(tmp_path / "new") == {Family.HEAD: 50, Family.BODY: 50}


def test_a_damaged_log_gives_what_is_sound_of_it(tmp_path: Path) -> None:
    """Records behind the damage are taken over, which opening refuses to pass in silence."""
    values = RocksKeyValues(tmp_path / "values")
    for number in range(20):
        batch = Batch()
        batch.put(Family.BODY, b"%02d" % number, bytes(100))
        values.write(batch)
    copy = tmp_path / "crashed"
    copy.mkdir()
    for each in (tmp_path / "values").iterdir():
        (copy / each.name).write_bytes(each.read_bytes())
    values.close()
    log = max(copy.glob("*.log"), key=lambda each: each.stat().st_size)
    flip(log, log.stat().st_size // 2)
    salvaged = salvage(copy, tmp_path / "new")

    assert salvaged.is_log_damaged
    assert "log" in next(salvaged.damage)
    assert 0 < counts(tmp_path / "new")[Family.BODY] < 20


def test_tables_are_copied_where_there_are_no_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems give a file one name only."""

    def refused(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    written(tmp_path / "values").close()
    monkeypatch.setattr(os, "link", refused)
    salvage(tmp_path / "values", tmp_path / "new")

    assert counts(tmp_path / "new") == {Family.HEAD: 50, Family.BODY: 50}


def test_a_disk_without_room_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy needs room for logs and lists."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    written(tmp_path / "values").close()
    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(StorageFullError):
        salvage(tmp_path / "values", tmp_path / "new")


def test_what_no_repair_can_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RocksDB's own failure is told in our words."""

    def broken(*_: object) -> None:
        problem = "Corruption: nothing is left"
        raise RuntimeError(problem)

    written(tmp_path / "values").close()
    monkeypatch.setattr(rocks_salvage, "Rdict", SimpleNamespace(repair=broken))
    with pytest.raises(UnopenableError, match="nothing is left"):
        salvage(tmp_path / "values", tmp_path / "new")
