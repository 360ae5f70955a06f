from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.relevance.tables import head, table, tables
from tierfold.relevance import WorkingSet, rank_balanced, rank_fast
from tierfold.relevance.index import Postings
from tierfold.relevance.signals import STATIC
from tierfold.text.table import UnitTable


def assert_same(left: Postings, right: Postings) -> None:
    for name in (item.name for item in fields(Postings)):
        one, other = getattr(left, name), getattr(right, name)
        if isinstance(one, dict):
            assert list(one.items()) == list(other.items()), name
        else:
            assert one.dtype == other.dtype, name
            np.testing.assert_array_equal(one, other, err_msg=name)


@given(tables(), st.data())
def test_extending_equals_building(units: UnitTable, data: st.DataObject) -> None:
    """However a table grew, its working set is that of a fresh build, to the byte."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(units)), max_size=3)))
    asked = data.draw(st.lists(st.booleans(), min_size=len(cuts), max_size=len(cuts)))
    grown = WorkingSet.build(head(units, 0))
    for cut, is_asked in zip(cuts, asked, strict=True):
        grown = grown.extend(head(units, cut))
        if is_asked:
            rank_fast(grown, "budget of Wales")
    grown = grown.extend(units)
    fresh = WorkingSet.build(units)

    assert_same(fresh.postings, grown.postings)
    question = "Which school has a budget of 3.5 in 東京?"
    fast = rank_fast(fresh, question)
    assert fast.probability.tobytes() == rank_fast(grown, question).probability.tobytes()
    balanced = rank_balanced(fresh, question, fast)
    again = rank_balanced(grown, question, rank_fast(grown, question))
    assert balanced.probability.tobytes() == again.probability.tobytes()


def test_appends_wait_until_asked() -> None:
    """Extending does no work: many appends are merged at once when somebody asks."""
    units = table([f"unit {number} of the budget. " for number in range(5)])
    first = WorkingSet.build(head(units, 2))

    second = first.extend(head(units, 3)).extend(units)

    assert second._postings is None  # noqa: SLF001 - that nothing happens shows nowhere else
    assert len(second.postings) == 5
    assert second.postings is second.postings


def test_a_shorter_table_is_no_extension() -> None:
    """A table that lost units does not begin with the old ones."""
    units = table(["one. ", "two. "])

    with pytest.raises(ValueError, match="1"):
        WorkingSet.build(units).extend(head(units, 1))


def test_the_old_version_stays() -> None:
    """Extending leaves the version it came from as it was."""
    units = table(["school budget. ", "railway council. "])
    old = WorkingSet.build(head(units, 1))
    before = rank_fast(old, "budget").probability.tobytes()

    rank_fast(old.extend(units), "railway")

    assert before == rank_fast(old, "budget").probability.tobytes()


def test_titles_count_for_every_unit_of_their_group() -> None:
    """A unit is found by its group's title although its own text lacks the word."""
    units = table(
        ["It opened in 1863. ", "It was closed later. ", "Bread is baked here. "],
        groups=[0, 0, 1],
        titles=("Metropolitan Railway", "Bakery"),
    )

    probability = rank_fast(WorkingSet.build(units), "railway").probability

    assert probability[:2].min() > probability[2]


@given(tables())
def test_size_counts_arrays(units: UnitTable) -> None:
    """A working set knows what it holds."""
    assert WorkingSet.build(units).size_bytes > 0


@given(tables(least=1))
def test_every_feature_that_rests_is_known_before_the_question(units: UnitTable) -> None:
    """The trees answer for these ahead: one too few would be asked, one too many missing."""
    assert set(WorkingSet.build(units).signals.static) == STATIC
