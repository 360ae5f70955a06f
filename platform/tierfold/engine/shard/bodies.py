"""Bodies of a context: from its references to the rows and blocks that have them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from tierfold.context.segment import PIECE_BYTES_MAX, Name, joined, pieces_in
from tierfold.engine.shard.blocks import UNPACKED_KEPT, Blocks, CodecOf, Found
from tierfold.engine.shard.keys import Place, block_key, name_prefix, reference_key, stub_hash
from tierfold.engine.shard.view import Stored
from tierfold.errors import CorruptError
from tierfold.ports import Family

_TRIES = 2  # a body that was moved between the two reads has its new place by now


def pieces_of(bodies: Mapping[Name, bytes]) -> dict[Name, tuple[Name, ...]]:
    """Return the pieces of those items that are split."""
    return {name: pieces for name, body in bodies.items() if (pieces := pieces_in(body))}


@dataclass(slots=True)
class Reading:
    """What a read met on its way."""

    tier: str = "L2"  # the lowest it had to go to
    blocks: dict[int, int] = field(default_factory=dict)  # number -> bytes as packed

    def went_to(self, tier: str) -> None:
        """Note a tier."""
        self.tier = max(self.tier, tier)  # L2 < L3 < L4


class Bodies:
    """Reads bodies that one context refers to, through `stored`: the disk, or a round's view."""

    def __init__(self, blocks: Blocks, codec_of: CodecOf) -> None:
        self._blocks = blocks
        self._codec_of = codec_of

    def reader(
        self, stored: Stored, tenant: str, digest: bytes, *, from_l4: bool = True
    ) -> "BodyReader":
        """Return a reader for one context; one answer is one reader.

        Without `from_l4` it raises NotAtHandError where L4 would have to be asked.
        """
        return BodyReader(self._blocks, self._codec_of, stored, (tenant, digest), from_l4=from_l4)


class BodyReader:
    """Reads the bodies of one context for one answer."""

    def __init__(
        self,
        blocks: Blocks,
        codec_of: CodecOf,
        stored: Stored,
        context: tuple[str, bytes],
        *,
        from_l4: bool = True,
    ) -> None:
        self._blocks = blocks
        self._codec_of = codec_of
        self._stored = stored
        self.context = context
        self._tenant, self._digest = context
        self._from_l4 = from_l4
        self.reading = Reading()

    def body(self, name: Name) -> bytes:
        """Return one body; raises CorruptError where it is missing or damaged."""
        return self.bodies([name])[name]

    def bodies(self, names: Iterable[Name]) -> dict[Name, bytes]:
        """Return some bodies by name; raises CorruptError where one is missing or damaged."""
        found: dict[Name, bytes] = {}
        missing = list(dict.fromkeys(names))
        for _ in range(_TRIES):
            if missing:
                found.update(self.at(self._places(missing)))
                missing = [name for name in missing if name not in found]
        if missing:
            raise CorruptError(what=f"segment {missing[0].hex()}", problem="it is missing")
        return found

    def items(self, names: Sequence[Name], *, bytes_max: int | None = None) -> tuple[bytes, ...]:
        """Return items as whole bodies in their order, split ones joined.

        Those that would pass `bytes_max` are left out with all behind them, but never the first.
        """
        own = self.bodies(names)
        pieces = pieces_of(own)
        if bytes_max is not None:
            sizes = (len(own[n]) + PIECE_BYTES_MAX * len(pieces.get(n, ())) for n in names)
            names = names[: _count_within(sizes, bytes_max)]
            pieces = {name: pieces[name] for name in names if name in pieces}
        if pieces:
            parts = self.bodies(piece for each in pieces.values() for piece in each)
            for name, listed in pieces.items():
                own[name] = joined([parts[piece] for piece in listed])
        return tuple(own[name] for name in names)

    def at(self, places: Mapping[Name, Place]) -> dict[Name, bytes]:
        """Return the bodies that are in these places; those that have left them are missing."""
        rows = [name for name, place in places.items() if place.block is None]
        blocks: dict[int, list[tuple[Name, int]]] = {}
        for name, place in places.items():
            if place.block is not None:
                blocks.setdefault(place.block, []).append((name, place.entry))
        return self._in_rows(rows) | self._in_blocks(blocks)

    def _places(self, names: Sequence[Name]) -> dict[Name, Place]:
        keys = [reference_key(self._tenant, name, self._digest) for name in names]
        values = self._stored.get_many(Family.REFERENCE, keys)
        return {
            name: Place.decode(value)
            for name, value in zip(names, values, strict=True)
            if value is not None
        }

    def _in_rows(self, names: Sequence[Name]) -> dict[Name, bytes]:
        if not names:
            return {}
        keys = [name_prefix(self._tenant, name) for name in names]
        frames = self._stored.get_many(Family.BODY, keys)
        unframe: Callable[[bytes], bytes] = self._codec_of(self._tenant).unframe
        self.reading.went_to("L3")
        return {
            name: unframe(frame)
            for name, frame in zip(names, frames, strict=True)
            if frame is not None
        }

    def _in_blocks(self, blocks: Mapping[int, Sequence[tuple[Name, int]]]) -> dict[Name, bytes]:
        bodies: dict[Name, bytes] = {}
        numbers = list(blocks)
        for first in range(0, len(numbers), UNPACKED_KEPT):
            some = numbers[first : first + UNPACKED_KEPT]
            found = self._found(some)
            for number in some:
                block = found.get(number) or self._put_this_round(number)
                if block is None:
                    continue
                self.reading.went_to(block.tier)
                self.reading.blocks[number] = block.packed_bytes
                for name, entry in blocks[number]:
                    bodies[name] = block.block.entry(entry)
        return bodies

    def _found(self, numbers: Sequence[int]) -> dict[int, Found]:
        """Return the blocks that are stored, in one go where their tiers may be waited for."""
        if self._from_l4:
            return self._blocks.get_many(self._tenant, numbers)
        each = ((at, self._blocks.get(self._tenant, at, from_l4=False)) for at in numbers)
        return {at: found for at, found in each if found is not None}

    def _put_this_round(self, number: int) -> Found | None:
        """Return a block that is not on the disk yet: upkeep may seal in the round of a change."""
        packed = self._stored.get(Family.BLOCK, block_key(self._tenant, number))
        if packed is None or stub_hash(packed) is not None:
            return None
        return Found(self._codec_of(self._tenant).unpack(packed), "L3", len(packed))


def _count_within(sizes: Iterable[int], bytes_max: int) -> int:
    """Return how many of the first fit; one always does."""
    fitting = sum(total <= bytes_max for total in accumulate(sizes))
    return max(1, fitting)
