"""Bodies as upkeep reads them: past the caches, so that no request's blocks are pushed out."""

from collections import OrderedDict

from tierfold.compression.lossless import Block, Codec
from tierfold.context.segment import Name, name_of
from tierfold.engine.shard.blocks import CodecOf, ObjectSource
from tierfold.engine.shard.keys import Place, block_key, name_prefix, stub_hash
from tierfold.errors import CorruptError
from tierfold.ports import Family, KeyValues

BLOCKS_KEPT = 32  # unpacked, 2 MB: a conversation lies in as many as were sealed with it


class StoredBodies:
    """Reads bodies and blocks from the disk, and from L4 where the disk has only a stub.

    For one thread; make another one for another thread.
    """

    def __init__(
        self, values: KeyValues, codec_of: CodecOf, *, source: ObjectSource | None
    ) -> None:
        self._values = values
        self._codec_of = codec_of
        self._source = source
        self._unpacked: OrderedDict[tuple[str, int], Block] = OrderedDict()

    def codec_of(self, tenant: str) -> Codec:
        """Return the codec with a tenant's dictionaries."""
        return self._codec_of(tenant)

    def packed(self, tenant: str, number: int) -> bytes | None:
        """Return a block's bytes, wherever they are; None for a block that is gone."""
        value = self._values.get(Family.BLOCK, block_key(tenant, number))
        hashed = None if value is None else stub_hash(value)
        return value if hashed is None else self.from_l4(tenant, hashed)

    def from_l4(self, tenant: str, hashed: bytes) -> bytes:
        """Return a block from L4; raises CorruptError where that has it not, or not as it was."""
        if self._source is None:
            problem = "only L4 has it, and no object store is set up"
            raise CorruptError(what=f"block {hashed.hex()}", problem=problem)
        return self._source.block(tenant, hashed)

    def unpacked(self, tenant: str, number: int) -> Block | None:
        """Return a block's bodies; None for a block that is gone."""
        block = self._unpacked.get((tenant, number))
        if block is None:
            data = self.packed(tenant, number)
            if data is None:
                return None
            block = self._unpacked[tenant, number] = self._codec_of(tenant).unpack(data)
            if len(self._unpacked) > BLOCKS_KEPT:
                self._unpacked.popitem(last=False)
        return block

    def clear(self) -> None:
        """Read every block anew next time."""
        self._unpacked.clear()

    def forget(self, tenant: str, number: int) -> None:
        """Read a block anew next time."""
        self._unpacked.pop((tenant, number), None)

    def row(self, tenant: str, name: Name) -> bytes | None:
        """Return the body that has a row of its own; None where there is no such row."""
        frame = self._values.get(Family.BODY, name_prefix(tenant, name))
        return None if frame is None else self._codec_of(tenant).unframe(frame)

    def place(self, tenant: str, name: Name) -> Place | None:
        """Return where a body is; None where nothing refers to it."""
        found = next(self._values.scan(Family.REFERENCE, name_prefix(tenant, name)), None)
        return None if found is None else Place.decode(found[1])

    def body(self, tenant: str, name: Name) -> bytes:
        """Return a body; raises CorruptError where it is missing or not what its name says."""
        body = self._looked_up(tenant, name)
        if body is None:
            body = self._looked_up(tenant, name)  # it may have moved between the two reads
        if body is None:
            raise CorruptError(what=f"segment {name.hex()}", problem="it is missing")
        if name_of(body) != name:
            raise CorruptError(what=f"segment {name.hex()}", problem="its content is another")
        return body

    def _looked_up(self, tenant: str, name: Name) -> bytes | None:
        place = self.place(tenant, name)
        if place is None:
            return None
        if place.block is None:
            return self.row(tenant, name)
        block = self.unpacked(tenant, place.block)
        return None if block is None else block.entry(place.entry)
