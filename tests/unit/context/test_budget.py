import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierfold.context import UNLIMITED, Budget
from tierfold.errors import InvalidInputError


@pytest.mark.parametrize(
    "field", ["max_tokens", "latency_ms", "memory_bytes", "cost_usd", "min_quality"]
)
@pytest.mark.parametrize("value", [-1, math.nan, math.inf, -math.inf, 1e300, True, "5"])
def test_absurd_values_are_refused_by_name(field: str, value: object) -> None:
    """The message names the field, so that the caller can mend it."""
    with pytest.raises(InvalidInputError) as refused:
        Budget(**{field: value})  # type: ignore[arg-type]  # what callers send

    assert refused.value.path == f"budget.{field}"


@pytest.mark.parametrize("field", ["max_tokens", "latency_ms", "memory_bytes"])
def test_zero_of_what_an_answer_needs_is_refused(field: str) -> None:
    """No answer has no tokens, no time or no bytes."""
    with pytest.raises(InvalidInputError):
        Budget(**{field: 0})


@pytest.mark.parametrize("field", ["max_tokens", "memory_bytes"])
def test_half_a_token_is_refused(field: str) -> None:
    """Counts are whole."""
    with pytest.raises(InvalidInputError, match="whole number"):
        Budget(**{field: 1.5})  # type: ignore[arg-type]  # what callers send


@given(
    tokens=st.integers(1, 10**9),
    latency=st.floats(0.001, 1e6),
    usd=st.floats(0, 1000),
    quality=st.floats(0, 1),
)
def test_sensible_values_are_kept(tokens: int, latency: float, usd: float, quality: float) -> None:
    """A budget is its numbers."""
    budget = Budget(max_tokens=tokens, latency_ms=latency, cost_usd=usd, min_quality=quality)

    assert (tokens, latency, usd, quality) == (
        budget.max_tokens,
        budget.latency_ms,
        budget.cost_usd,
        budget.min_quality,
    )


def test_nothing_is_limited_by_default() -> None:
    """An empty budget asks for nothing."""
    assert Budget() == UNLIMITED
