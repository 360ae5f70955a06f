import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from tierfold.config import Settings, StoreLimits, TierSettings
from tierfold.context.identity import ContextKey
from tierfold.context.manifest import Head, Shape
from tierfold.context.segment import Item, Name, Segment, SegmentKind, item
from tierfold.engine.clock import FakeClock
from tierfold.engine.shard.assembled import OpenShard, ShardParts
from tierfold.engine.shard.keys import head_key, split_reference
from tierfold.engine.shard.names import reach_of
from tierfold.engine.shard.operations import (
    Append,
    Audit,
    Changed,
    Create,
    Delete,
    Deleted,
    Items,
    Keyed,
    Need,
    Operation,
    ReadItems,
    Replace,
    Result,
)
from tierfold.engine.working import SharedFolder
from tierfold.errors import TierfoldError
from tierfold.ports import Family, KeyValues, Objects
from tierfold.storage.memory import MemoryKeyValues

TENANT = "acme"

T = TypeVar("T")


@dataclass(slots=True)
class Wall:
    ms: int = 1_000_000

    def unix_ms(self) -> int:
        return self.ms


def message(text: str) -> Item:
    return item(SegmentKind.MESSAGE, f'{{"content":"{text}","role":"user"}}'.encode())


def body_of(one: Item) -> bytes:
    """Return an item's whole body, as reads bring it back."""
    if one.pieces:
        return b"".join(piece.body[1:] for piece in one.pieces)
    return one.segment.body


def key(id_: str, tenant: str = TENANT) -> ContextKey:
    return ContextKey(tenant, id_)


def keyed(word: bytes, request: bytes = b"request!") -> Keyed:
    return Keyed(key=word.ljust(8)[:8], fingerprint=request)


@dataclass
class World:
    """A shard whose upkeep runs only when a test says so."""

    values: KeyValues = field(default_factory=MemoryKeyValues)
    objects: Objects | None = None
    tiers: TierSettings = field(default_factory=TierSettings)
    store: StoreLimits = field(default_factory=StoreLimits)
    folder: SharedFolder | None = None
    has_search: bool = False

    def __post_init__(self) -> None:
        self.wall = Wall()
        self.clock = FakeClock(step_ms=1.0)
        self.reopen()

    def reopen(self) -> None:
        """Begin anew with what is stored."""
        self.shard = OpenShard(
            ShardParts(
                values=self.values,
                settings=replace(Settings(), tiers=self.tiers, store=self.store),
                wall=self.wall,
                clock=self.clock,
                dice=random.Random(1),
                objects=self.objects,
                folder=self.folder,
                has_search=self.has_search,
            )
        )

    def ask(self, operation: Operation) -> Result:
        """Return the one result of one operation."""
        (result,) = self.shard.call([operation])
        return result

    def get(self, operation: Operation, kind: type[T]) -> T:
        """Return the result, which must be of this kind."""
        result = self.ask(operation)
        assert isinstance(result, kind), result
        return result

    def fails(self, operation: Operation, kind: type[T]) -> T:
        """Return the error that an operation ends with."""
        assert issubclass(kind, TierfoldError)
        return self.get(operation, kind)

    def create(self, id_: str, items: Sequence[Item] = (), **fields: object) -> Changed:
        operation = Create(context=key(id_), shape=Shape.MESSAGES, items=tuple(items))
        return self.get(replace(operation, **fields), Changed)  # type: ignore[arg-type]

    def append(self, id_: str, *items: Item, **fields: object) -> Changed:
        operation = Append(context=key(id_), shape=Shape.MESSAGES, items=items)
        return self.get(replace(operation, **fields), Changed)  # type: ignore[arg-type]

    def replace(self, id_: str, items: Sequence[Item], **fields: object) -> Changed:
        """Make the list these items, sending what is needed as a caller would."""
        operation = replacing(id_, items)
        result = self.ask(replace(operation, **fields))  # type: ignore[arg-type]
        if isinstance(result, Need):
            sent = tuple(one for one in items if one.segment.name in result.names)
            result = self.ask(replace(operation, items=sent, **fields))  # type: ignore[arg-type]
        assert isinstance(result, Changed), result
        return result

    def delete(self, id_: str) -> None:
        self.get(Delete(context=key(id_)), Deleted)

    def read(self, id_: str, start: int = 0, stop: int | None = None) -> list[bytes]:
        """Return bodies of a context's items."""
        operation = ReadItems(context=key(id_), start=start, stop=stop)
        return list(self.get(operation, Items).bodies)

    def seal(self) -> None:
        """Put all rows into blocks."""
        self.wall.ms += self.tiers.seal_age_ms
        self.clock.advance(1e6)
        while self.shard.upkeep.step(1e9) or self.shard.upkeep.patient.step(1e9):
            pass

    def head(self, id_: str) -> Head | None:
        """Return a head as it is stored, over or not."""
        data = self.values.get(Family.HEAD, head_key(TENANT, key(id_).digest))
        return None if data is None else Head.decode(data)

    def count(self, family: Family, prefix: bytes = b"") -> int:
        """Return the number of keys."""
        return sum(1 for _ in self.values.scan(family, prefix))

    def references(self, id_: str) -> set[Name]:
        """Return the names a context refers to."""
        digest = key(id_).digest
        found = (split_reference(each) for each, _ in self.values.scan(Family.REFERENCE, b""))
        return {name for _, name, owner in found if owner == digest}

    def reachable(self, id_: str, known: Sequence[Item], about: Segment | None = None) -> set[Name]:
        """Return the names that a context's head leads to, if it holds only these items."""
        head = self.head(id_)
        assert head is not None
        context = key(id_)
        reader = self.shard.core.bodies.reader(self.values, TENANT, context.digest)
        reach = reach_of(head, reader.bodies)
        items = {one.segment.name: one for one in known}
        names = {each.name for name in reach.items for each in items[name].segments()}
        return names | set(reach.structure) | ({about.name} if about else set())

    def findings(self) -> list[str]:
        """Return what an audit finds."""
        report = self.ask(Audit())
        return [f"{each.kind} {each.what} {each.detail}" for each in report.findings]  # type: ignore[union-attr]


def replacing(id_: str, items: Sequence[Item], *, sent: Sequence[Item] = ()) -> Replace:
    """Return the operation that makes the list these items."""
    return Replace(
        context=key(id_),
        shape=Shape.MESSAGES,
        names=tuple(one.segment.name for one in items),
        items=tuple(sent),
        size_bytes=sum(one.size_bytes for one in items),
    )
