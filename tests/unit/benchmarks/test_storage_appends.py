import threading
from pathlib import Path

from benchmarks.storage_appends import Cost, counted_writes
from tierfold.ports import Batch, Family
from tierfold.storage import RocksKeyValues


def batch_of(family: Family, key: bytes, value: bytes) -> Batch:
    batch = Batch()
    batch.put(family, key, value)
    return batch


def test_only_what_this_thread_writes_besides_the_payload_counts(tmp_path: Path) -> None:
    """Upkeep's writes and the rows themselves would hide what an append costs."""
    values = RocksKeyValues(tmp_path / "values")
    with counted_writes(frozenset({b"row"})) as written:
        values.write(batch_of(Family.BODY, b"row", b"x" * 1000))
        values.write(batch_of(Family.BODY, b"page", b"x" * 10))
        values.write(batch_of(Family.REFERENCE, b"row", b"x"))
        other = threading.Thread(
            target=lambda: values.write(batch_of(Family.HEAD, b"other", b"x" * 1000))
        )
        other.start()
        other.join()
    values.write(batch_of(Family.HEAD, b"after", b"x"))
    values.close()

    assert written.size_bytes == 4 + 10 + 3 + 1


def test_means_are_of_one_append() -> None:
    """Bytes as they are, CPU in microseconds."""
    cost = Cost(appends=4, bytes_written=400, caller_s=0.002, process_s=0.004)

    assert cost.means() == (100, 500, 1000)
