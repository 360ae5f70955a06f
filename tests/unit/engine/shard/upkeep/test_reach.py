from tierfold.context.manifest import BRANCH_PAGES, PAGE_NAMES, Head, Shape, Spine, grown
from tierfold.context.segment import Name, SegmentKind, item, name_of, pieces_in, segment
from tierfold.engine.shard.upkeep.reach import newest_first, reachable, structure

COUNT = PAGE_NAMES * BRANCH_PAGES + PAGE_NAMES * 3 + 7
ITEMS = [segment(SegmentKind.TEXT, b"%d" % n) for n in range(COUNT)]
GROWTH = grown(
    Head(id="a", shape=Shape.TEXT, about=name_of(b"about")),
    [each.name for each in ITEMS],
    size_bytes=0,
    spine=Spine(),
)
BODIES = {each.name: each.body for each in (*ITEMS, *GROWTH.made)}


def test_every_name_is_reached_once_in_order() -> None:
    """Branches, pages and the tail lead to all items, whatever the length."""
    items = [*structure(GROWTH.head, BODIES.__getitem__)]
    listed = [name for _, names in items for name in names] + [*GROWTH.head.tail]

    assert listed == [each.name for each in ITEMS]
    assert {name for name, _ in items} == {each.name for each in GROWTH.made}
    reached = set(reachable(GROWTH.head, BODIES.__getitem__))
    assert reached == {*BODIES, name_of(b"about")}


def test_the_newest_come_first() -> None:
    """Runs from the end of the list, each in its own order, make up the whole list."""
    runs = list(newest_first(GROWTH.head, BODIES.__getitem__))

    assert [name for run in reversed(runs) for name in run] == [each.name for each in ITEMS]


def test_pieces_are_reached_through_their_item() -> None:
    """A large item leads to its pieces; other items lead nowhere."""
    large = item(SegmentKind.TEXT, b"x" * 200_000)
    bodies = {each.name: each.body for each in large.segments()}
    head = grown(
        Head(id="a", shape=Shape.TEXT), [large.segment.name], size_bytes=0, spine=Spine()
    ).head

    assert set(reachable(head, bodies.__getitem__)) == set(bodies)
    assert pieces_in(b"\x03text") == ()
    assert list(reachable(Head(id="b", shape=Shape.TEXT), dict[Name, bytes]().__getitem__)) == []
