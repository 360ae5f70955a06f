from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.relevance.tables import table, tables
from tierfold.relevance import (
    WorkingSet,
    estimate_quality,
    rank_fast,
    smallest_budget,
)
from tierfold.relevance import quality as room
from tierfold.relevance.quality import facts_of, measures, prefixes
from tierfold.text.table import UnitTable

CALIBRATORS = st.sampled_from(["fast", "balanced"])


@given(tables(least=1), st.data(), CALIBRATORS)
def test_keeping_more_never_lowers_quality(
    units: UnitTable, data: st.DataObject, calibrator: str
) -> None:
    """Adding units to a selection lowers neither figure; a higher floor is reached less often."""
    working = WorkingSet.build(units)
    ranking = replace(rank_fast(working, "school budget"), calibrator=calibrator)
    count = len(units)
    some = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    more = some | np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    low = estimate_quality(working, ranking, some, floor=0.8)
    high = estimate_quality(working, ranking, more, floor=0.8)
    strict = estimate_quality(working, ranking, some, floor=0.9)

    assert 0 <= low.expected <= high.expected + 1e-9 <= 1 + 1e-8
    assert 0 <= strict.p_floor <= low.p_floor + 1e-9
    assert low.p_floor <= high.p_floor + 1e-9


@given(tables(), st.sampled_from(["", "school"]))
def test_everything_kept_is_perfect(units: UnitTable, question: str) -> None:
    """Where all units are kept the estimate is exactly 1."""
    working = WorkingSet.build(units)
    kept = np.ones(len(units), dtype=np.bool_)
    quality = estimate_quality(working, rank_fast(working, question), kept, floor=1.0)

    assert (quality.expected, quality.p_floor) == (1.0, 1.0)


@pytest.mark.parametrize("floor", [None, 0.0])
def test_no_floor_is_always_reached(floor: float | None) -> None:
    """Without a floor there is nothing to miss."""
    working = WorkingSet.build(table(["School budget. ", "A railway. "]))
    kept = np.array([True, False])
    quality = estimate_quality(working, rank_fast(working, "budget"), kept, floor=floor)

    assert quality.p_floor == 1.0
    assert 0 < quality.expected < 1


@given(tables(), st.floats(0, 1), CALIBRATORS, st.sampled_from(["", "school budget"]))
def test_smallest_budget(units: UnitTable, floor: float, calibrator: str, question: str) -> None:
    """The budget lies within the tokens there are, and a lower floor never needs more."""
    working = WorkingSet.build(units)
    ranking = replace(rank_fast(working, question), calibrator=calibrator)
    budget = smallest_budget(working, ranking, floor=floor)
    less = smallest_budget(working, ranking, floor=floor / 2)

    assert 0 <= less <= budget <= int(units.tokens.sum())


def test_the_budget_reaches_the_floor() -> None:
    """Filling the budget by density reaches the floor by the estimate itself."""
    filler = [f"Sentence {number} talks about bread and rain. " for number in range(60)]
    working = WorkingSet.build(table([*filler, "The committee rejected the budget. "]))
    ranking = rank_fast(working, "Who rejected the budget?")
    budget = smallest_budget(working, ranking, floor=0.7)
    tokens = working.units.tokens
    order = np.argsort(-ranking.probability / tokens**ranking.density_exponent, kind="stable")
    kept = np.zeros(len(tokens), dtype=np.bool_)
    kept[order[np.cumsum(tokens[order]) <= budget]] = True

    assert budget < int(tokens.sum())
    assert estimate_quality(working, ranking, kept, floor=None).expected >= 0.7


def with_pinned(units: UnitTable, pinned: list[bool]) -> UnitTable:
    return replace(units, pinned=np.array(pinned, dtype=np.bool_))


@given(tables(least=1), st.data(), CALIBRATORS, st.sampled_from(["", "school budget"]))
def test_only_free_units_count(
    units: UnitTable, data: st.DataObject, calibrator: str, question: str
) -> None:
    """Exactly 0 where no free unit is kept and exactly 1 where all are, whatever is pinned."""
    count = len(units)
    flags = st.lists(st.booleans(), min_size=count, max_size=count)
    pinned = data.draw(flags.filter(lambda drawn: not all(drawn)))
    working = WorkingSet.build(with_pinned(units, pinned))
    ranking = replace(rank_fast(working, question), calibrator=calibrator)
    free = ~np.array(pinned)
    none = estimate_quality(working, ranking, ~free, floor=0.5)
    every = estimate_quality(working, ranking, free, floor=0.5)

    assert (none.expected, none.p_floor) == (0.0, 0.0)
    assert (every.expected, every.p_floor) == (1.0, 1.0)
    assert estimate_quality(working, ranking, ~free, floor=None).p_floor == 1.0


def test_a_pinned_unit_neither_adds_nor_takes() -> None:
    """The question's own row, pinned, leaves the estimate of the rest as it is without it."""
    texts = ["Bread is baked here. ", "The committee rejected the budget. ", "It rained. "]
    asked = with_pinned(table([*texts, "Who rejected the budget? "]), [False, False, False, True])
    working = WorkingSet.build(asked)
    ranking = rank_fast(working, "Who rejected the budget?")
    kept = np.array([False, True, False, True])
    loud = ranking.probability.copy()
    loud[3] = 1.0

    quality = estimate_quality(working, ranking, kept, floor=0.7)

    assert quality == estimate_quality(working, replace(ranking, probability=loud), kept, floor=0.7)
    assert 0 < quality.expected < 1


def test_the_budget_holds_what_is_pinned() -> None:
    """Pinned tokens come on top of those the free units need, and alone reach no floor but 0."""
    texts = [f"Sentence {number} talks about bread and rain. " for number in range(20)]
    working = WorkingSet.build(with_pinned(table(texts), [True] * 3 + [False] * 17))
    tokens = working.units.tokens
    ranking = rank_fast(working, "bread")

    assert int(tokens[:3].sum()) == smallest_budget(working, ranking, floor=0.0)
    assert int(tokens[:3].sum()) < smallest_budget(working, ranking, floor=0.1)
    assert int(tokens.sum()) == smallest_budget(working, ranking, floor=1.0)
    pinned_only = WorkingSet.build(with_pinned(table(texts), [True] * 20))
    assert int(tokens.sum()) == smallest_budget(
        pinned_only, rank_fast(pinned_only, "bread"), floor=1.0
    )


def test_framing_is_not_counted() -> None:
    """Pieces of a frame are kept with it: no probability of theirs is missed."""
    units = table(["{", '"budget": 3', "}"])
    framed = UnitTable(
        **{name: getattr(units, name) for name in UnitTable.__slots__ if name != "framing"},
        framing=np.array([True, False, True]),
    )
    working = WorkingSet.build(framed)
    ranking = rank_fast(working, "budget")
    kept = np.array([False, True, False])

    assert estimate_quality(working, ranking, kept, floor=0.9).expected == 1.0


@given(tables(least=2), st.data())
def test_one_selection_is_measured_like_many(units: UnitTable, data: st.DataObject) -> None:
    """The estimate of a choice and the grid behind a floor are the same function."""
    working = WorkingSet.build(units)
    ranking = rank_fast(working, "school budget")
    count = data.draw(st.integers(1, len(units) - 1))
    kept = np.arange(len(units)) < count
    probability = ranking.probability.astype(np.float64)
    selections = prefixes(probability, units.tokens.astype(np.float64), np.array([count]))
    rows = measures(selections, facts_of(working, probability))
    weights = room._calibrator(ranking.calibrator)  # noqa: SLF001 - the same, one room down

    estimate = estimate_quality(working, ranking, kept, floor=None)
    assert estimate.expected == pytest.approx(float(weights.expected(rows)[0]), abs=1e-9)
