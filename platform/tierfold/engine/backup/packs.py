"""Packs: many entries in one object, cut where their content says so.

A pack is a list of blocks; each is packed on its own, so that reading one entry unpacks no more
than its block. Where a pack ends depends on what is near its end alone: after a change in the
middle the packs behind it come out as they were before, and are not put again.
"""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from tierfold.compression.lossless import Block, Codec, Tier, content_kind
from tierfold.compression.lossless.kinds import ContentKind
from tierfold.compression.lossless.varint import read_varints, varints
from tierfold.engine.backup.envelope import DamagedBackupError, ObjectKind, sealed, unsealed

PACK_BYTES_MIN: Final = 2 << 20  # of entries before they are packed
PACK_BYTES_MAX: Final = 8 << 20  # one larger item has a pack of its own
PACK_ENTRIES_MAX: Final = 1 << 16

_BLOCK_BYTES: Final = 256 * 1024  # four of a shard's: nobody waits for a single entry
_BLOCK_ENTRIES_MAX: Final = 8192
_CUT_BYTES: Final = 2 << 20  # about so much follows PACK_BYTES_MIN until a pack is cut
_BLOCKS_KEPT: Final = 4


def is_cut(name: bytes, *, entry_bytes: int, pack_bytes: int, entries: int) -> bool:
    """Whether a pack ends behind an entry of this name, with which it is so large."""
    if pack_bytes >= PACK_BYTES_MAX or entries >= PACK_ENTRIES_MAX:
        return True
    drawn = int.from_bytes(name[:4], "big")
    return pack_bytes >= PACK_BYTES_MIN and drawn * _CUT_BYTES < entry_bytes << 32


def packed(kind: ObjectKind, entries: Sequence[bytes], codec: Codec) -> bytes:
    """Return the pack of some entries."""
    blocks: list[bytes] = []
    counts: list[int] = []
    for part in _cut(entries):
        blocks.append(codec.pack(part, _content(kind, part), tier=Tier.L4))
        counts += (len(part), len(blocks[-1]))
    return sealed(kind, b"".join((varints([len(blocks), *counts]), *blocks)))


class Pack:
    """A pack that was read; blocks are unpacked as they are asked for, the last few are kept."""

    def __init__(self, kind: ObjectKind, data: bytes, codec: Codec, *, what: str) -> None:
        """Take an object; raises CorruptError or FormatTooNewError where it is no pack."""
        self._data = unsealed(kind, data, what=what)
        self._codec = codec
        self._what = what
        (blocks,), at = read_varints(self._data, 0, 1, what=what)
        counts, at = read_varints(self._data, at, 2 * blocks, what=what)
        self._ends = list(accumulate(counts[::2]))
        self._borders = list(accumulate(counts[1::2], initial=at))
        if self._borders[-1] != len(self._data):
            raise DamagedBackupError(what=what, problem="its blocks do not add up")
        self._kept: OrderedDict[int, Block] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of entries."""
        return self._ends[-1] if self._ends else 0

    @property
    def size_bytes(self) -> int:
        """Bytes that it takes in memory, besides what was unpacked last."""
        return len(self._data)

    def entry(self, index: int) -> bytes:
        """Return an entry; raises CorruptError for one that it does not have."""
        if not 0 <= index < len(self):
            problem = f"it has {len(self)} entries and none at {index}"
            raise DamagedBackupError(what=self._what, problem=problem)
        at = bisect_right(self._ends, index)
        return self._block(at).entry(index - (self._ends[at - 1] if at else 0))

    def _block(self, at: int) -> Block:
        block = self._kept.get(at)
        if block is None:
            block = self._codec.unpack(self._data[self._borders[at] : self._borders[at + 1]])
            self._kept[at] = block
            if len(self._kept) > _BLOCKS_KEPT:
                self._kept.popitem(last=False)
        return block


def _cut(entries: Sequence[bytes]) -> list[list[bytes]]:
    parts: list[list[bytes]] = []
    size_bytes = 0
    for entry in entries:
        size_bytes += len(entry)
        if not parts or size_bytes > _BLOCK_BYTES or len(parts[-1]) == _BLOCK_ENTRIES_MAX:
            parts.append([])
            size_bytes = len(entry)
        parts[-1].append(entry)
    return parts


def _content(kind: ObjectKind, entries: Sequence[bytes]) -> ContentKind:
    if kind is ObjectKind.BODIES:
        return content_kind(max(entries, key=len))
    return ContentKind.TOOL_JSON if kind is ObjectKind.RECORDS else ContentKind.NAMES
