"""What a context needs of L4: the blocks its bodies are in."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tierfold.compression.lossless import block_hash
from tierfold.context.manifest import Head
from tierfold.context.segment import Name, pieces_in
from tierfold.engine.shard.keys import block_key, stub_hash
from tierfold.engine.shard.upkeep.bodies import StoredBodies
from tierfold.engine.shard.upkeep.reach import structure
from tierfold.errors import CorruptError
from tierfold.ports import Family, KeyValues

PAGES_REMEMBERED = 16_384  # a million items: their bodies are not read again for every append
HASHES_REMEMBERED = 16_384


@dataclass(slots=True)
class Needs:
    """Where the bodies of a context are."""

    blocks: dict[int, None] = field(default_factory=dict)  # numbers, in the order of the items
    rows: list[Name] = field(default_factory=list)  # bodies that are in no block yet


class Manifests:
    """Finds out what contexts need; remembers what cannot change: pages and blocks."""

    def __init__(self, values: KeyValues, bodies: StoredBodies) -> None:
        self._values = values
        self._bodies = bodies
        self._pieces: OrderedDict[tuple[str, Name], tuple[Name, ...]] = OrderedDict()
        self._hashes: OrderedDict[tuple[str, int], bytes] = OrderedDict()

    def needs(self, tenant: str, head: Head) -> Needs:
        """Return where all that a head leads to is; raises CorruptError where it is nowhere."""
        needs = Needs()
        for name in self._names(tenant, head):
            place = self._bodies.place(tenant, name)
            if place is None:
                raise CorruptError(what=f"segment {name.hex()}", problem="it is missing")
            if place.block is None:
                needs.rows.append(name)
            else:
                needs.blocks[place.block] = None
        return needs

    def hash_of(self, tenant: str, number: int) -> bytes | None:
        """Return the hash of a block; None for one that is gone."""
        known = self._hashes.get((tenant, number))
        if known is not None:
            return known
        value = self._values.get(Family.BLOCK, block_key(tenant, number))
        if value is None:
            return None
        hashed = self._hashes[tenant, number] = stub_hash(value) or block_hash(value)
        if len(self._hashes) > HASHES_REMEMBERED:
            self._hashes.popitem(last=False)
        return hashed

    def _names(self, tenant: str, head: Head) -> Iterator[Name]:
        if head.about is not None:
            yield head.about
        for name, items in structure(head, lambda each: self._bodies.body(tenant, each)):
            yield name
            yield from items
            if items:
                yield from self._pieces_under(tenant, name, items)
        yield from head.tail
        yield from self._pieces_among(tenant, head.tail)

    def _pieces_under(self, tenant: str, page: Name, items: Sequence[Name]) -> tuple[Name, ...]:
        """Return the pieces of a page's items; a page is what its name says, so once is enough."""
        pieces = self._pieces.get((tenant, page))
        if pieces is None:
            pieces = self._pieces[tenant, page] = tuple(self._pieces_among(tenant, items))
            if len(self._pieces) > PAGES_REMEMBERED:
                self._pieces.popitem(last=False)
        return pieces

    def _pieces_among(self, tenant: str, items: Sequence[Name]) -> Iterator[Name]:
        for item in items:
            yield from pieces_in(self._bodies.body(tenant, item))
