import random

import pytest

from tests.unit.memory.hierarchy.worlds import read
from tierfold.errors import InvalidInputError
from tierfold.memory.adaptive import Reason
from tierfold.memory.hierarchy import (
    ORDERS_OF_WHOLES,
    AdaptiveHierarchy,
    HierarchySettings,
    LevelSettings,
    Prices,
    RankSettings,
    Request,
)

PRICES = Prices((1.0, 10.0, 100.0))


def built(*limits: int, prices: Prices = PRICES, **options: object) -> AdaptiveHierarchy:
    levels = tuple(LevelSettings(name=f"L{at}", bytes_max=limit) for at, limit in enumerate(limits))
    return AdaptiveHierarchy(HierarchySettings(levels=levels), prices=prices, **options)  # type: ignore[arg-type]


def scanned(hierarchy: AdaptiveHierarchy, requests: int) -> None:
    """Read a few keys again and again, and between them many that never come back."""
    dice, cold = random.Random(1), 1_000
    for _ in range(requests):
        read(hierarchy, dice.randrange(8))
        for _ in range(3):
            cold += 1
            read(hierarchy, cold)


def test_it_begins_by_recency_and_says_so() -> None:
    """Before anything was compared there is nothing to say but that."""
    explained = built(100, 100).explain()

    assert (explained.expert, explained.reason, explained.windows) == ("lru", Reason.START, 0)
    assert explained.losses == {}


def test_what_costs_less_takes_over_and_the_costs_say_why() -> None:
    """The explanation is computed from the shadows: who decides is who cost the least."""
    hierarchy = built(40, 40)
    scanned(hierarchy, 1_000)
    explained = hierarchy.explain()

    assert explained.expert != "lru"
    assert explained.losses[explained.expert] < explained.losses["lru"]
    assert explained.changes >= 1
    assert 0 < explained.since_window <= explained.windows


def test_newcomers_that_return_at_once_keep_recency() -> None:
    """Where each key is read twice in a row, an order that doubts newcomers never takes over."""
    hierarchy = built(100, 100)
    found: list[int] = []
    for number in range(3_000):
        read(hierarchy, number, is_new=True)
        found += read(hierarchy, number)

    assert hierarchy.explain().expert == "lru"
    assert set(found) == {0}


def test_a_change_of_orders_moves_nothing() -> None:
    """What lies above stays until something else is read."""
    hierarchy = built(40, 40)
    read(hierarchy, *range(8))
    hierarchy.take_moves()
    before = [hierarchy.place(each) for each in range(8)]
    hierarchy.follow(RankSettings())

    assert hierarchy.take_moves() == []
    assert [hierarchy.place(each) for each in range(8)] == before


def test_size_counts_where_it_costs() -> None:
    """Large contexts that push out many small ones go first, if reading costs the same for all."""
    dice = random.Random(2)
    hierarchy = built(100, 300, orders=ORDERS_OF_WHOLES)
    for at in range(6_000):
        number = dice.randrange(40)
        size = 10 if number % 4 else 150
        hierarchy.access(Request(keys=[number], sizes=[size]), at)

    losses = hierarchy.explain().losses
    assert losses["density"] < losses["context"]


def test_bytes_have_a_price_where_one_is_named() -> None:
    """A request costs its slowest part and the sum of all, each by level and size."""
    hierarchy = built(10_000, 10_000, prices=Prices((1.0, 2.0, 3.0), (0.0, 0.0, 5.0)))
    for number in range(128):
        read(hierarchy, number, size=1024)
    own_ms = hierarchy.explain().own_loss

    assert own_ms == 2 * (3.0 + 5.0)


def test_shadows_see_a_sample_of_many_contexts() -> None:
    """With thousands of contexts one in so many is compared, whole; with few, all."""
    hierarchy = built(20_000, 20_000)
    dice = random.Random(3)
    for at in range(4_000):
        number = dice.randrange(3_000)
        keys = [(number, part) for part in range(2)]
        hierarchy.access(Request(keys=keys, sizes=[5, 5], group=number), at)
    for number in range(4_000):
        read(hierarchy, number, number + 1, is_new=not number % 3)

    assert hierarchy.explain().sampling > 1
    assert hierarchy.explain().windows > 1


def test_what_is_told_of_keys_reaches_the_shadows() -> None:
    """Deleted, superseded, measured, and another limit: a shadow knows what the levels know."""
    hierarchy = built(40, 40)
    read(hierarchy, 1, 2, 3)
    hierarchy.measured(1, 20)
    hierarchy.supersede([2])
    hierarchy.forget([3])
    hierarchy.resize(0, 20)
    shadows = hierarchy._trials._shadows.values()  # noqa: SLF001  # they have no other witness

    for shadow in shadows:
        assert [shadow.place(each) for each in (2, 3)] == [2, 2]
        assert shadow.size_bytes(0) == hierarchy.size_bytes(0) == 20


def test_an_order_that_fails_competes_no_longer() -> None:
    """It is named, and the others go on."""
    hierarchy = built(40, 40)
    shadow = hierarchy._trials._shadows["context"]  # noqa: SLF001  # no order of ours fails
    shadow._levels[1]._fall_back(ZeroDivisionError(), 40)  # noqa: SLF001  # so it is made to
    for number in range(200):
        read(hierarchy, number % 9)
    explained = hierarchy.explain()

    assert explained.problem == "context: ZeroDivisionError"
    assert "context" not in explained.losses


def test_prices_are_of_the_levels_there_are() -> None:
    """One for each, and one for below them all; sizes likewise, or none."""
    with pytest.raises(InvalidInputError, match="one per level"):
        built(10, prices=PRICES)
    with pytest.raises(InvalidInputError, match="as many numbers"):
        Prices((1.0, 2.0), (1.0,))
