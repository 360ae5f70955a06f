"""How a working set gets from a shard to a gateway on the same node: three ways, side by side.

`python -m benchmarks.sharing [--quick]`; `--data` changes nothing. A mapped Arrow file, a reference
into Ray's object store, and a copy in the answer of an actor call, each seen for the first time.
"""

import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import ray

from benchmarks.meter import finish, parse, parser, say, table
from benchmarks.pictures import draw

SIZES_BYTES = (100_000, 1_000_000, 4_000_000)  # about 4k, 40k and 150k tokens
ROUNDS = 40
QUICK_ROUNDS = 10
_OBJECT_STORE_BYTES = 200 * 1024 * 1024
WAYS = ("mapped file", "object reference", "copy in the answer")


class Holder:
    """An actor that holds bytes in every way."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def write(self, name: str, size_bytes: int) -> str:
        """Write an Arrow file and return its path."""
        path = self._folder / name
        table = pa.table({"data": [_bytes(size_bytes)]})
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        return str(path)

    def put(self, size_bytes: int) -> list[Any]:
        """Put an array into the object store and return the reference, unresolved."""
        return [ray.put(np.frombuffer(_bytes(size_bytes), np.uint8))]

    def copy(self, size_bytes: int) -> bytes:
        """Return the bytes themselves."""
        return _bytes(size_bytes)


def main() -> None:
    """Measure and print."""
    options = parse(parser(__doc__))
    rounds = QUICK_ROUNDS if options.quick else ROUNDS
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="tierfold-bench-") as folder:
        ray.init(
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=_OBJECT_STORE_BYTES,
        )
        try:
            holder: Any = ray.remote(Holder).remote(folder)
            medians = {size: _measured(holder, size, rounds) for size in SIZES_BYTES}
        finally:
            ray.shutdown()
    say(f"first sight of bytes on the same node, p50 ms of {rounds}, the call for them included")
    table(["bytes", *WAYS], [[size, *row] for size, row in medians.items()])
    lines = {
        way: (list(medians), [row[index] for row in medians.values()])
        for index, way in enumerate(WAYS)
    }
    draw("sharing", lines, x_label="bytes", y_label="p50 ms")
    largest = medians[SIZES_BYTES[-1]]
    finish({f"{way.replace(' ', '_')}_ms": ms for way, ms in zip(WAYS, largest, strict=True)})


def _measured(holder: Any, size_bytes: int, rounds: int) -> list[float]:
    """Return the median of each way, in turn within each round."""

    def mapped(number: int) -> int:
        path = ray.get(holder.write.remote(f"{size_bytes}-{number}", size_bytes))
        began = time.perf_counter_ns()
        ray.get(holder.copy.remote(0))  # the call that says where the file is
        with pa.memory_map(path) as source:
            data = pa.ipc.open_file(source).read_all()["data"][0].as_buffer()
        _require(len(data), size_bytes)
        return time.perf_counter_ns() - began

    def referred(_: int) -> int:
        began = time.perf_counter_ns()
        (reference,) = ray.get(holder.put.remote(size_bytes))
        _require(len(ray.get(reference)), size_bytes)
        return time.perf_counter_ns() - began

    def copied(_: int) -> int:
        began = time.perf_counter_ns()
        _require(len(ray.get(holder.copy.remote(size_bytes))), size_bytes)
        return time.perf_counter_ns() - began

    ways: tuple[Callable[[int], int], ...] = (mapped, referred, copied)
    times = [[way(number) / 1e6 for way in ways] for number in range(rounds + 1)][1:]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def _require(size_bytes: int, expected: int) -> None:
    if size_bytes != expected:
        raise ValueError(size_bytes)


def _bytes(size_bytes: int) -> bytes:
    return bytes(size_bytes)


if __name__ == "__main__":
    main()
