import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from tierfold.config import RetentionRule, Settings, TierSettings
from tierfold.context.identity import ContextKey
from tierfold.context.manifest import Head, Shape, Spine, grown
from tierfold.context.segment import Item, Segment, SegmentKind, item, joined, names_in
from tierfold.context.stored import ContextInfo, about_of
from tierfold.engine.clock import FakeClock
from tierfold.engine.shard.blocks import Blocks, ObjectSource
from tierfold.engine.shard.encoding import encoded
from tierfold.engine.shard.keys import (
    catalogue_key,
    expiry_key,
    head_key,
    name_prefix,
    outbox_context_key,
    reference_key,
)
from tierfold.engine.shard.upkeep.bodies import StoredBodies
from tierfold.engine.shard.upkeep.reach import reachable, structure
from tierfold.engine.shard.upkeep.steps import DirectCommits
from tierfold.engine.shard.upkeep.training import Dictionaries
from tierfold.engine.shard.upkeep.upkeep import Upkeep, UpkeepParts
from tierfold.engine.shard.view import Stored
from tierfold.engine.working import SharedFolder
from tierfold.errors import UnknownContextError
from tierfold.ports import Batch, Family, KeyValues, Objects
from tierfold.storage.memory import MemoryKeyValues, MemoryObjects

OWNER = b"owner of objects"
TENANT = "acme"


@dataclass(slots=True)
class Wall:
    ms: int = 1_000_000

    def unix_ms(self) -> int:
        return self.ms


def message(text: str, role: str = "user") -> Item:
    return item(SegmentKind.MESSAGE, f'{{"content":"{text}","role":"{role}"}}'.encode())


@dataclass
class World:
    """A database with contexts, written the way a shard writes them, and its upkeep."""

    values: KeyValues = field(default_factory=MemoryKeyValues)
    objects: Objects | None = field(default_factory=MemoryObjects)
    tiers: TierSettings = field(default_factory=TierSettings)
    folder: Path | None = None
    is_cpu_pressed: bool = False
    rules: tuple[RetentionRule, ...] | Callable[[], tuple[RetentionRule, ...]] = ()

    def __post_init__(self) -> None:
        self.wall = Wall()
        self.clock = FakeClock()
        self.commits = DirectCommits(self.values)
        self.dictionaries = Dictionaries(self.values)
        codec_of = self.dictionaries.codec_of
        self.source = ObjectSource(objects=self.objects, owner=OWNER) if self.objects else None
        self.blocks = Blocks(self.values, codec_of=codec_of, bytes_max=1 << 20, source=self.source)
        self.bodies = StoredBodies(self.values, codec_of, source=self.source)
        self.shared = None
        if self.folder is not None:
            self.shared = SharedFolder(self.folder, bytes_max=self.tiers.l1_bytes_max)
        self.upkeep = Upkeep(
            UpkeepParts(
                values=self.values,
                commits=self.commits,
                dictionaries=self.dictionaries,
                blocks=self.blocks,
                source=self.source,
                folder=self.shared,
                load=self.load,
                info=lambda tenant, digest: self.load(tenant, digest)[0],
                load_blocks=self.load_blocks,
                remove=lambda tenant, head: partial(self.remove, tenant=tenant, head=head),
                settings=Settings(tiers=self.tiers),
                clock=self.clock,
                wall=self.wall,
                dice=random.Random(1),
                is_cpu_pressed=lambda: self.is_cpu_pressed,
                retention=lambda: self.rules() if callable(self.rules) else self.rules,
            )
        )

    def put(
        self,
        id: str,  # noqa: A002  # the word callers know
        items: Sequence[Item],
        *,
        ttl_ms: int = 0,
        about: Segment | None = None,
        tenant: str = TENANT,
    ) -> None:
        """Make a context exactly this."""
        self.commits.run(
            lambda view, batch: self._put(view, batch, ContextKey(tenant, id), items, about, ttl_ms)
        )

    def delete(self, id: str, tenant: str = TENANT) -> None:  # noqa: A002  # as above
        """Delete a context."""
        head = self.head(id, tenant)
        assert head is not None
        self.commits.run(lambda view, batch: self.remove(view, batch, tenant, head))
        self.upkeep.was_deleted(tenant, ContextKey(tenant, id).digest)

    def head(self, id: str, tenant: str = TENANT) -> Head | None:  # noqa: A002  # as above
        """Return a context's head."""
        key = head_key(tenant, ContextKey(tenant, id).digest)
        stored = self.values.get(Family.HEAD, key)
        return None if stored is None else Head.decode(stored)

    def read(self, id: str, tenant: str = TENANT) -> list[bytes]:  # noqa: A002  # as above
        """Return the bodies of a context's items, split ones joined."""
        _, bodies = self.load(tenant, ContextKey(tenant, id).digest)
        return bodies

    def load(self, tenant: str, digest: bytes) -> tuple[ContextInfo, list[bytes]]:
        """Return a context with its bodies."""
        stored = self.values.get(Family.HEAD, head_key(tenant, digest))
        if stored is None:
            raise UnknownContextError(digest.hex())
        head = Head.decode(stored)
        about = about_of(None if head.about is None else self.bodies.body(tenant, head.about))
        names = [
            name
            for _, items in structure(head, lambda each: self.bodies.body(tenant, each))
            for name in items
        ]
        whole = []
        for name in (*names, *head.tail):
            body = self.bodies.body(tenant, name)
            if body[0] == SegmentKind.SPLIT:
                body = joined([self.bodies.body(tenant, each) for each in names_in(body[1:])])
            whole.append(body)
        return ContextInfo(head=head, about=about), whole

    def load_blocks(self, tenant: str, digest: bytes) -> dict[int, int]:
        """Bring the blocks of a context to memory."""
        del digest
        found = {number: self.blocks.get(tenant, number) for number in range(8)}
        return {number: each.packed_bytes for number, each in found.items() if each}

    def remove(self, view: Stored, batch: Batch, tenant: str, head: Head) -> None:
        """Put the deletion of a context into a batch."""
        digest = ContextKey(tenant, head.id).digest
        for name in set(reachable(head, lambda each: self.bodies.body(tenant, each))):
            self._leave(view, batch, reference_key(tenant, name, digest))
        batch.delete(Family.HEAD, head_key(tenant, digest))
        batch.delete(Family.CATALOGUE, catalogue_key(tenant, head.id))
        batch.delete(Family.EXPIRY, expiry_key(head.expires_ms, tenant, digest))
        self._tell_l4(batch, tenant, digest, b"")

    def sealed(self) -> None:
        """Seal everything that is in rows."""
        self.upkeep.seal()

    def idle(self, ms: int = 60_000) -> None:
        """Let time pass and all that is due be done."""
        self.wall.ms += ms
        self.clock.advance(ms)
        self.upkeep.step(1.0)
        self.upkeep.patient.step(1.0)

    def objects_with(self, part: str) -> list[str]:
        """Return the keys in L4 that hold a word."""
        assert self.objects is not None
        return [key for key in self.objects.keys("") if part in key]

    def count(self, family: Family, prefix: bytes = b"") -> int:
        """Return the number of keys."""
        return sum(1 for _ in self.values.scan(family, prefix))

    def audit(self) -> list[str]:
        """Return what an audit finds."""
        return [f"{each.kind} {each.detail}" for each in self.upkeep.audit().findings]

    def _put(
        self,
        view: Stored,
        batch: Batch,
        key: ContextKey,
        items: Sequence[Item],
        about: Segment | None,
        ttl_ms: int,
    ) -> None:
        tenant, digest = key.tenant, key.digest
        old = self.head(key.id, tenant)
        before = set(reachable(old, lambda each: self.bodies.body(tenant, each))) if old else set()
        begun = Head(
            id=key.id, shape=Shape.MESSAGES, about=about.name if about else None, ttl_ms=ttl_ms
        )
        begun = replace(begun, version=old.version + 1 if old else 1, updated_ms=self.wall.ms)
        names = [each.segment.name for each in items]
        size_bytes = sum(each.size_bytes for each in items)
        growth = grown(begun, names, size_bytes=size_bytes, spine=Spine())
        segments = [each for one in items for each in one.segments()]
        segments += [*growth.made, *([about] if about else [])]
        codec = self.dictionaries.codec_of(tenant)
        for each in segments:
            found = next(view.scan(Family.REFERENCE, name_prefix(tenant, each.name)), None)
            place = b"" if found is None else found[1]
            batch.put(Family.REFERENCE, reference_key(tenant, each.name, digest), place)
            if not place:
                (frame,) = encoded([Item(each)], codec).frames.values()
                batch.put(Family.BODY, name_prefix(tenant, each.name), frame)
        for name in before - {each.name for each in segments}:
            self._leave(view, batch, reference_key(tenant, name, digest))
        head = growth.head
        batch.put(Family.HEAD, head_key(tenant, digest), head.encode())
        batch.put(Family.CATALOGUE, catalogue_key(tenant, key.id), b"")
        if old is not None:
            batch.delete(Family.EXPIRY, expiry_key(old.expires_ms, tenant, digest))
        if head.expires_ms:
            batch.put(Family.EXPIRY, expiry_key(head.expires_ms, tenant, digest), b"")
        self._tell_l4(batch, tenant, digest, head.version.to_bytes(8, "big"))
        self.upkeep.was_changed(tenant, digest, row_bytes=1000 * len(items), leaves=bool(before))

    def _leave(self, view: Stored, batch: Batch, key: bytes) -> None:
        prefix = key[:-8]
        others = [each for each, _ in view.scan(Family.REFERENCE, prefix) if each != key]
        batch.delete(Family.REFERENCE, key)
        if not others:
            batch.delete(Family.BODY, prefix)

    def _tell_l4(self, batch: Batch, tenant: str, digest: bytes, state: bytes) -> None:
        if self.objects is not None:
            batch.put(Family.OUTBOX, outbox_context_key(tenant, digest), state)
