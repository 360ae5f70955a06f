from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.unit.engine.shard.worlds import (
    TENANT,
    World,
    body_of,
    key,
    keyed,
    message,
    replacing,
)
from tierfold.context.manifest import HEAD_BYTES_MAX, Shape
from tierfold.context.segment import Item, Segment, SegmentKind, item
from tierfold.context.stored import about_segment
from tierfold.engine.shard.keys import expiry_key, split_tenant
from tierfold.engine.shard.operations import (
    Append,
    Changed,
    Create,
    Delete,
    Deleted,
    GetInfo,
    Items,
    ListContexts,
    Listed,
    Need,
    Patch,
    ReadSince,
)
from tierfold.errors import ContextExistsError, UnknownContextError, VersionConflictError
from tierfold.ports import Family

POOL = [message(f"row {n}") for n in range(150)]
POOL += [item(SegmentKind.MESSAGE, bytes((97 + n,)) * 150_000) for n in range(2)]

IDS = st.sampled_from(["a", "b", "c"])
NUMBERS = st.integers(0, len(POOL) - 1)
LISTS = st.one_of(
    st.lists(NUMBERS, max_size=4),
    st.tuples(st.integers(0, 80), st.integers(0, 70)).map(
        lambda run: list(range(run[0], run[0] + run[1]))
    ),
)
TTLS = st.sampled_from([0, 0, 50, 1000])


@dataclass
class Expected:
    """A context as a dict of Python would keep it."""

    items: list[Item]
    version: int = 1
    ttl_ms: int = 0
    updated_ms: int = 0
    about: Segment | None = None
    keys: dict[bytes, int] = field(default_factory=dict)

    def is_over(self, now_ms: int) -> bool:
        return 0 < self.ttl_ms <= now_ms - self.updated_ms

    def change(self, now_ms: int) -> None:
        self.version += 1
        self.updated_ms = now_ms


class ShardMachine(RuleBasedStateMachine):
    """Contexts change in all ways, one after another, between sealing and restarts."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.stored: dict[str, Expected] = {}  # over or not
        self.count = 0

    def present(self, id_: str) -> Expected | None:
        expected = self.stored.get(id_)
        return None if expected is None or expected.is_over(self.world.wall.ms) else expected

    @rule(id_=IDS, numbers=LISTS, ttl_ms=TTLS, title=st.sampled_from(["", "one", "two"]))
    def create(self, id_: str, numbers: Sequence[int], ttl_ms: int, title: str) -> None:
        items = tuple(POOL[n] for n in numbers)
        about = about_segment(title, {}, size_bytes_max=100)
        operation = Create(
            context=key(id_), shape=Shape.MESSAGES, items=items, about=about, ttl_ms=ttl_ms
        )
        if self.present(id_):
            self.world.fails(operation, ContextExistsError)
        else:
            self.world.get(operation, Changed)
            self.stored[id_] = Expected(
                list(items), ttl_ms=ttl_ms, updated_ms=self.world.wall.ms, about=about
            )

    @rule(id_=IDS, numbers=LISTS, is_repeated=st.booleans(), is_conflict=st.booleans())
    def append(
        self, id_: str, numbers: Sequence[int], *, is_repeated: bool, is_conflict: bool
    ) -> None:
        items = tuple(POOL[n] for n in numbers)
        expected = self.present(id_)
        self.count += 1
        word = b"%d" % self.count
        operation = Append(
            context=key(id_),
            shape=Shape.MESSAGES,
            items=items,
            keyed=keyed(word),
            if_version=99_999 if is_conflict else None,
        )
        if expected is None:
            self.world.fails(operation, UnknownContextError)
        elif is_conflict:
            self.world.fails(operation, VersionConflictError)
        else:
            changed = self.world.get(operation, Changed)
            expected.items += items
            if items:
                expected.change(self.world.wall.ms)
            expected.keys[word] = expected.version
            assert changed.info.version == expected.version
            if is_repeated:
                assert self.world.get(operation, Changed).was_made_before

    @rule(id_=IDS, numbers=LISTS, is_longer=st.booleans())
    def replace(self, id_: str, numbers: Sequence[int], *, is_longer: bool) -> None:
        expected = self.present(id_)
        items = [POOL[n] for n in numbers]
        if expected is None:
            self.world.fails(replacing(id_, items), UnknownContextError)
            return
        if is_longer:
            items = [*expected.items, *items]
        self.world.replace(id_, items)
        if items != expected.items:  # what is there already makes no version
            expected.items = items
            expected.change(self.world.wall.ms)

    @rule(id_=IDS, numbers=LISTS)
    def replace_with_nothing_sent(self, id_: str, numbers: Sequence[int]) -> None:
        items = [POOL[n] for n in numbers]
        expected = self.present(id_)
        here = {one.segment.name for each in self.stored.values() for one in each.items}
        missing = tuple(
            dict.fromkeys(one.segment.name for one in items if one.segment.name not in here)
        )
        if expected is None or not missing:
            return
        assert self.world.get(replacing(id_, items), Need).names == missing

    @rule(id_=IDS, ttl_ms=TTLS, title=st.sampled_from(["three", "four"]))
    def patch(self, id_: str, ttl_ms: int, title: str) -> None:
        about = about_segment(title, {}, size_bytes_max=100)
        operation = Patch(context=key(id_), ttl_ms=ttl_ms, about=about)
        expected = self.present(id_)
        if expected is None:
            self.world.fails(operation, UnknownContextError)
        else:
            self.world.get(operation, Changed)
            is_same = expected.about == about and expected.ttl_ms == ttl_ms == 0
            expected.ttl_ms, expected.about = ttl_ms, about
            if not is_same:  # a life begins anew
                expected.change(self.world.wall.ms)

    @rule(id_=IDS)
    def delete(self, id_: str) -> None:
        if self.present(id_) is None:
            self.world.fails(Delete(context=key(id_)), UnknownContextError)
        else:
            self.world.get(Delete(context=key(id_)), Deleted)
            del self.stored[id_]

    @rule(ms=st.sampled_from([1, 60, 2000]))
    def wait(self, ms: int) -> None:
        self.world.wall.ms += ms

    @rule()
    def seal(self) -> None:
        self.world.seal()
        now_ms = self.world.wall.ms
        self.stored = {id_: e for id_, e in self.stored.items() if not e.is_over(now_ms)}

    @rule()
    def reopen(self) -> None:
        self.world.reopen()

    @rule(id_=IDS, had=st.integers(0, 200))
    def read_since(self, id_: str, had: int) -> None:
        expected = self.present(id_)
        if expected is None or not expected.items:
            return
        head = self.world.head(id_)
        assert head is not None
        operation = ReadSince(context=key(id_), items=head.items, chain=head.chain)
        items = self.world.get(operation, Items)
        assert (items.start, items.bodies) == (head.items, ())
        start, stop = had % len(expected.items), len(expected.items)
        assert self.world.read(id_, start, stop) == [body_of(e) for e in expected.items[start:]]

    @invariant()
    def contents_are_as_expected(self) -> None:
        listed = self.world.get(ListContexts(tenant=TENANT), Listed)
        present = {id_: e for id_ in sorted(self.stored) if (e := self.present(id_))}
        assert [info.id for info in listed.contexts] == list(present)
        for id_, expected in present.items():
            info = self.world.ask(GetInfo(context=key(id_)))
            assert info in listed.contexts
            assert self.world.read(id_) == [body_of(each) for each in expected.items]

    @invariant()
    def references_are_what_the_heads_lead_to(self) -> None:
        needed = set()
        for id_, expected in self.stored.items():
            names = self.world.reachable(id_, expected.items, expected.about)
            assert self.world.references(id_) == names
            needed |= names
            head = self.world.head(id_)
            assert head is not None
            assert head.version == expected.version
            assert len(head.encode()) <= HEAD_BYTES_MAX
        rows = {split_tenant(each)[1] for each, _ in self.world.values.scan(Family.BODY, b"")}
        assert rows <= needed
        assert self.world.count(Family.HEAD) == len(self.stored)
        assert self.world.count(Family.CATALOGUE) == len(self.stored)

    @invariant()
    def every_end_has_its_key(self) -> None:
        ends = {
            expiry_key(e.updated_ms + e.ttl_ms, TENANT, key(id_).digest)
            for id_, e in self.stored.items()
            if e.ttl_ms
        }
        assert {each for each, _ in self.world.values.scan(Family.EXPIRY, b"")} == ends


TestShardMachine = ShardMachine.TestCase
TestShardMachine.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
