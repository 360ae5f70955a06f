"""What every stored value is wrapped in: a format number and a checksum of its own.

| value           | bytes in front                                                        |
|-----------------|-----------------------------------------------------------------------|
| below 16 bytes  | 4 bits format, 12 bits check: places and empty values are most of all |
| from 16 bytes   | 4 zero bits, 4 bits format, 32 bits check                             |

A check covers family, key and format too: a value that is found under another key than its own is
damaged. Whatever a later format changes, checks stay as they are, so that a format number is only
believed when the check confirms it.
"""

from zlib import crc32

from tierfold.errors import CorruptError, FormatTooNewError
from tierfold.ports import Family

VALUE_FORMAT = 1  # at most 15

_SHORT_BYTES = 16  # values below this get the short check
_SHORT_HEAD_BYTES = 2
_LONG_HEAD_BYTES = 5
_PRIME = 4093  # the largest of 12 bits: a remainder changes with any one byte of a value
_CHECK_MASK = 0xFFF

_SEEDS = {family: crc32(family.value.encode()) for family in Family}
_LONG_HEAD = bytes((VALUE_FORMAT,))


def wrap(family: Family, key: bytes, value: bytes) -> bytes:
    """Return the bytes to store."""
    keyed = crc32(key, _SEEDS[family])
    if len(value) < _SHORT_BYTES:
        head = VALUE_FORMAT << 12 | _short_check(VALUE_FORMAT, keyed, value)
        return head.to_bytes(_SHORT_HEAD_BYTES, "big") + value
    return _LONG_HEAD + _long_check(VALUE_FORMAT, keyed, value).to_bytes(4, "big") + value


def unwrap(family: Family, key: bytes, stored: bytes) -> bytes:
    """Return the value; raises CorruptError and FormatTooNewError."""
    if stored[:1] == _LONG_HEAD:  # nearly always: one comparison instead of taking it apart
        value = stored[_LONG_HEAD_BYTES:]
        check = int.from_bytes(stored[1:_LONG_HEAD_BYTES], "big")
        if check == _long_check(VALUE_FORMAT, crc32(key, _SEEDS[family]), value):
            return value
    return _unwrapped(family, key, stored)


def _unwrapped(family: Family, key: bytes, stored: bytes) -> bytes:
    """Return the value of any form and format."""
    keyed = crc32(key, _SEEDS[family])
    first = stored[0] if stored else 0
    if first >> 4:
        found, value = first >> 4, stored[_SHORT_HEAD_BYTES:]
        check = int.from_bytes(stored[:_SHORT_HEAD_BYTES], "big") & _CHECK_MASK
        is_right = (
            len(stored) >= _SHORT_HEAD_BYTES
            and len(value) < _SHORT_BYTES
            and check == _short_check(found, keyed, value)
        )
    else:
        found, value = first, stored[_LONG_HEAD_BYTES:]
        check = int.from_bytes(stored[1:_LONG_HEAD_BYTES], "big")
        is_right = len(value) >= _SHORT_BYTES and check == _long_check(found, keyed, value)
    if not is_right:
        raise CorruptError(what=named(family, key), problem="its checksum does not match", key=key)
    if found > VALUE_FORMAT:
        raise FormatTooNewError(what=named(family, key), found=found, known=VALUE_FORMAT)
    return value


def named(family: Family, key: bytes) -> str:
    """Return how messages name a value."""
    return f"{family.value} {key.hex()}"


def _short_check(found: int, keyed: int, value: bytes) -> int:
    """Return the remainder of the value with its length in front, moved on by key and format."""
    number = int.from_bytes(value, "big") + (len(value) + 1 << 8 * len(value))
    return (number + keyed + found) % _PRIME


def _long_check(found: int, keyed: int, value: bytes) -> int:
    return crc32(value, keyed) ^ (found * 0x01000193)
