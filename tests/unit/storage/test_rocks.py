import gc
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest
from rocksdict import Options, Rdict

from tests.unit.storage.crashing import numbered
from tierfold.errors import CorruptError, SetupError, ShardUnavailableError, StorageFullError
from tierfold.ports import Batch, Family
from tierfold.storage import RocksKeyValues, RocksSettings
from tierfold.storage.rocks_errors import open_error, read_error, write_error


def one(key: bytes, value: bytes | None, *, family: Family = Family.HEAD) -> Batch:
    batch = Batch()
    batch.puts[family, key] = value
    return batch


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "values"
    gc.collect()


def synced(values: RocksKeyValues) -> int:
    found = re.search(r"rocksdb\.wal\.synced COUNT : (\d+)", values.statistics())
    assert found
    return int(found[1])


def test_a_durable_write_waits_for_the_disk(path: Path) -> None:
    """Each durable batch is one fsync of the log; RocksDB's own default would be none."""
    values = RocksKeyValues(path, settings=RocksSettings(has_statistics=True))
    before = synced(values)
    for number in range(5):
        values.write(numbered(number, 100))
    durable = synced(values)
    for number in range(5):
        values.write(numbered(number, 100), durable=False)

    assert durable - before == 5
    assert synced(values) == durable


@dataclass
class Failing:
    """A database whose disk takes a log and then does not answer."""

    database: Any

    def flush_wal(self, *, sync: bool) -> None:
        assert sync
        problem = "IO error: While fsync: Input/output error"
        raise OSError(problem)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.database, name)


def test_a_write_whose_fsync_fails_is_not_acknowledged(path: Path) -> None:
    """Whoever comes next opens the database anew: what counts is what the log has by then."""
    values = RocksKeyValues(path)
    values.write(one(b"a", b"1"))
    opened = values._opened  # noqa: SLF001  # no disk here fails when it is asked to
    assert opened is not None
    values._opened = replace(opened, database=cast("Rdict", Failing(opened.database)))  # noqa: SLF001
    scan = values.scan(Family.HEAD, b"")
    opened = None
    with pytest.raises(SetupError, match="Input/output error"):
        values.write(one(b"b", b"2"))

    with pytest.raises(ShardUnavailableError):
        list(scan)
    assert values.get(Family.HEAD, b"a") == b"1"
    values.write(one(b"c", b"3"))
    found = [key for key, _ in values.scan(Family.HEAD, b"")]
    values.close()
    again = [key for key, _ in RocksKeyValues(path).scan(Family.HEAD, b"")]
    assert found == again
    assert {b"a", b"c"} <= set(found)


def test_readers_do_not_stop_while_a_write_waits_for_the_disk(path: Path) -> None:
    """An fsync takes as long as the disk takes; reads go on in the meantime."""
    values = RocksKeyValues(path)
    values.write(one(b"a", b"1"))
    opened = values._opened  # noqa: SLF001  # as above
    assert opened is not None
    read: list[bytes | None] = []

    class Slow(Failing):
        def flush_wal(self, *, sync: bool) -> None:
            reader = threading.Thread(target=lambda: read.append(values.get(Family.HEAD, b"a")))
            reader.start()
            reader.join(10)
            self.database.flush_wal(sync)

    values._opened = replace(opened, database=cast("Rdict", Slow(opened.database)))  # noqa: SLF001
    values.write(one(b"b", b"2"))
    assert read == [b"1"]
    values.close()


def test_nothing_is_counted_unless_asked_for(path: Path) -> None:
    """Counting costs time on every write."""
    assert RocksKeyValues(path).statistics() == ""


def test_a_disk_below_its_floor_takes_deletions_only(path: Path) -> None:
    """What frees space is allowed while what needs space is refused."""
    free = [1000]
    values = RocksKeyValues(
        path, settings=RocksSettings(free_bytes_min=500), free_bytes=lambda _: free[0]
    )
    values.write(one(b"a", b"1" * 100))
    free[0] = 499

    assert not values.has_room()
    with pytest.raises(StorageFullError, match=r"499 bytes are free, .* floor is 500") as caught:
        values.write(one(b"b", b"1" * 100))
    assert "delete contexts" in str(caught.value)
    assert "tiers.free_disk_bytes_min" in str(caught.value)
    values.write(one(b"a", None))
    assert values.get(Family.HEAD, b"a") is None
    free[0] = 500
    values.write(one(b"b", b"1" * 100))
    assert values.has_room()


def test_what_makes_room_is_taken_down_to_a_reserve(path: Path) -> None:
    """Blocks are written anew so that the old ones can go; the last bytes are for deletions."""
    free = [125]
    values = RocksKeyValues(
        path, settings=RocksSettings(free_bytes_min=500), free_bytes=lambda _: free[0]
    )
    values.write(Batch({(Family.BLOCK, b"a"): b"1" * 100}, makes_room=True))
    free[0] = 124
    with pytest.raises(StorageFullError):
        values.write(Batch({(Family.BLOCK, b"b"): b"1" * 100}, makes_room=True))
    values.write(Batch({(Family.BLOCK, b"a"): None}))

    assert values.get(Family.BLOCK, b"a") is None


def test_what_is_in_no_table_yet_is_counted(path: Path) -> None:
    """A store that was just filled takes room too: about what its log has."""
    values = RocksKeyValues(path)
    assert values.size_bytes() == dict.fromkeys(Family, 0)
    for number in range(20):
        values.write(Batch({(Family.BODY, b"%d" % number): os.urandom(10_000)}))
    waiting = values.size_bytes()

    assert 150_000 < waiting[Family.BODY] < 300_000
    assert sum(waiting.values()) < 300_000


def test_only_families_with_deletions_are_merged_when_room_is_short(path: Path) -> None:
    """What is deleted comes back, and what is whole is not written anew."""
    values = RocksKeyValues(path)
    for family in (Family.BODY, Family.BLOCK):
        for number in range(100):
            values.write(Batch({(family, b"%03d" % number): os.urandom(10_000)}), durable=False)
    values.compact()
    before = values.size_bytes()
    tables = {each.name for each in path.glob("*.sst")}
    values.write(Batch({(Family.BODY, b"%03d" % number): None for number in range(90)}))
    values.compact(deleted_only=True)
    after = values.size_bytes()

    assert after[Family.BODY] < before[Family.BODY] / 5
    assert after[Family.BLOCK] == before[Family.BLOCK]
    assert tables & {each.name for each in path.glob("*.sst")}


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("notes.txt", SetupError, "holds other files"),
        ("000010.sst", CorruptError, "its file CURRENT is missing"),
    ],
)
def test_a_folder_of_something_else_is_left_alone(
    path: Path, name: str, error: type[Exception], says: str
) -> None:
    """A wrong path, or a database that lost its beginning, is not written into."""
    path.mkdir()
    (path / name).write_bytes(b"x")

    with pytest.raises(error, match=says):
        RocksKeyValues(path)
    assert [each.name for each in path.iterdir()] == [name]


def test_a_file_is_no_folder(path: Path) -> None:
    """The message says what a store needs."""
    path.write_bytes(b"x")

    with pytest.raises(SetupError, match="a store needs a folder"):
        RocksKeyValues(path)


def test_garbage_is_refused(path: Path) -> None:
    """A database whose list of files is garbage is not taken for an empty one."""
    RocksKeyValues(path).close()
    for manifest in path.glob("MANIFEST-*"):
        manifest.write_bytes(b"garbage" * 100)

    with pytest.raises(CorruptError, match="cannot be opened"):
        RocksKeyValues(path)


def test_an_unfinished_creation_is_finished(path: Path) -> None:
    """A crash while the database was created leaves a folder that can be used."""
    path.mkdir()
    for name in ("LOCK", "LOG", "IDENTITY", "MANIFEST-000001"):
        (path / name).write_bytes(b"")

    RocksKeyValues(path).write(one(b"a", b"1"))


def test_a_database_is_opened_once(path: Path) -> None:
    """A second opening is told, also while the first is only held by a reader."""
    values = RocksKeyValues(path)

    with pytest.raises(SetupError, match="open in another process"):
        RocksKeyValues(path)
    values.close()


def test_a_newer_database_with_more_families_is_refused(path: Path) -> None:
    """A family that is unknown here would be lost from every change."""
    RocksKeyValues(path).close()
    names = {name: Options(raw_mode=True) for name in ("default", *Family)}
    later = Rdict(str(path), Options(raw_mode=True), column_families=names)
    later.create_column_family("future", Options(raw_mode=True))
    del later

    with pytest.raises(SetupError, match="install a newer one"):
        RocksKeyValues(path)


def test_a_flipped_byte_in_a_table_is_found_by_every_read(path: Path) -> None:
    """No read takes a damaged table for the end of the keys, and others are served."""
    values = RocksKeyValues(path)
    for number in range(40):
        values.write(one(b"%02d" % number, os.urandom(4000), family=Family.BLOCK))
    values.write(one(b"a", b"1"))
    values.close()
    table = max(path.glob("*.sst"), key=lambda each: each.stat().st_size)
    content = bytearray(table.read_bytes())
    content[70_000] ^= 1
    table.write_bytes(content)
    values = RocksKeyValues(path)
    keys = [b"%02d" % number for number in range(40)]

    with pytest.raises(CorruptError, match="what follows block"):
        list(values.scan(Family.BLOCK, b""))
    with pytest.raises(CorruptError, match=r"block 3\d{3}: its table is damaged") as caught:
        values.get_many(Family.BLOCK, keys)
    assert caught.value.key in keys
    assert values.get(Family.BLOCK, b"00")
    assert values.get(Family.HEAD, b"a") == b"1"
    with pytest.raises(CorruptError, match="damaged tables"):
        values.compact()


def test_the_database_closes_with_scans_under_way(path: Path) -> None:
    """A reader that stopped in the middle does not keep the folder taken."""
    values = RocksKeyValues(path)
    values.write(numbered(0, 10))
    scan = values.scan(Family.BODY, b"")
    next(scan)
    values.close()

    with pytest.raises(ShardUnavailableError):
        next(scan)
    assert len(list(RocksKeyValues(path).scan(Family.BODY, b""))) == 3


def read_on(values: RocksKeyValues, problems: list[BaseException]) -> None:
    """Read until the database closes."""
    try:
        while True:
            rows = [key for key, _ in values.scan(Family.BODY, b"")]
            assert len(rows) % 3 == 0
            assert values.get_many(Family.BODY, rows[:2])[0]
    except ShardUnavailableError:
        return
    except BaseException as error:  # noqa: BLE001  # the test shows it
        problems.append(error)


def test_many_threads_read_while_one_writes(path: Path) -> None:
    """Each reader sees batches whole, and none fails when the database closes under it."""
    values = RocksKeyValues(path)
    values.write(numbered(0, 100))
    problems: list[BaseException] = []
    readers = [threading.Thread(target=read_on, args=(values, problems)) for _ in range(4)]
    for reader in readers:
        reader.start()
    for number in range(60):
        values.write(numbered(number, 100))
        if number == 30:
            values.compact()
    values.close()
    for reader in readers:
        reader.join()

    assert problems == []
    RocksKeyValues(path).close()


def test_short_references_cost_little(path: Path) -> None:
    """1,500 references of 24 random bytes stay below 27 bytes each on disk."""
    values, batch = RocksKeyValues(path), Batch()
    contexts = [os.urandom(8) for _ in range(60)]
    for number in range(1500):
        key = b"\x05local" + os.urandom(16) + contexts[number % 60]
        batch.put(Family.REFERENCE, key, bytes((1, number % 12, number // 60)))
    values.write(batch)
    values.compact()

    assert values.size_bytes()[Family.REFERENCE] < 1500 * 27


def test_importing_the_room_loads_no_library() -> None:
    """Whoever only folds does not pay for RocksDB and the cloud's client."""
    code = (
        "import sys, tierfold.storage\n"
        "assert not {'rocksdict', 'obstore'} & set(sys.modules)\n"
        "tierfold.storage.RocksSettings, tierfold.storage.RocksKeyValues\n"
        "assert 'rocksdict' in sys.modules\n"
        "assert not hasattr(tierfold.storage, 'nothing')\n"
    )

    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("IO error: No space left on device: While appending", StorageFullError),
        ("IO error: While fdatasync: Input/output error", SetupError),
        ("Corruption: block checksum mismatch", CorruptError),
    ],
)
def test_a_failure_of_the_disk_is_told_by_its_kind(
    path: Path, text: str, error: type[Exception]
) -> None:
    """RocksDB's errors differ in their text only, and no reader of ours should have to know it."""
    for told in (write_error(Exception(text), path), open_error(Exception(text), path)):
        assert isinstance(told, error)
        assert str(path) in str(told)
    assert type(read_error(Exception(text), "head 61")) is CorruptError


def test_the_floor_is_the_disks_own(path: Path) -> None:
    """Without a fake the free bytes are those of the disk the folder is on."""
    RocksKeyValues(path, settings=RocksSettings(free_bytes_min=1)).write(one(b"a", b"1" * 100))
    values = RocksKeyValues(path.parent / "b", settings=RocksSettings(free_bytes_min=1 << 62))

    with pytest.raises(StorageFullError):
        values.write(one(b"a", b"1" * 100))


def test_a_folder_below_a_file_is_named(path: Path) -> None:
    """A wrong path is told as one."""
    path.write_bytes(b"x")

    with pytest.raises(SetupError, match="cannot be opened"):
        RocksKeyValues(path / "values")
