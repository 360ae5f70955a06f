"""The parts of a shard that changes and reads share."""

from collections.abc import Callable
from dataclasses import dataclass

from tierfold.config import StoreLimits
from tierfold.context.manifest import Head
from tierfold.context.stored import ContextInfo
from tierfold.engine.shard.blocks import Blocks, CodecOf
from tierfold.engine.shard.bodies import Bodies
from tierfold.engine.shard.change import ChangeParts, Waiting
from tierfold.engine.shard.changing import removal
from tierfold.engine.shard.committer import Committer
from tierfold.engine.shard.heads import Heads
from tierfold.engine.shard.listing import Listing
from tierfold.engine.shard.reading import Read, Reader, ReaderParts, SharedSets
from tierfold.engine.shard.view import Stored
from tierfold.ports import Batch, Clock, KeyValues, WallClock


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreParts:
    """What a shard works on."""

    values: KeyValues
    committer: Committer
    blocks: Blocks
    codec_of: CodecOf
    limits: StoreLimits
    wall: WallClock
    clock: Clock
    has_l4: bool = False
    shared: SharedSets | None = None  # None: there is no L1
    waiting: Waiting | None = None  # None: there is no search index


class Core:
    """Changes and reads of one shard, and what upkeep borrows from them."""

    def __init__(self, parts: CoreParts, *, was_read: Callable[[Read], None]) -> None:
        self.parts = parts
        heads = Heads()
        self.bodies = bodies = Bodies(parts.blocks, parts.codec_of)
        self.change_parts = ChangeParts(
            bodies=bodies,
            heads=heads,
            codec_of=parts.codec_of,
            wall=parts.wall,
            limits=parts.limits,
            has_l4=parts.has_l4,
            waiting=parts.waiting,
        )
        self.reader = Reader(
            ReaderParts(
                settled=parts.committer.settled,
                bodies=bodies,
                heads=heads,
                wall=parts.wall,
                shared=parts.shared,
                was_read=was_read,
            )
        )
        self.listing = Listing(parts.committer.settled, self.reader)

    def load(self, tenant: str, digest: bytes) -> tuple[ContextInfo, tuple[bytes, ...]]:
        """Return a context's state now and the bodies of its items; counts as no read."""
        return self.reader.whole(tenant, digest)

    def remove(self, tenant: str, head: Head) -> Callable[[Stored, Batch], None]:
        """Return the step that deletes a context as it stands, for upkeep."""
        return removal(self.change_parts, tenant, head, self.parts.values)
