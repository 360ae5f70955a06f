from collections.abc import Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tierfold.context.manifest import BRANCH_PAGES, PAGE_NAMES, Head, Shape, Spine, grown
from tierfold.context.segment import Name, name_of
from tierfold.engine.shard.names import all_names, names_between, reach_of
from tierfold.errors import CorruptError

LONG = PAGE_NAMES * BRANCH_PAGES  # a branch full
NAMES = [name_of(b"%d" % n) for n in range(2 * LONG + 5000)]


class Pages:
    """Reads bodies of pages and remembers which."""

    def __init__(self, count: int) -> None:
        begun = Head(id="a", shape=Shape.MESSAGES)
        growth = grown(begun, NAMES[:count], size_bytes=0, spine=Spine())
        self.head = growth.head
        self.stored = {each.name: each.body for each in growth.made}
        self.read: set[Name] = set()

    def __call__(self, names: Iterable[Name]) -> dict[Name, bytes]:
        found = {name: self.stored[name] for name in names}
        self.read |= found.keys()
        return found


WORLDS = [Pages(count) for count in (0, 63, 64, 1000, LONG, LONG + 130, 2 * LONG + 5000)]


@given(
    pages=st.sampled_from(WORLDS), start=st.integers(0, len(NAMES)), count=st.integers(0, 20_000)
)
@example(pages=WORLDS[5], start=LONG - 1, count=2)
def test_names_of_a_range_are_those_of_the_list(pages: Pages, start: int, count: int) -> None:
    """Branches, loose pages and the tail are one list to whoever reads it."""
    items = pages.head.items
    start = min(start, items)
    stop = min(start + count, items)

    assert list(names_between(pages.head, start, stop, pages)) == NAMES[start:stop]


def test_a_short_range_reads_the_way_to_it_and_no_more() -> None:
    """One page of a long list is the spine, one branch and the page itself."""
    pages = Pages(2 * LONG + 5000)
    names_between(pages.head, LONG + 70, LONG + 100, pages)
    assert len(pages.read) == 3
    pages.read.clear()
    names_between(pages.head, pages.head.items - 5, pages.head.items, pages)
    assert len(pages.read) == 0


def test_all_names_and_all_structure_are_reached() -> None:
    """What a change leaves behind is everything a head leads to, each name once found."""
    for pages in WORLDS:
        names = NAMES[: pages.head.items]
        reach = reach_of(pages.head, pages)

        assert [name for run in all_names(pages.head, pages) for name in run] == names
        assert list(reach.items) == names
        assert set(reach.structure) == pages.stored.keys()


def test_a_spine_with_too_few_pages_is_damage() -> None:
    """A list that would come out shorter than the head says is no answer."""
    pages = Pages(1000)
    other = Pages(64)
    pages.stored[pages.head.spine] = other.stored[other.head.spine]  # type: ignore[index]
    with pytest.raises(CorruptError, match="pages"):
        names_between(pages.head, 900, 910, pages)
