"""Several arrays of numbers as one value, each in its smallest form."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tierfold.compression.lossless.numeric import decode, encode
from tierfold.compression.lossless.varint import read_varints, varints
from tierfold.errors import CorruptError

LongArray = NDArray[np.int64]
TermArray = NDArray[np.uint64]
DoubleArray = NDArray[np.float64]

_WHAT = "a value of the search index"
_BYTES_MAX = 1 << 26  # of one array: far more than any writer puts into one


def packed(arrays: Sequence[NDArray[Any]]) -> bytes:
    """Return the arrays one after another, their sizes before them."""
    parts = [encode(array) for array in arrays]
    return b"".join((varints([len(part) for part in parts]), *parts))


def unpacked(data: bytes, count: int) -> list[NDArray[Any]]:
    """Return so many arrays; raises CorruptError for what is not made by `packed`."""
    sizes, at = read_varints(data, 0, count, what=_WHAT)
    view = memoryview(data)
    arrays = []
    for size in sizes:
        arrays.append(decode(view[at : at + size], size_bytes_max=_BYTES_MAX))
        at += size
    if at != len(data):
        raise CorruptError(what=_WHAT, problem="its sizes do not add up")
    return arrays


def garbled() -> CorruptError:
    """Return the error for a value whose arrays do not fit together."""
    return CorruptError(what=_WHAT, problem="its arrays do not fit together")
