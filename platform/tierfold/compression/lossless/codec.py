"""Frames and blocks: bodies as they lie on disk and in memory.

| what  | bytes                                                                              |
|-------|------------------------------------------------------------------------------------|
| frame | lead, dictionary id, payload: one body                                             |
| block | lead, dictionary id, entries (varint), their lengths (varints), payload: many      |
| lead  | format in the upper half; in the lower 8 for a block, plus 0 raw, 1 zstd, 2 zstd with a bootstrap dictionary (id of one byte), 3 with a trained one (eight bytes) |

A payload of zstd has neither its magic nor a checksum nor its own dictionary id: every stored value
has a checksum already. It does have its content size, which takes no more room than ours would, and
says before unpacking how much that takes.
"""  # noqa: E501 - a row of a table is one line

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import accumulate
from typing import Final

import zstandard

from tierfold.compression.lossless.compressors import shared_compressors
from tierfold.compression.lossless.dictionaries import (
    BOOTSTRAP_ID_BYTES,
    TRAINED_ID_BYTES,
    Dictionary,
    bootstrap_dictionaries,
)
from tierfold.compression.lossless.kinds import ContentKind
from tierfold.compression.lossless.policy import Tier, choose
from tierfold.compression.lossless.varint import read_varints, varints
from tierfold.errors import CorruptError, FormatTooNewError, MissingDictionaryError, TooLargeError

FORMAT: Final = 1
RAW_BYTES_MAX: Final = 1 << 20  # what one frame or block may unpack to
ENTRIES_MAX: Final = 1 << 16  # a place names an entry by two bytes
HASH_BYTES: Final = 16

_BLOCK: Final = 8
_RAW, _ZSTD, _BOOTSTRAP, _TRAINED = range(4)
_METHOD: Final = 0b11
_ID_BYTES: Final = (0, 0, BOOTSTRAP_ID_BYTES, TRAINED_ID_BYTES)


@dataclass(frozen=True, slots=True)
class Block:
    """An unpacked block; a body is copied out only when it is asked for."""

    payload: bytes = field(repr=False)
    ends: tuple[int, ...] = field(repr=False)

    def __len__(self) -> int:
        """Return the number of bodies."""
        return len(self.ends)

    @property
    def size_bytes(self) -> int:
        """Bytes of all bodies."""
        return len(self.payload)

    def entry(self, index: int) -> bytes:
        """Return one body; raises CorruptError for a place the block does not have."""
        if not 0 <= index < len(self.ends):
            problem = f"it has {len(self.ends)} entries and none at {index}"
            raise CorruptError(what="a block", problem=problem)
        start = self.ends[index - 1] if index else 0
        return self.payload[start : self.ends[index]]


class Codec:
    """Packs and unpacks with the bootstrap dictionaries and those trained for one tenant.

    Never changes: when a dictionary is trained, make a new one. Any thread may use it at any time.
    """

    __slots__ = ("_compressors", "_dictionaries", "_preferred")

    def __init__(self, trained: Iterable[Dictionary] = ()) -> None:
        """Take a tenant's dictionaries, the newest of a kind last: that one packs."""
        known = (*bootstrap_dictionaries(), *trained)
        self._dictionaries = {each.id: each for each in known}
        common = next(each for each in reversed(known) if each.is_bootstrap)
        self._preferred = dict.fromkeys(ContentKind, common) | {
            each.kind: each for each in known if each.kind is not None
        }
        self._compressors = shared_compressors()

    def frame(
        self,
        body: bytes,
        kind: ContentKind,
        *,
        tier: Tier = Tier.L2,
        is_cpu_pressed: bool = False,
    ) -> bytes:
        """Return a body as a value of its own; at most one byte longer than the body."""
        _require_within("bytes in one body", len(body), RAW_BYTES_MAX)
        lead, payload = self._packed(body, kind, tier, is_cpu_pressed=is_cpu_pressed)
        # Joining copies: what zstd returns keeps the room of the worst case for as long as it
        # lives. Of 88,000 kept messages every byte took 3.6 bytes of memory, now 1.35.
        return lead + payload

    @staticmethod
    def plain(body: bytes) -> bytes:
        """Return a body as a frame without packing it, for what a block will hold soon."""
        return _RAW_LEAD + body

    def unframe(self, frame: bytes) -> bytes:
        """Return the body of a frame; raises CorruptError, MissingDictionaryError too."""
        method, at = _lead(frame, what="a frame", mark=0)
        return self._unpacked(frame, method, at, what="a frame")

    def pack(
        self,
        bodies: Sequence[bytes],
        kind: ContentKind,
        *,
        tier: Tier = Tier.L3,
        is_cpu_pressed: bool = False,
    ) -> bytes:
        """Return a block of bodies; `kind` is what most of its bytes are."""
        joined = b"".join(bodies)
        _require_within("bytes in one block", len(joined), RAW_BYTES_MAX)
        _require_within("bodies in one block", len(bodies), ENTRIES_MAX)
        lead, payload = self._packed(joined, kind, tier, is_cpu_pressed=is_cpu_pressed)
        lengths = varints([len(bodies), *map(len, bodies)])
        return b"".join((bytes((lead[0] | _BLOCK,)), lead[1:], lengths, payload))

    def unpack(self, block: bytes) -> Block:
        """Return the bodies of a block; raises CorruptError, MissingDictionaryError too."""
        method, at = _lead(block, what="a block", mark=_BLOCK)
        head = at + _ID_BYTES[method]
        (count,), head = read_varints(block, head, 1, what="a block")
        if count > ENTRIES_MAX:
            raise CorruptError(what="a block", problem=f"it claims {count:,} entries")
        lengths, head = read_varints(block, head, count, what="a block")
        payload = self._unpacked(block, method, at, what="a block", start=head)
        ends = tuple(accumulate(lengths))
        if (ends[-1] if ends else 0) != len(payload):
            raise CorruptError(what="a block", problem="its lengths do not add up to its content")
        return Block(payload, ends)

    def dictionary_of(self, packed: bytes) -> bytes | None:
        """Return the id of the dictionary that a frame or block needs, None where it needs none."""
        method = packed[0] & _METHOD if packed else _RAW
        return packed[1 : 1 + _ID_BYTES[method]] or None

    def _packed(
        self, raw: bytes, kind: ContentKind, tier: Tier, *, is_cpu_pressed: bool
    ) -> tuple[bytes, bytes]:
        """Return lead and payload, whichever form is the shortest."""
        choice = choose(kind, tier, len(raw), is_cpu_pressed=is_cpu_pressed)
        if not choice.level:
            return _RAW_LEAD, raw
        dictionary = self._preferred[kind] if choice.has_dictionary else None
        lead = _ZSTD_LEAD if dictionary is None else _lead_of(dictionary)
        payload = self._compressors.compress(raw, choice.level, dictionary)
        if (len(lead) + len(payload)) * choice.gain_min >= len(raw) + 1:
            return _RAW_LEAD, raw
        return lead, payload

    def _unpacked(
        self, packed: bytes, method: int, at: int, *, what: str, start: int | None = None
    ) -> bytes:
        """Return the payload that begins at `start`, else right after the dictionary's id."""
        head = at + _ID_BYTES[method]
        payload = packed[head if start is None else start :]
        if method == _RAW:
            return payload
        dictionary = None
        if method != _ZSTD:
            named = packed[at:head]
            dictionary = self._dictionaries.get(named)
            if dictionary is None:
                raise MissingDictionaryError(what=what, dictionary=named)
        try:
            return self._compressors.decompress(payload, dictionary, size_bytes_max=RAW_BYTES_MAX)
        except (zstandard.ZstdError, ValueError) as error:
            raise CorruptError(what=what, problem="its payload cannot be unpacked") from error


def block_hash(block: bytes) -> bytes:
    """Return a block's name in the object store."""
    return blake2b(block, digest_size=HASH_BYTES).digest()


def _require_within(what: str, size: int, limit: int) -> None:
    if size > limit:
        raise TooLargeError(what, size=size, limit=limit)


_RAW_LEAD: Final = bytes((FORMAT << 4 | _RAW,))
_ZSTD_LEAD: Final = bytes((FORMAT << 4 | _ZSTD,))


def _lead_of(dictionary: Dictionary) -> bytes:
    method = _BOOTSTRAP if dictionary.is_bootstrap else _TRAINED
    return bytes((FORMAT << 4 | method,)) + dictionary.id


def _lead(packed: bytes, *, what: str, mark: int) -> tuple[int, int]:
    """Return method and where the dictionary's id stands."""
    if not packed:
        raise CorruptError(what=what, problem="it is empty")
    first = packed[0]
    if first >> 4 > FORMAT:
        raise FormatTooNewError(what=what, found=first >> 4, known=FORMAT)
    method = first & _METHOD
    if first != FORMAT << 4 | mark | method or len(packed) < 1 + _ID_BYTES[method]:
        raise CorruptError(what=what, problem="it does not begin as one")
    return method, 1
