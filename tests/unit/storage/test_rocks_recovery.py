import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.storage import crashing, filling
from tierfold.errors import CorruptError, ShardUnavailableError, StorageFullError
from tierfold.ports import Family
from tierfold.storage import RocksKeyValues, rocks
from tierfold.storage.write_log import LogDamage, log_damage


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def batches_of(path: Path) -> list[int]:
    """Return the numbers of the batches that are there, each whole."""
    values = RocksKeyValues(path)
    keys = [key for key, _ in values.scan(Family.BODY, b"")]
    values.close()
    numbers = sorted({int(key[:5]) for key in keys})
    assert keys == [crashing.row_key(n, row) for n in numbers for row in range(crashing.ROWS)]
    return numbers


@pytest.mark.parametrize("size_bytes", [100, 30_000])
@pytest.mark.parametrize("harm", ["none", "cut", "zeros", "garbage"])
def test_only_the_torn_tail_of_the_log_is_cut(tmp_path: Path, size_bytes: int, harm: str) -> None:
    """After a crash every batch is there but the one whose bytes did not all arrive."""
    log = crashing.crash(tmp_path / "values", batches=8, size_bytes=size_bytes)
    size = log.stat().st_size
    with log.open("r+b") as file:
        if harm == "cut":
            file.truncate(size - 7)
        elif harm != "none":
            file.seek(size - 50)
            file.write(bytes(50) if harm == "zeros" else b"\x5a" * 50)

    assert batches_of(tmp_path / "values") == list(range(8 if harm == "none" else 7))


@pytest.mark.parametrize("size_bytes", [100, 30_000])
@pytest.mark.parametrize("also_cut", [False, True])
def test_damage_in_the_middle_of_the_log_is_no_tail(
    tmp_path: Path, size_bytes: int, *, also_cut: bool
) -> None:
    """Good records behind a flipped byte are never dropped in silence: opening is refused."""
    log = crashing.crash(tmp_path / "values", batches=8, size_bytes=size_bytes)
    size = log.stat().st_size
    if also_cut:
        os.truncate(log, size - 7)
    flip(log, size // 2)

    with pytest.raises(CorruptError, match="changes behind that would be lost"):
        RocksKeyValues(tmp_path / "values")


def test_a_flipped_length_hides_no_records(tmp_path: Path) -> None:
    """Where a piece's length is damaged the next one is looked for byte by byte."""
    log = crashing.crash(tmp_path / "values", batches=8, size_bytes=100)
    flip(log, 4)

    assert log_damage(tmp_path / "values") is LogDamage.MIDDLE
    with pytest.raises(CorruptError):
        RocksKeyValues(tmp_path / "values")


def test_a_whole_log_has_no_damage(tmp_path: Path) -> None:
    """The reader of logs agrees with RocksDB on what it writes, across blocks of 32 KiB."""
    crashing.crash(tmp_path / "values", batches=8, size_bytes=30_000)

    assert log_damage(tmp_path / "values") is LogDamage.NONE


def test_a_full_disk_takes_nothing_half_and_heals(tmp_path: Path) -> None:
    """Reads go on, no half batch is seen, and writes work once there is room, without a restart."""
    done = subprocess.run(
        [sys.executable, filling.__file__, tmp_path / "values"],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        timeout=50,
    )
    seen = json.loads(done.stdout)

    assert seen["written"] > 10
    assert seen["refused"] == 4
    assert not seen["half"]
    assert seen["readable"]
    assert seen["after"]
    assert seen["reopened"]


@pytest.fixture
def small_files() -> Iterator[None]:
    """Let this process write only small files, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (filling.FILE_BYTES_MAX, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def fill(values: RocksKeyValues) -> int:
    """Write until the disk is full; return how many batches it took."""
    for number in range(100):
        try:
            values.write(filling.pair(number))
        except StorageFullError:
            return number
    raise AssertionError


@pytest.mark.usefixtures("small_files")
def test_readers_go_on_when_the_database_is_opened_anew(tmp_path: Path) -> None:
    """A scan under way is told to begin again, values and new scans are there."""
    values = RocksKeyValues(tmp_path / "values")
    written = fill(values)
    with pytest.raises(StorageFullError):
        values.drop(Family.SEARCH)
    scan = values.scan(Family.HEAD, b"")
    next(scan)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    values.drop(Family.SEARCH)

    with pytest.raises(ShardUnavailableError):
        next(scan)
    assert len(list(values.scan(Family.HEAD, b""))) == written
    assert filling.readable(values, written)
    values.close()


@pytest.mark.usefixtures("small_files")
def test_a_full_disk_stops_compaction_too(tmp_path: Path) -> None:
    """Tables that do not fit are not written, and what is stored is still read."""
    values = RocksKeyValues(tmp_path / "values")
    written = fill(values)

    with pytest.raises(StorageFullError):
        values.compact()
    assert filling.readable(values, written)
    values.close()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    again = RocksKeyValues(tmp_path / "values")
    assert filling.readable(again, written)


@pytest.mark.usefixtures("small_files")
def test_compaction_opens_the_database_anew(tmp_path: Path) -> None:
    """Once there is room it does not take a write to heal."""
    values = RocksKeyValues(tmp_path / "values")
    written = fill(values)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    values.compact()

    assert filling.readable(values, written)
    assert values.size_bytes()[Family.BODY] > written * 10_000
    values.close()


@pytest.mark.usefixtures("small_files")
def test_a_database_that_could_not_be_opened_anew_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should opening fail once, the next read opens it: nobody has to restart the process."""
    values = RocksKeyValues(tmp_path / "values")
    written = fill(values)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def fails(*_: object, **__: object) -> None:
        raise StorageFullError(str(tmp_path))

    with monkeypatch.context() as patched:
        patched.setattr(rocks, "opened_database", fails)
        with pytest.raises(StorageFullError):
            values.write(filling.pair(0))
        with pytest.raises(StorageFullError):
            values.get(Family.HEAD, b"")
    assert filling.readable(values, written)
    values.close()
