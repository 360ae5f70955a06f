"""Whole numbers of 64 bits in equally many bits each, or in as few bytes as each needs."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.uint64]
Bytes = NDArray[np.uint8]

WIDTH_MAX: Final = 64

_OCTET: Final = 8  # so many numbers of w bits are w whole bytes
_SEVEN: Final = 7
_VARINT_BYTES_MAX: Final = 10


def width_of(numbers: Whole) -> int:
    """Return how many bits the largest number needs."""
    return int(numbers.max()).bit_length() if numbers.size else 0


def packed_size_bytes(count: int, width: int) -> int:
    """Return the size of so many numbers of so many bits: whole octets."""
    return -(-count // _OCTET) * width


def pack(numbers: Whole, width: int) -> bytes:
    """Return numbers below 2 to the `width`, one after another without a gap."""
    groups = -(-numbers.size // _OCTET)
    padded = np.zeros(groups * _OCTET, np.uint64)
    padded[: numbers.size] = numbers
    columns = np.ascontiguousarray(padded.reshape(groups, _OCTET).T)
    out = np.zeros((width, groups), np.uint8)
    for place, column in enumerate(columns):
        for byte, shift in _bytes_of(place, width):
            moved = column << np.uint64(shift) if shift >= 0 else column >> np.uint64(-shift)
            out[byte] |= moved.astype(np.uint8)
    return np.ascontiguousarray(out.T).tobytes()


def unpack(data: Bytes, count: int, width: int) -> Whole:
    """Return so many numbers of `pack`; the data is exactly as long as that takes."""
    groups = -(-count // _OCTET)
    columns = np.ascontiguousarray(data.reshape(groups, width).T).astype(np.uint64)
    out = np.zeros((_OCTET, groups), np.uint64)
    for place in range(_OCTET):
        for byte, shift in _bytes_of(place, width):
            column = columns[byte]
            out[place] |= column >> np.uint64(shift) if shift >= 0 else column << np.uint64(-shift)
    if width < WIDTH_MAX:
        out &= np.uint64((1 << width) - 1)
    return np.ascontiguousarray(out.T).reshape(-1)[:count]


def _bytes_of(place: int, width: int) -> list[tuple[int, int]]:
    """Return each byte that number `place` of an octet touches, and its shift to the left there."""
    first, last = place * width, place * width + width - 1
    return [(byte, first - byte * 8) for byte in range(first // 8, last // 8 + 1)]


def varint_size_bytes(numbers: Whole) -> int:
    """Return the size of `pack_varints`."""
    return int(_varint_lengths(numbers).sum())


def pack_varints(numbers: Whole) -> bytes:
    """Return each number in groups of seven bits, the lowest first."""
    lengths = _varint_lengths(numbers)
    starts = np.cumsum(lengths) - lengths
    out = np.zeros(int(lengths.sum()), np.uint8)
    for group in range(int(lengths.max(initial=0))):
        longer = lengths > group
        bits = (numbers[longer] >> np.uint64(group * _SEVEN)).astype(np.uint8) & np.uint8(0x7F)
        more = (lengths[longer] > group + 1).astype(np.uint8) << np.uint8(_SEVEN)
        out[starts[longer] + group] = bits | more
    return out.tobytes()


def unpack_varints(data: Bytes, count: int) -> Whole:
    """Return the numbers of `pack_varints`; raises ValueError where they are not so many."""
    ends = np.flatnonzero(data < 0x80)  # noqa: PLR2004 - seven bits
    if ends.size != count or (data.size and data[-1] >= 0x80):  # noqa: PLR2004
        raise ValueError(ends.size)
    starts = np.concatenate((np.zeros(1, np.int64), ends[:-1] + 1))[:count]
    lengths = ends - starts + 1
    longest = int(lengths.max(initial=0))
    if longest > _VARINT_BYTES_MAX:
        raise ValueError(longest)
    out = np.zeros(count, np.uint64)
    for group in range(longest):
        longer = lengths > group
        bits = (data[starts[longer] + group] & np.uint8(0x7F)).astype(np.uint64)
        out[longer] |= bits << np.uint64(group * _SEVEN)
    return out


def _varint_lengths(numbers: Whole) -> NDArray[np.int64]:
    lengths = np.ones(numbers.size, np.int64)
    for group in range(1, -(-width_of(numbers) // _SEVEN)):
        lengths += numbers >= np.uint64(1 << (group * _SEVEN))
    return lengths


def zigzag(steps: Whole) -> Whole:
    """Return signed steps with the sign as the lowest bit, so that small ones stay small."""
    sign = (steps.view(np.int64) >> np.int64(63)).view(np.uint64)
    return (steps << np.uint64(1)) ^ sign


def unzigzag(numbers: Whole) -> Whole:
    """Return the steps of `zigzag`."""
    sign = np.uint64(0) - (numbers & np.uint64(1))
    return (numbers >> np.uint64(1)) ^ sign
