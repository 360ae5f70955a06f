"""Arrays of numbers in the smallest of four forms: dense, packed, varint or sparse.

Exact: what comes back has equal bits, shape and type. Narrower types (f32 to f16 or int8) lose
something, so they are the caller's to choose, before.

| part  | bytes                                                                       |
|-------|-----------------------------------------------------------------------------|
| lead  | format in the upper half, form in the lower                                 |
| type  | its number in `_TYPES`                                                      |
| shape | dimensions (1 byte), then each as a varint                                  |
| rest  | dense: values. packed: step, bits of each (1 byte each), base (8), steps    |
|       | varint: step, base, steps. sparse: size of places (varint), places, values  |

Whole numbers are told as steps: from the smallest one (plain), from the one before (rising), or
from that with the sign as the lowest bit (zigzag); the base is the smallest one, or the first.
"""

from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tierfold.compression.lossless import bits
from tierfold.compression.lossless.bits import Bytes, Whole
from tierfold.compression.lossless.varint import read_varints, varints
from tierfold.errors import CorruptError, FormatTooNewError, InvalidInputError, TooLargeError

FORMAT: Final = 1
SIZE_BYTES_MAX: Final = 1 << 30  # of one array, unless the caller says less

_WHAT: Final = "an array"
_NAMES: Final = ("?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8")
_TYPES: Final = tuple(np.dtype(name).newbyteorder("<") for name in _NAMES)
_SHAPE: Final = 3  # where the dimensions begin
_SPARSE_SHARE: Final = 0.5  # with more values than that, places cost more than zeros save
_BASE_BYTES: Final = 8


class Form(IntEnum):
    """How the values of an array lie. Numbers are on disk and never change."""

    DENSE = 0
    PACKED = 1  # all steps in equally many bits
    VARINT = 2  # each step in as few bytes as it needs
    SPARSE = 3  # what is not zero, and where


class Step(IntEnum):
    """What whole numbers are told as. Numbers are on disk and never change."""

    PLAIN = 0
    RISING = 1
    ZIGZAG = 2


def encode(array: NDArray[Any]) -> bytes:
    """Return the array in its smallest form; raises InvalidInputError for types without one."""
    if array.dtype not in _TYPES:
        problem = f"{array.dtype} has no packed form: use plain little-endian numbers"
        raise InvalidInputError(problem, path="array")
    if array.nbytes > SIZE_BYTES_MAX:
        raise TooLargeError(_WHAT, size=array.nbytes, limit=SIZE_BYTES_MAX)
    flat = np.ascontiguousarray(array).reshape(-1)
    form, rest = _smallest(flat)
    sparse = _sparse(flat)
    if sparse is not None and len(sparse) < len(rest):
        form, rest = Form.SPARSE, sparse
    return _head(array, form) + rest


def decode(data: bytes | memoryview, *, size_bytes_max: int = SIZE_BYTES_MAX) -> NDArray[Any]:
    """Return the array; one that lies dense is not copied and cannot be written to.

    Raises CorruptError, also for one that claims to be larger than `size_bytes_max`.
    """
    if data[:1] and data[0] >> 4 > FORMAT:
        raise FormatTooNewError(what=_WHAT, found=data[0] >> 4, known=FORMAT)
    try:
        return _decoded(memoryview(data), size_bytes_max, Form.SPARSE)
    except (ValueError, IndexError, OverflowError) as error:
        raise CorruptError(what=_WHAT, problem="it is cut short or garbled") from error


def _head(array: NDArray[Any], form: Form) -> bytes:
    lead = bytes((FORMAT << 4 | form, _TYPES.index(array.dtype), array.ndim))
    return lead + varints(array.shape)


def _smallest(flat: NDArray[Any]) -> tuple[Form, bytes]:
    """Return the smallest of the forms that hold every value; sizes are known before packing."""
    best, form = flat.nbytes, Form.DENSE
    chosen: tuple[Step, Whole, int] | None = None
    for step, steps, base in _ways(flat):
        head = 1 + _BASE_BYTES
        packed = 1 + head + bits.packed_size_bytes(steps.size, bits.width_of(steps))
        varint = head + bits.varint_size_bytes(steps)
        if min(packed, varint) < best:
            best, chosen = min(packed, varint), (step, steps, base)
            form = Form.PACKED if packed <= varint else Form.VARINT
    if chosen is None:
        return Form.DENSE, flat.tobytes()
    step, steps, base = chosen
    told = base.to_bytes(_BASE_BYTES, "little")
    if form is Form.VARINT:
        return form, bytes((step,)) + told + bits.pack_varints(steps)
    width = bits.width_of(steps)
    return form, bytes((step, width)) + told + bits.pack(steps, width)


def _ways(flat: NDArray[Any]) -> list[tuple[Step, Whole, int]]:
    """Return the steps that whole numbers can be told as; none for fractions."""
    if flat.dtype.kind == "f" or not flat.size:
        return []
    whole = _whole(flat)
    base = _whole(flat.min(keepdims=True))
    differences = np.diff(whole)  # wraps, and wraps back
    is_rising = bool((flat[1:] >= flat[:-1]).all())
    second = (Step.RISING, differences) if is_rising else (Step.ZIGZAG, bits.zigzag(differences))
    return [(Step.PLAIN, whole - base, int(base[0])), (*second, int(whole[0]))]


def _whole(flat: NDArray[Any]) -> Whole:
    if flat.dtype.kind == "i":
        return flat.astype(np.int64).view(np.uint64)
    return flat.astype(np.uint64)


def _sparse(flat: NDArray[Any]) -> bytes | None:
    """Return places and values of what is not zero; a zero with a sign is not zero."""
    places = np.flatnonzero(flat.view(f"u{flat.itemsize}"))
    if not flat.size or places.size > _SPARSE_SHARE * flat.size:
        return None
    parts = []
    for part in (places, flat[places]):
        form, rest = _smallest(part)
        parts.append(_head(part, form) + rest)
    return varints((len(parts[0]),)) + parts[0] + parts[1]


def _decoded(data: memoryview, size_bytes_max: int, form_max: Form) -> NDArray[Any]:
    if data[0] >> 4 != FORMAT:
        raise ValueError(data[0])
    form, dtype = Form(data[0] & 0xF), _TYPES[data[1]]
    shape, at = read_varints(data, _SHAPE, data[2], what=_WHAT)
    count = 1
    for length in shape:
        count *= length
    if count * dtype.itemsize > size_bytes_max or form > form_max:
        raise ValueError(count)
    flat = _READERS[form](data[at:], dtype, count)
    return flat.reshape(shape)


def _read_dense(data: memoryview, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
    if len(data) != count * dtype.itemsize:
        raise ValueError(len(data))
    return np.frombuffer(data, dtype)


def _read_packed(data: memoryview, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
    step, width = Step(data[0]), data[1]
    told = count - (step is not Step.PLAIN)
    steps = _bytes(data[2 + _BASE_BYTES :])
    if told < 0 or width > bits.WIDTH_MAX or len(steps) != bits.packed_size_bytes(told, width):
        raise ValueError(width)
    return _summed(bits.unpack(steps, told, width), step, data[2 : 2 + _BASE_BYTES], dtype)


def _read_varint(data: memoryview, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
    step = Step(data[0])
    told = count - (step is not Step.PLAIN)
    steps = bits.unpack_varints(_bytes(data[1 + _BASE_BYTES :]), told)
    return _summed(steps, step, data[1 : 1 + _BASE_BYTES], dtype)


def _read_sparse(data: memoryview, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
    (size,), at = read_varints(data, 0, 1, what=_WHAT)
    # A place takes eight bytes, a value at most as many.
    places = _decoded(data[at : at + size], 8 * count, Form.VARINT)
    values = _decoded(data[at + size :], 8 * count, Form.VARINT)
    if places.shape != values.shape or values.dtype != dtype or places.dtype != np.int64:
        raise ValueError(places.shape)
    if places.size and not 0 <= int(places.min()) <= int(places.max()) < count:
        raise IndexError(count)
    flat = np.zeros(count, dtype)
    flat[places] = values
    return flat


_READERS: Final = {
    Form.DENSE: _read_dense,
    Form.PACKED: _read_packed,
    Form.VARINT: _read_varint,
    Form.SPARSE: _read_sparse,
}


def _bytes(data: memoryview) -> Bytes:
    return np.frombuffer(data, np.uint8)


def _summed(steps: Whole, step: Step, told: memoryview, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the values that the steps lead to."""
    base = np.uint64(int.from_bytes(told, "little"))
    if step is Step.PLAIN:
        whole = steps + base
    else:
        moves = bits.unzigzag(steps) if step is Step.ZIGZAG else steps
        whole = np.concatenate((np.array([base]), moves)).cumsum(dtype=np.uint64)
    return whole.view(np.int64).astype(dtype) if dtype.kind == "i" else whole.astype(dtype)
