"""Reads RocksDB's logs of changes, to tell a torn tail from damage in the middle.

A log is a row of blocks of 32 KiB, and these hold pieces of records: a masked CRC-32C (4 bytes), a
length (2), a kind (1), the content. A record that does not fit its block goes on in the next one.
Every write waits for the disk before the next one begins, so damage with no beginning of a record
behind it is the one write that was under way: nobody was told that it is there.
"""

from collections.abc import Iterator
from enum import Enum
from functools import cache
from pathlib import Path

_BLOCK_BYTES = 32 * 1024
_HEAD_BYTES = 7
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_KINDS = frozenset((_WHOLE, _FIRST, _MIDDLE, _LAST))
_POLYNOMIAL = 0x82F63B78
_MASK = 0xA282EAD8


class LogDamage(Enum):
    """Where the logs are damaged."""

    NONE = "none"
    TAIL = "tail"  # nothing begins behind it
    MIDDLE = "middle"  # good records stand behind it


def log_damage(folder: Path) -> LogDamage:
    """Return where the logs of a database are damaged; reads them whole, byte for byte."""
    found = LogDamage.NONE
    for path in sorted(folder.glob("*.log")):
        for kind in _pieces(path.read_bytes()):
            if kind is None:
                found = LogDamage.TAIL
            elif found is LogDamage.TAIL and kind in (_WHOLE, _FIRST):
                return LogDamage.MIDDLE
    return found


def _pieces(log: bytes) -> Iterator[int | None]:
    """Yield the kind of each piece, None for what is none."""
    for start in range(0, len(log), _BLOCK_BYTES):
        yield from _pieces_of_block(memoryview(log)[start : start + _BLOCK_BYTES])


def _pieces_of_block(block: memoryview) -> Iterator[int | None]:
    at = 0
    while len(block) - at >= _HEAD_BYTES:
        end = at + _HEAD_BYTES + int.from_bytes(block[at + 4 : at + 6], "little")
        kind = block[at + 6]
        if kind in _KINDS and end <= len(block) and _is_right(block[at:end]):
            yield kind
            at = end
        else:
            yield None
            at += 1  # its length may be the damage: the next piece can begin anywhere


def _is_right(piece: memoryview) -> bool:
    crc = _crc32c(piece[6:])
    masked = (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF
    return int.from_bytes(piece[:4], "little") == masked


def _crc32c(data: memoryview) -> int:
    table, crc = _table(), 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


@cache
def _table() -> tuple[int, ...]:
    return tuple(map(_table_entry, range(256)))


def _table_entry(crc: int) -> int:
    for _ in range(8):
        crc = (crc >> 1) ^ (_POLYNOMIAL if crc & 1 else 0)
    return crc
