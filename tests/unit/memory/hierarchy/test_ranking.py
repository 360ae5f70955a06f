import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierfold.errors import InvalidInputError
from tierfold.memory.hierarchy import RankSettings, WriteBudget
from tierfold.memory.hierarchy.ranking import Newcomers, Ranking
from tierfold.memory.hierarchy.write_budget import WriteMeter


def ranking(**settings: float) -> Ranking:
    return Ranking(RankSettings(**settings), 1_000)  # type: ignore[arg-type]


@given(reads=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 300)), max_size=40))
def test_a_rank_never_falls_while_it_is_known(reads: list[tuple[int, int]]) -> None:
    """The levels' heaps stand on this: an entry that is out of date is too low, never too high."""
    ranks = ranking()
    seen: dict[int, float] = {}
    for group, size in reads:
        keys = [10 * group, 10 * group + 1, 99]
        ranks.note(group, keys, [size] * 3)
        for key in keys:
            assert ranks.rank(key) >= seen.get(key, -1e9)
            seen[key] = ranks.rank(key)


def test_two_uses_rank_above_one_and_a_late_one_above_an_early_one() -> None:
    """Frequency and recency count, both."""
    ranks = ranking()
    for key in ("twice", "early", "twice", "late"):
        ranks.note(None, [key], [10])

    assert ranks.rank("twice") > ranks.rank("late") > ranks.rank("early")


def test_old_uses_fade_as_others_pass() -> None:
    """As many bytes as fit make a hundred uses weigh less than two of today."""
    ranks = ranking(kappa=20)
    for _ in range(100):
        ranks.note(None, ["old"], [1])
    for _ in range(2):
        ranks.note(None, ["other"], [1_000])
    for _ in range(2):
        ranks.note(None, ["new"], [1])

    assert ranks.rank("new") > ranks.rank("old")


def test_the_expected_rank_next_to_the_real_one() -> None:
    """What is foreseen is ranked as its reading would, without making the rest older."""
    expected, real = ranking(), ranking()
    for ranks in (expected, real):
        ranks.note("chat", ["a"], [10])
        ranks.note("chat", ["a"], [10])
    expected.foresee("chat", ["a", "b"], [10, 10])
    real.note("chat", ["a", "b"], [10, 10])

    assert [expected.rank(key) for key in "ab"] == [real.rank(key) for key in "ab"]
    expected.forget("a")
    assert len(expected) == 1


def test_newcomers_that_return_are_trusted() -> None:
    """The share follows what newcomers of late have done; a flood of them shortens their time."""
    newcomers = Newcomers(waiting_max=2)
    for unit in range(200):
        newcomers.came(unit, unit)
        newcomers.came_back(unit)
        newcomers.came_back(unit)
    assert newcomers.share > 0.9

    for unit in range(300, 500):
        newcomers.came(unit, unit)
    assert newcomers.share < 0.1
    newcomers.expire(before_bytes=10_000)
    assert newcomers.share > 0


def test_memory_of_uses_is_bounded() -> None:
    """Contexts seen long ago are newcomers again."""
    ranks = ranking(units_max=3)
    for unit in range(100):
        ranks.note(unit, [unit], [1])
        ranks.forget(unit)

    assert len(ranks) == 0
    assert len(ranks._units) == 3  # noqa: SLF001 - its bound


@pytest.mark.parametrize(
    "wrong", [{"kappa": 0}, {"horizon_share": 0}, {"waiting_max": 0}, {"units_max": 0}], ids=str
)
def test_ranks_that_cannot_be_computed_are_refused(wrong: dict[str, float]) -> None:
    """A setting that divides by nothing is named."""
    with pytest.raises(InvalidInputError, match="ranks"):
        RankSettings(**wrong)  # type: ignore[arg-type]


def test_a_write_budget_fills_with_time_up_to_a_burst() -> None:
    """An hour of rest allows no more than a burst, and a clock that goes back nothing."""
    meter = WriteMeter(WriteBudget(bytes_per_s=100, burst_bytes=50))

    def asks(size: int, now_ms: float) -> bool:
        return meter.allows(size, is_repeated=False, now_ms=now_ms)

    assert [asks(50, 1_000), asks(1, 1_000), asks(1, 0), asks(1, 1_005)] == [
        True,
        False,
        False,
        False,
    ]
    assert [asks(10, 1_100), asks(1, 1_100)] == [True, False]
    assert [asks(51, 1e9), asks(50, 1e9)] == [False, True]
    assert meter.allows(50, is_repeated=True, now_ms=1e9)
    assert not meter.allows(1, is_repeated=True, now_ms=1e9)
    assert meter.refused_bytes == 1 + 1 + 1 + 1 + 51 + 1
