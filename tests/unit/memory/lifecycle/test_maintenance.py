"""How much of the time maintenance takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierfold.errors import InvalidInputError
from tierfold.memory.lifecycle.maintenance import Pace

PACE = Pace()
WAITING = st.integers(0, 10_000)
URGENCY = st.floats(0, 2)


@given(waiting=WAITING, urgency=URGENCY)
def test_maintenance_always_gets_on_and_never_takes_all(waiting: int, urgency: float) -> None:
    """Under any load it has its least share, and rests in between."""
    assert PACE.share_min <= PACE.share_now(waiting=waiting, urgency=urgency) <= PACE.share_max
    assert 0 < PACE.rest_ms(20, waiting=waiting, urgency=urgency) <= 20 * (1 / PACE.share_min - 1)


@given(waiting=WAITING, more=WAITING, urgency=URGENCY)
def test_the_more_wait_the_less_it_works(waiting: int, more: int, urgency: float) -> None:
    """Callers come first."""
    crowded = PACE.share_now(waiting=waiting + more, urgency=urgency)
    assert crowded <= PACE.share_now(waiting=waiting, urgency=urgency) + 1e-12


@given(waiting=WAITING, urgency=URGENCY, more=URGENCY)
def test_the_more_piles_up_the_more_it_works(waiting: int, urgency: float, more: float) -> None:
    """Or under a steady load rows would never be sealed."""
    urgent = PACE.share_now(waiting=waiting, urgency=urgency + more)
    assert urgent >= PACE.share_now(waiting=waiting, urgency=urgency) - 1e-12


def test_while_nobody_waits_it_takes_a_quarter() -> None:
    """Of wall time: 20 ms of work, 60 ms of rest; no step is so long that the rest never ends."""
    assert PACE.rest_ms(20, waiting=0, urgency=0) == 60
    assert PACE.rest_ms(60_000, waiting=0, urgency=0) == PACE.rest_ms_max


@pytest.mark.parametrize(
    "fields", [{"share_min": 0}, {"share": 0.9}, {"share_max": 2}, {"crowd": 0}]
)
def test_shares_have_an_order(fields: dict[str, float]) -> None:
    """A share of nothing would stop all maintenance."""
    with pytest.raises(InvalidInputError, match="in order"):
        Pace(**fields)  # type: ignore[arg-type]
