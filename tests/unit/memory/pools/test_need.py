import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierfold.memory.pools import Need, NeedCurve, NeedModel
from tierfold.memory.pools.need import OPERATIONS_MAX, SAMPLES_MIN, WINDOW

PRIORS = {"read": NeedCurve(((1_000, 10),))}


def taught(model: NeedModel, ratio: float, *, size: int = 10_000, times: int = SAMPLES_MIN) -> None:
    for _ in range(times):
        model.observe(model.predict("read", size), int(size * ratio))


def test_before_it_has_learned_a_prior_stands_in() -> None:
    """The first request is predicted too, and says by what."""
    need = NeedModel(PRIORS).predict("read", 500)

    assert need == Need(operation="read", size=500, size_bytes=6_000, is_learned=False)


def test_a_variant_has_the_prior_of_its_operation() -> None:
    """`read/chat` is a read until more is known of it."""
    model = NeedModel(PRIORS)

    assert model.predict("read/chat", 500).size_bytes == 6_000
    assert model.predict("something else", 500).size_bytes > 0


def test_it_learns_after_enough_samples_of_a_size() -> None:
    """One sample fewer than enough leaves the prior, corrected by nothing."""
    model = NeedModel(PRIORS)
    taught(model, 30, times=SAMPLES_MIN - 1)
    assert model.predict("read", 10_000).size_bytes == 101_000
    taught(model, 30, times=1)

    assert model.predict("read", 10_000).size_bytes == 300_000
    assert model.predict("read", 10_000).is_learned


def test_what_is_learned_of_one_size_corrects_the_prior_of_others() -> None:
    """A size that was never seen is not believed to be as cheap as before."""
    model = NeedModel(PRIORS)
    taught(model, 30)
    need = model.predict("read", 1_000_000)

    assert not need.is_learned
    assert need.size_bytes == pytest.approx(10_001_000 * 300_000 / 101_000, rel=1e-4)


def test_a_size_learns_from_its_neighbours() -> None:
    """Half an octave away is near enough until the size itself is known."""
    model = NeedModel(PRIORS)
    taught(model, 30)
    need = model.predict("read", 14_000)

    assert need.is_learned
    assert need.size_bytes == 420_000


def test_a_prior_is_the_lowest_of_its_lines() -> None:
    """Some operations take less for each of many."""
    model = NeedModel({"rank": NeedCurve(((0, 10), (1_000, 2)))})

    assert [model.predict("rank", size).size_bytes for size in (100, 1_000)] == [1_000, 3_000]


def test_the_correction_is_bounded() -> None:
    """What one size takes says only so much about others."""
    model = NeedModel(PRIORS)
    taught(model, 5_000)

    assert model.predict("read", 1_000_000).size_bytes == 8 * 10_001_000


def test_nineteen_of_twenty_stay_below() -> None:
    """The prediction is a 95th percentile, and at most twice what is typical."""
    dice = random.Random(4)
    model = NeedModel(PRIORS)
    for _ in range(2_000):
        need = model.predict("read", int(10 ** dice.uniform(3.5, 6.5)))
        model.observe(need, int(need.size * 20 * dice.lognormvariate(0, 0.15)))
    (report,) = model.report()

    assert report.samples == 2_000
    assert report.learned > 1_500
    assert 0.02 < report.under / report.samples < 0.09
    assert 0.9 < report.ratio_p05 <= report.ratio_p50 <= report.ratio_p95 < 2


def test_it_follows_what_changes() -> None:
    """A new engine that needs twice as much is known after a few requests."""
    model = NeedModel(PRIORS)
    taught(model, 20, times=WINDOW)
    taught(model, 40, times=WINDOW // 10)
    assert model.predict("read", 10_000).size_bytes == 400_000
    taught(model, 10, times=WINDOW)

    assert model.predict("read", 10_000).size_bytes == 100_000


def test_nothing_is_learned_from_nothing() -> None:
    """A measurement that failed leaves no trace."""
    model = NeedModel(PRIORS)
    model.observe(model.predict("read", 0), 0)
    model.observe(model.predict("read", 0), -5)

    assert model.report() == ()


def test_only_so_many_operations_are_known() -> None:
    """Names made of user input cannot fill the memory that this is to save."""
    model = NeedModel(PRIORS)
    for number in range(OPERATIONS_MAX + 5):
        model.observe(model.predict(f"read/{number}", 1), 1)

    assert len(model.report()) == OPERATIONS_MAX


@given(
    taught_of=st.lists(st.tuples(st.integers(1, 2_000_000), st.integers(1, 90)), max_size=6),
    size=st.integers(0, 3_000_000),
    size_bytes=st.integers(0, 300_000_000),
)
def test_the_largest_size_fits_and_one_more_does_not(
    taught_of: list[tuple[int, int]], size: int, size_bytes: int
) -> None:
    """A request that must do with less reads as much as its lease is expected to hold."""
    model = NeedModel(PRIORS)
    for at, ratio in taught_of:
        taught(model, ratio, size=at)
    largest = model.largest("read", size, size_bytes)

    assert 0 <= largest <= size
    if largest:
        assert model.predict("read", largest).size_bytes <= size_bytes
    if largest < size:
        assert model.predict("read", largest + 1).size_bytes > size_bytes
