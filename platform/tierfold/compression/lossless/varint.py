"""Whole numbers in as few bytes as they need: seven bits a byte, the lowest first."""

from collections.abc import Sequence
from typing import Final

from tierfold.errors import CorruptError

_SHIFT_MAX: Final = 28  # lengths are below 2^31; a longer one is damage


def varints(numbers: Sequence[int]) -> bytes:
    """Return the numbers one after another."""
    out = bytearray()
    for number in numbers:
        rest = number
        while rest > 0x7F:  # noqa: PLR2004 - seven bits
            out.append(rest & 0x7F | 0x80)
            rest >>= 7
        out.append(rest)
    return bytes(out)


def read_varints(
    data: bytes | memoryview, at: int, count: int, *, what: str
) -> tuple[list[int], int]:
    """Return so many numbers that stand at `at`, and where they end; raises CorruptError."""
    numbers: list[int] = []
    try:
        for _ in range(count):
            number, at = _one(data, at)
            numbers.append(number)
    except (IndexError, OverflowError) as error:
        raise CorruptError(what=what, problem="its lengths are cut short or garbled") from error
    return numbers, at


def _one(data: bytes | memoryview, at: int) -> tuple[int, int]:
    byte = data[at]
    if byte < 0x80:  # noqa: PLR2004 - seven bits
        return byte, at + 1
    number, shift = byte & 0x7F, 7
    while byte & 0x80:
        if shift > _SHIFT_MAX:
            raise OverflowError(shift)
        at += 1
        byte = data[at]
        number |= (byte & 0x7F) << shift
        shift += 7
    return number, at + 1
