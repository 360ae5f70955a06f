import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierfold.context.manifest import (
    BRANCH_PAGES,
    CHANGES_KEPT,
    HEAD_BYTES_MAX,
    NO_CHAIN,
    PAGE_NAMES,
    Change,
    Growth,
    Head,
    Shape,
    Spine,
    chained,
    emptied,
    grown,
    needs_spine,
    remembered,
)
from tierfold.context.segment import Name, SegmentKind, names_in
from tierfold.errors import CorruptError, FormatTooNewError

NAMES = st.binary(min_size=16, max_size=16).map(Name)
CHANGES = st.builds(
    Change,
    key=st.binary(min_size=8, max_size=8),
    fingerprint=st.binary(min_size=8, max_size=8),
    version=st.integers(0, 2**63 - 1),
    was_made=st.booleans(),
)
TIMES = st.integers(0, 2**52)
HEADS = st.builds(
    Head,
    id=st.from_regex(r"[A-Za-z0-9]{1,128}", fullmatch=True),
    shape=st.sampled_from(Shape),
    version=st.integers(0, 2**63),
    items=TIMES,
    size_bytes=TIMES,
    chain=st.binary(min_size=16, max_size=16),
    spine=st.none() | NAMES,
    tail=st.lists(NAMES, max_size=PAGE_NAMES - 1).map(tuple),
    about=st.none() | NAMES,
    changes=st.lists(CHANGES, max_size=CHANGES_KEPT).map(tuple),
    created_ms=TIMES,
    updated_ms=TIMES,
    ttl_ms=TIMES,
    pinned_until_ms=TIMES,
)


def names(count: int, first: int = 0) -> list[Name]:
    return [Name((first + i).to_bytes(16, "big")) for i in range(count)]


class Pages:
    """The segments of one context, as a shard would hold them."""

    def __init__(self) -> None:
        self.bodies: dict[Name, bytes] = {}
        self.head = Head(id="x", shape=Shape.MESSAGES)

    def add(self, added: list[Name]) -> Growth:
        spine = Spine()
        if self.head.spine is not None and needs_spine(self.head, len(added)):
            spine = Spine.decode(self.bodies[self.head.spine])
        growth = grown(self.head, added, size_bytes=len(added), spine=spine)
        self.head = growth.head
        self.bodies |= {each.name: each.body for each in growth.made}
        for left in growth.left:
            del self.bodies[left]
        return growth

    def all_names(self) -> list[Name]:
        pages: list[Name] = []
        if self.head.spine is not None:
            spine = Spine.decode(self.bodies[self.head.spine])
            for branch in spine.branches:
                pages += names_in(self.bodies[branch][1:])
            pages += spine.pages
        found = [name for page in pages for name in names_in(self.bodies[page][1:])]
        return [*found, *self.head.tail]


@given(HEADS)
def test_a_head_comes_back_exactly_and_is_small(head: Head) -> None:
    """The register is all that a change rewrites: 2 KiB with the envelope, whatever it holds."""
    encoded = head.encode()
    assert Head.decode(encoded) == head
    assert len(encoded) <= HEAD_BYTES_MAX - 16


@given(HEADS, st.data())
def test_a_cut_head_is_damage(head: Head, data: st.DataObject) -> None:
    """No shorter text passes for a head."""
    encoded = head.encode()
    cut = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(CorruptError):
        Head.decode(encoded[:cut])


def test_a_head_of_a_newer_format_is_refused_by_name() -> None:
    """What a newer version wrote is not guessed at."""
    encoded = bytes((99,)) + Head(id="x", shape=Shape.TEXT).encode()[1:]
    with pytest.raises(FormatTooNewError, match="a manifest has format 99"):
        Head.decode(encoded)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 200), max_size=12))
def test_all_names_are_found_in_order_after_any_appends(sizes: list[int]) -> None:
    """Pages, branches and the spine together list exactly what was added, and nothing is left."""
    pages = Pages()
    added: list[Name] = []
    for size in sizes:
        new = names(size, len(added))
        added += new
        pages.add(new)
    assert pages.all_names() == added
    assert pages.head.items == len(added)
    assert pages.head.chain == chained(NO_CHAIN, added)
    assert len(pages.head.tail) == len(added) % PAGE_NAMES


def test_branches_are_made_and_the_old_spine_is_left() -> None:
    """256 pages become a branch; the spine before is garbage from then on."""
    pages = Pages()
    count = PAGE_NAMES * BRANCH_PAGES
    pages.add(names(count - 1))
    before = pages.head.spine
    growth = pages.add(names(2, count - 1))
    kinds = [each.kind for each in growth.made]
    assert kinds == [SegmentKind.PAGE, SegmentKind.BRANCH, SegmentKind.SPINE]
    assert growth.left == (before,)
    assert pages.all_names() == names(count + 1)


def test_an_append_costs_the_same_however_long_the_context_is() -> None:
    """Between two seals nothing but the head is written; a seal writes a page and the spine."""
    pages = Pages()
    pages.add(names(100_000))
    written = [sum(len(s.body) for s in pages.add(names(1, 100_000 + i)).made) for i in range(256)]
    assert sum(written) / 256 < 100  # bytes
    assert min(written) == 0


def test_emptied_forgets_items_but_not_who_it_is() -> None:
    """Replacing a list begins from here."""
    pages = Pages()
    pages.add(names(70))
    empty = emptied(pages.head)
    assert (empty.items, empty.spine, empty.tail, empty.chain) == (0, None, (), NO_CHAIN)
    assert empty.id == pages.head.id


def test_only_the_last_changes_are_remembered() -> None:
    """32 idempotency keys are the whole memory of a context."""
    head = Head(id="x", shape=Shape.MESSAGES)
    made = [Change(key=os.urandom(8), fingerprint=b"f" * 8, version=i) for i in range(40)]
    for change in made:
        head = remembered(head, change)
    assert head.changes == tuple(made[-CHANGES_KEPT:])
    assert head.change_of(made[0].key) is None
    assert head.change_of(made[-1].key) == made[-1]
    assert remembered(head, None) is head


@pytest.mark.parametrize("body", [b"", b"\x08", b"\x06\x00\x00\x00\x00", b"\x08\x00\x00\x00\x01xy"])
def test_a_damaged_spine_is_named(body: bytes) -> None:
    """A spine that is something else or cut short never lists wrong pages."""
    with pytest.raises(CorruptError):
        Spine.decode(body)


def test_life_ends_after_the_last_change() -> None:
    """A life of zero is for ever."""
    head = Head(id="x", shape=Shape.TEXT, updated_ms=1000, ttl_ms=500)
    assert head.expires_ms == 1500
    assert Head(id="x", shape=Shape.TEXT, updated_ms=1000).expires_ms == 0
