import pytest

from tierfold.memory.hierarchy import (
    Hierarchy,
    HierarchySettings,
    Ledger,
    LevelSettings,
    Move,
    Request,
)
from tierfold.memory.policies import Key, Lru, S3Fifo


def built(*limits: int, high: float = 0.0) -> tuple[Hierarchy, Ledger]:
    levels = tuple(LevelSettings(name=f"L{at}", bytes_max=limit) for at, limit in enumerate(limits))
    hierarchy = Hierarchy(HierarchySettings(levels=levels), build=Lru)
    return hierarchy, Ledger(hierarchy, bytes_max=limits, high_watermark=high)


def read(hierarchy: Hierarchy, *keys: Key) -> None:
    hierarchy.access(Request(keys=keys, sizes=[10] * len(keys)), 0.0)


def carry_out(ledger: Ledger) -> list[Move]:
    taken = ledger.take(moves_max=100, bytes_max=1_000)
    for move in taken:
        ledger.confirm(move)
    return taken


def test_a_key_lies_where_it_was_until_its_move_is_confirmed() -> None:
    """What was decided is not done: a reader must look where the bytes are."""
    hierarchy, ledger = built(10, 10)
    read(hierarchy, "a")
    ledger.collect()
    assert (hierarchy.place("a"), ledger.lies("a"), ledger.size_bytes(0)) == (0, 2, 0)

    [move] = ledger.take(moves_max=9, bytes_max=10)
    assert (ledger.lies("a"), ledger.under_way_bytes, len(ledger)) == (2, 10, 1)
    ledger.confirm(move)
    assert (ledger.lies("a"), ledger.size_bytes(0), len(ledger)) == (0, 10, 0)


def test_several_moves_of_a_key_become_one() -> None:
    """A key on its way down that is read again is not moved at all."""
    hierarchy, ledger = built(10, 10)
    read(hierarchy, "a", "b")
    assert {move[0]: move[2:] for move in carry_out(ledger)} == {"a": (2, 1), "b": (2, 0)}

    read(hierarchy, "a", "b")
    assert carry_out(ledger) == []


def test_ways_down_go_first_and_only_from_a_level_that_is_pressed() -> None:
    """Between the marks nothing moves down; above the high one, room is made before it is used."""
    levels = (LevelSettings(name="L0", bytes_max=20), LevelSettings(name="L1", bytes_max=20))
    hierarchy = Hierarchy(HierarchySettings(levels=levels), build=Lru)
    ledger = Ledger(hierarchy, bytes_max=(40, 100), high_watermark=0.75)
    read(hierarchy, "a", "b", "c")
    assert {move.key: move[2:] for move in carry_out(ledger)}["a"] == (2, 1)
    read(hierarchy, "d")
    assert [move.key for move in carry_out(ledger)] == ["d"]
    assert (ledger.lies("b"), hierarchy.place("b"), ledger.size_bytes(0)) == (0, 1, 30)

    read(hierarchy, "e")
    assert [move.key for move in carry_out(ledger)] == ["b", "c", "e"]
    assert ledger.size_bytes(0) == 20


def test_the_lowest_level_makes_room_first() -> None:
    """What comes down from above finds room; nothing is over its limit meanwhile."""
    hierarchy, ledger = built(10, 10)
    read(hierarchy, "a")
    carry_out(ledger)
    read(hierarchy, "b")
    carry_out(ledger)
    read(hierarchy, "c")

    assert [move[0] for move in carry_out(ledger)] == ["a", "b", "c"]


def test_no_more_is_under_way_than_may_be() -> None:
    """In moves and in bytes; one that alone is too large goes when nothing else does."""
    hierarchy, ledger = built(100, 100)
    read(hierarchy, *"abcd")

    assert len(ledger.take(moves_max=1, bytes_max=5)) == 1
    assert ledger.take(moves_max=9, bytes_max=15) == []
    assert len(ledger.take(moves_max=1, bytes_max=100)) == 1
    assert ledger.under_way_bytes == 20


def test_a_move_that_failed_leaves_the_key_where_it_was() -> None:
    """From below, it is below still; from a level, it is in that level's order again."""
    hierarchy, ledger = built(10, 20)
    read(hierarchy, "a")
    [move] = ledger.take(moves_max=9, bytes_max=100)
    ledger.confirm(move, is_done=False)
    assert hierarchy.place("a") == ledger.lies("a") == 2

    read(hierarchy, "a")
    carry_out(ledger)
    read(hierarchy, "b")
    down = next(move for move in ledger.take(moves_max=9, bytes_max=100) if move.key == "a")
    ledger.confirm(down, is_done=False)
    assert hierarchy.place("a") == ledger.lies("a") == 0
    assert hierarchy.place("b") == 1


def test_what_was_decided_while_a_move_was_under_way_comes_next() -> None:
    """One move of a key at a time; the last decision holds, whether the first was done or not."""
    for is_done, source in ((True, 1), (False, 0)):
        hierarchy, ledger = built(10, 20)
        read(hierarchy, "a")
        carry_out(ledger)
        read(hierarchy, "b")
        down = next(move for move in ledger.take(moves_max=9, bytes_max=100) if move.key == "a")
        hierarchy.forget(["b"])
        ledger.forget(["b"])
        hierarchy.supersede(["a"])
        ledger.confirm(down, is_done=is_done)

        assert ledger.lies("a") == source
        [move] = carry_out(ledger)
        assert move == Move("a", 10, source, 2)


def test_a_key_that_was_deleted_is_moved_by_nobody() -> None:
    """Its move may still be confirmed, and that changes nothing."""
    hierarchy, ledger = built(20, 10)
    read(hierarchy, "a", "b")
    [move] = ledger.take(moves_max=1, bytes_max=100)
    hierarchy.forget(["a", "b"])
    ledger.forget(["a", "b"])
    ledger.confirm(move)

    assert len(ledger) == ledger.under_way_bytes == ledger.size_bytes(0) == 0
    assert carry_out(ledger) == []


@pytest.mark.parametrize("build", [None, Lru, S3Fifo], ids=["shared", "lru", "s3fifo"])
def test_a_move_that_is_taken_back_is_ranked_again(build: type[Lru] | None) -> None:
    """Whatever orders the levels, a key that was to leave them all can come back."""
    levels = (LevelSettings(name="L0", bytes_max=10),)
    hierarchy = Hierarchy(HierarchySettings(levels=levels), build=build)
    read(hierarchy, "a")
    hierarchy.take_moves()
    hierarchy.supersede(["a"])
    [move] = hierarchy.take_moves()
    hierarchy.put_back(move)
    hierarchy.put_back(move)

    assert hierarchy.place("a") == 0
    assert hierarchy.take_moves() == []
    assert len(hierarchy) == 1
