from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from tierfold.compression.lossless import bits
from tierfold.compression.lossless.numeric import Form, decode, encode
from tierfold.errors import CorruptError, FormatTooNewError, InvalidInputError, TooLargeError

NAMES = ("?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8")
shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=20)
arrays = st.sampled_from(NAMES).flatmap(lambda name: hnp.arrays(name, shapes))
whole = hnp.arrays("u8", st.integers(0, 40))


def form_of(data: bytes) -> Form:
    return Form(data[0] & 0xF)


def is_same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())


@given(array=arrays)
def test_an_array_comes_back_bit_for_bit(array: NDArray[Any]) -> None:
    """Type, shape and every bit are kept, signs of zeros and kinds of NaN too; never larger."""
    data = encode(array)

    assert is_same(decode(data), array)
    assert len(data) <= array.nbytes + 3 + 2 * array.ndim


@given(numbers=whole, width=st.integers(0, 64))
@example(numbers=np.full(9, 2**64 - 1, np.uint64), width=64)
def test_bits_are_packed_exactly(numbers: NDArray[np.uint64], width: int) -> None:
    """Numbers of any width from 0 to 64 bits come back, and take just their bits."""
    kept = numbers & np.uint64((1 << width) - 1)
    data = bits.pack(kept, width)

    assert len(data) == bits.packed_size_bytes(len(kept), width)
    unpacked = bits.unpack(np.frombuffer(data, np.uint8), len(kept), width)
    assert unpacked.tolist() == kept.tolist()


@given(numbers=whole)
def test_varints_and_zigzag_are_exact(numbers: NDArray[np.uint64]) -> None:
    """Every number of 64 bits survives both."""
    data = bits.pack_varints(numbers)

    assert len(data) == bits.varint_size_bytes(numbers)
    unpacked = bits.unpack_varints(np.frombuffer(data, np.uint8), len(numbers))
    assert unpacked.tolist() == numbers.tolist()
    assert bits.unzigzag(bits.zigzag(numbers)).tolist() == numbers.tolist()


@pytest.mark.parametrize(
    ("array", "form", "share"),
    [
        (np.arange(0, 3_000_000, 3, dtype=np.int64), Form.PACKED, 0.04),
        (np.cumsum(np.r_[np.full(9000, 2), np.full(90, 10_000)]), Form.VARINT, 0.14),
        (np.random.default_rng(1).integers(500, 900, 5000, dtype=np.int32), Form.PACKED, 0.29),
        (np.random.default_rng(1).permutation(5000) // 4 + 2**40, Form.PACKED, 0.18),
        (np.where(np.arange(9000) % 50, 0, 0.5).astype(np.float32), Form.SPARSE, 0.08),
        (np.where(np.arange(9000) % 5, 0, -0.0), Form.SPARSE, 0.25),
        (np.random.default_rng(1).random(9000) < 0.5, Form.PACKED, 0.13),
        (np.random.default_rng(1).random(900), Form.DENSE, 1.01),
        (np.full(900, 2**60), Form.PACKED, 0.01),
        (np.zeros((30, 30)), Form.SPARSE, 0.01),
        (np.r_[np.arange(400), np.arange(300)].astype(np.uint32), Form.VARINT, 0.26),
    ],
)
def test_the_smallest_form_is_chosen(array: NDArray[Any], form: Form, share: float) -> None:
    """Postings, counts, flags and mostly empty features each find their form."""
    data = encode(array)

    assert is_same(decode(data), array)
    assert form_of(data) is form
    assert len(data) <= share * array.nbytes + 30


def test_layout_in_memory_changes_nothing() -> None:
    """A transposed or strided array is stored as what it shows."""
    array = np.arange(600, dtype=np.int16).reshape(20, 30)

    for view in (array.T, array[::3, ::-2], np.asfortranarray(array)):
        assert is_same(decode(encode(view)), np.ascontiguousarray(view))


def test_a_dense_array_is_not_copied() -> None:
    """A mapped file can be read in place."""
    data = bytearray(encode(np.random.default_rng(2).random(50)))
    array = decode(memoryview(data).toreadonly())

    assert np.shares_memory(array, np.frombuffer(data, np.uint8))
    assert not array.flags.writeable


@given(data=st.binary(max_size=80), lead=st.sampled_from([*range(16, 20), None]))
def test_garbage_is_an_error_of_ours(data: bytes, lead: int | None) -> None:
    """No bytes bring the reader down or make it allocate what it was not allowed."""
    try:
        array = decode(data if lead is None else bytes((lead,)) + data, size_bytes_max=1 << 16)
    except (CorruptError, FormatTooNewError):
        return
    assert array.nbytes <= 1 << 16


@given(array=arrays, data=st.data())
def test_damage_is_an_error_of_ours(array: NDArray[Any], data: st.DataObject) -> None:
    """A flipped byte or a cut gives an array or an error, never a crash."""
    packed = bytearray(encode(array))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.integers(0, len(packed)))

    try:
        decode(bytes(packed[:cut]), size_bytes_max=1 << 20)
    except (CorruptError, FormatTooNewError):
        return


def test_the_forms_on_disk_never_change() -> None:
    """What the first release stored is read by all: dense, packed, varint, sparse."""
    stored: dict[str, NDArray[Any]] = {
        "100a01020000c03f00000080": np.array([1.5, -0.0], np.float32),
        "1106011000030500000000000000009024240900": np.array([5, 6, 9, 5], np.int16).repeat(4),
        "1208010801010000000000000001ac020101010101": np.cumsum([1, 1, 300, 1, 1, 1, 1, 1]),
        "130b020505111108010501030000000000000000b60d00100b0105000000000000f03f000000000000f03f"
        "000000000000f03f000000000000f03f000000000000f03f": np.eye(5),
    }

    for data, array in stored.items():
        assert is_same(decode(bytes.fromhex(data)), array)
        assert encode(array).hex() == data


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "00",  # no format
        "1001",  # no shape
        "10630100",  # no such type
        "15080100",  # no such form
        "1008010200",  # fewer values than the shape says
        "1008020080808080808080",  # a side that never ends
        "110801020a410000000000000000",  # no such step
        "1108010200410000000000000000",  # steps of 65 bits
        "11080102000800000000000000000102",  # not as many bits as steps
        "11080100010800000000000000000102",  # a step before the first value
        "1208010200000000000000000005",  # not as many steps
        "12080101000000000000000000" + "ff" * 10 + "01",  # a step of 11 bytes
        "1308010205130801000000100801000000",  # sparse in sparse
        "130101040c100801010000000000000000100101020506",  # more values than places
        "130101040510010101001001010105",  # places that are no int64
        "130101040c1008010109000000000000001001010105",  # a place beyond the end
    ],
)
def test_each_kind_of_damage_is_told(stored: str) -> None:
    """Whatever does not fit together is refused, however plausible its parts."""
    with pytest.raises(CorruptError, match="an array"):
        decode(bytes.fromhex(stored))


@pytest.mark.parametrize("dtype", ["c8", "U3", ">i4", "M8[s]", "O"])
def test_a_type_without_a_form_is_refused(dtype: str) -> None:
    """Only plain numbers are stored: nothing that would need pickle."""
    with pytest.raises(InvalidInputError, match="no packed form"):
        encode(np.zeros(3, dtype))


def test_too_large_an_array_is_refused() -> None:
    """What could not be read back is not written."""
    huge = np.broadcast_to(np.float64(1), (1 << 28,))

    with pytest.raises(TooLargeError, match="an array"):
        encode(huge)
    with pytest.raises(CorruptError):
        decode(encode(np.full(1000, 7)), size_bytes_max=7999)


def test_a_newer_format_is_no_damage() -> None:
    """An array of a newer release asks for that release."""
    with pytest.raises(FormatTooNewError, match="an array has format 3"):
        decode(b"\x30\x00\x00")
