"""Named arrays in one Arrow IPC file, mapped without a copy.

The file is a table with a row per array: name, type, shape and bytes, and facts as JSON in the
schema. It lies in memory and is a cache, so it carries no checksum: reading all of it would cost
more than mapping it.
"""

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from tierfold.errors import CorruptError

FORMAT: Final = 1

_KEY = b"tierfold.working"  # of the schema's metadata
_ALIGNMENT = 8  # of an array in the file; no type of ours is wider
_MEASURES_MAX = 2

Arrays = dict[str, NDArray[Any]]


def load_arrow() -> None:
    """Import Arrow now, for processes whose first read should not wait for it."""
    import pyarrow as pa  # noqa: PLC0415 - 40 ms that a process without L1 never needs

    del pa


def encoded(arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> memoryview:
    """Return the bytes of a file that holds these arrays and facts."""
    import pyarrow as pa  # noqa: PLC0415 - as above

    sizes = [array.nbytes + -array.nbytes % _ALIGNMENT for array in arrays.values()]
    ends = np.cumsum([0, *sizes], dtype=np.int64)
    joined = np.zeros(int(ends[-1]), np.uint8)  # filled in place: a set may be half a gigabyte
    for start, array in zip(ends.tolist(), arrays.values(), strict=False):
        flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        joined[start : start + array.nbytes] = flat
    data = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(),
        len(sizes),
        [None, pa.py_buffer(ends.tobytes()), pa.py_buffer(joined)],
    )
    shapes = [list(array.shape) for array in arrays.values()]
    columns = {
        "name": pa.array(list(arrays)),
        "type": pa.array([array.dtype.str for array in arrays.values()]),
        "shape": pa.array(shapes, pa.list_(pa.int64())),
        "data": data,
    }
    said = orjson.dumps({"format": FORMAT, **facts})
    batch = pa.record_batch(columns).replace_schema_metadata({_KEY: said})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return memoryview(sink.getvalue())


def mapped(path: Path) -> tuple[dict[str, Any], Arrays]:
    """Return facts and read-only views of a file; raises CorruptError for any other file."""
    import pyarrow as pa  # noqa: PLC0415 - as above

    try:
        with pa.memory_map(str(path)) as opened:
            batch = pa.ipc.open_file(opened).get_batch(0)
        return _facts(batch), _views(batch)
    except (pa.ArrowException, OSError, LookupError, TypeError, ValueError) as error:
        problem = f"no whole file of format {FORMAT}"
        raise CorruptError(what="a mapped working set", problem=problem) from error


def _facts(batch: Any) -> dict[str, Any]:
    facts: dict[str, Any] = orjson.loads(batch.schema.metadata[_KEY])
    if facts["format"] != FORMAT:
        raise ValueError(facts["format"])
    return facts


def _views(batch: Any) -> Arrays:
    column = batch.column("data")
    _, offsets, data = column.buffers()
    ends = np.frombuffer(offsets, np.int64, len(batch) + 1).tolist()
    if ends[-1] > data.size:
        raise ValueError(data.size)
    names, types = batch.column("name").to_pylist(), batch.column("type").to_pylist()
    shapes = batch.column("shape").to_pylist()
    return {
        name: _view(data, (ends[at], ends[at + 1]), np.dtype(types[at]), shapes[at])
        for at, name in enumerate(names)
    }


def _view(data: Any, span: tuple[int, int], kind: np.dtype[Any], shape: list[int]) -> NDArray[Any]:
    start, end = span
    count = prod(shape)
    if min(shape) < 0 or len(shape) > _MEASURES_MAX or count * kind.itemsize > end - start:
        raise ValueError(shape)
    if not count:
        return np.zeros(shape, kind)
    return np.frombuffer(data, kind, count, start).reshape(shape)
