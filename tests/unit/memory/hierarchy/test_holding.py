import pytest

from tests.unit.memory.hierarchy.worlds import built, places, read
from tierfold.errors import PinBudgetError


def test_a_clock_that_goes_back_ends_no_pin_and_fills_no_budget() -> None:
    """Time stands still until the clock has caught up."""
    hierarchy = built(10, 10, pinned_bytes_max=10)
    hierarchy.pin(["kept"], [10], until_ms=2_000, now_ms=1_000)
    read(hierarchy, "other", now_ms=-5_000)
    read(hierarchy, "other", now_ms=1_999)

    assert places(hierarchy, ["kept", "other"]) == [0, 1]
    read(hierarchy, "other", "other", now_ms=2_000)
    assert places(hierarchy, ["kept", "other"]) == [1, 0]


def test_what_is_read_ahead_is_held_until_it_is_read() -> None:
    """A batch is not pushed out by itself or by warmer keys, and no more than a share is held."""
    hierarchy = built(20, 40, 400)
    for _ in range(20):
        read(hierarchy, *range(100, 106), group="warm")
    read(hierarchy, 1, 2, 3, 4, group="cold")
    assert places(hierarchy, [1, 2, 3, 4]) == [2, 2, 2, 2]

    lifted = hierarchy.lift([1, 2, 3, 4], [10] * 4, level=1, group="cold", until_ms=100)
    assert lifted == [1, 2]
    assert read(hierarchy, 1, 2, 3, 4, group="cold") == [1, 1, 2, 2]
    assert hierarchy.size_bytes(1) <= 40


def test_what_is_read_ahead_in_vain_rejoins_the_order() -> None:
    """After its time it is as cold as it was."""
    hierarchy = built(20, 40, 400)
    for _ in range(20):
        read(hierarchy, *range(100, 106), group="warm")
    read(hierarchy, 1, 2, group="cold")
    assert hierarchy.lift([1, 2, 9], [10, 10, 500], level=1, group="cold", until_ms=100) == [1, 2]
    for _ in range(3):
        read(hierarchy, *range(100, 106), group="warm", now_ms=101)

    assert places(hierarchy, [100, 101, 102, 103]) == [0, 0, 1, 1]
    assert hierarchy.state()[1].held_bytes == 0


def test_a_refused_pin_changes_nothing() -> None:
    """When all that may be pinned is, the next is told how much is free, and nothing loops."""
    hierarchy = built(20, 20, pinned_bytes_max=40)
    hierarchy.pin(["a", "b"], [20, 20], until_ms=100, now_ms=0)
    assert places(hierarchy, "ab") == [0, 1]
    with pytest.raises(PinBudgetError, match="at most now") as refused:
        hierarchy.pin(["c"], [10], until_ms=100, now_ms=0)
    assert (refused.value.asked_bytes, refused.value.free_bytes) == (10, 0)

    assert read(hierarchy, "c", "c") == [2, 2]
    assert hierarchy.place("c") == 2
    assert read(hierarchy, "a", "b") == [0, 1]
    read(hierarchy, "c", "c", now_ms=100)
    assert hierarchy.place("c") == 0


def test_pins_give_way_when_the_level_itself_shrinks() -> None:
    """The one whose time is over first is the first to rejoin the order."""
    hierarchy = built(30, 100, pinned_bytes_max=30)
    hierarchy.pin(["long"], [10], until_ms=900, now_ms=0)
    hierarchy.pin(["short"], [10], until_ms=100, now_ms=0)
    hierarchy.pin(["short"], [10], until_ms=50, now_ms=0)
    hierarchy.resize(0, 10)
    assert places(hierarchy, ["long", "short"]) == [0, 1]
    assert hierarchy.state()[0].held_bytes == 10

    hierarchy.unpin(["long", "nobody"])
    assert hierarchy.state()[0].held_bytes == 0
    hierarchy.forget(["long"])
    assert hierarchy.place("long") == 2


def test_an_extended_pin_lasts_longer() -> None:
    """Pinning again never shortens a pin."""
    hierarchy = built(10, 10, pinned_bytes_max=10)
    hierarchy.pin(["kept"], [10], until_ms=100, now_ms=0)
    hierarchy.pin(["kept"], [10], until_ms=500, now_ms=0)
    for _ in range(200):
        hierarchy.pin(["kept"], [10], until_ms=501, now_ms=0)
    read(hierarchy, "other", "other", now_ms=500)
    assert hierarchy.place("kept") == 0

    read(hierarchy, "other", "other", now_ms=501)
    assert hierarchy.place("kept") == 1
