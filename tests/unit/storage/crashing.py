"""A process that writes numbered batches and dies without closing anything."""

import os
import subprocess
import sys
from pathlib import Path

from tierfold.ports import Batch, Family
from tierfold.storage import RocksKeyValues

ROWS = 3  # of each batch


def row_key(number: int, row: int) -> bytes:
    return b"%05d-%d" % (number, row)


def numbered(number: int, size_bytes: int) -> Batch:
    batch = Batch()
    for row in range(ROWS):
        batch.put(Family.BODY, row_key(number, row), os.urandom(size_bytes))
    return batch


def crash(path: Path, *, batches: int, size_bytes: int) -> Path:
    """Let a process write and die; return its log of changes."""
    done = subprocess.run(
        [sys.executable, __file__, path, str(batches), str(size_bytes)],
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.returncode == 9
    return max(path.glob("*.log"), key=lambda log: log.stat().st_size)


def main(path: str, batches: str, size_bytes: str) -> None:
    values = RocksKeyValues(path)
    for number in range(int(batches)):
        values.write(numbered(number, int(size_bytes)))
    os._exit(9)


if __name__ == "__main__":
    main(*sys.argv[1:])
