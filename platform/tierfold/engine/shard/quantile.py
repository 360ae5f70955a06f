"""Quantiles of latencies, as figures for people."""

from collections.abc import Sequence

_DIGITS = 3  # significant ones: more would be noise


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """Return the value below which that share of the ordered values lies; None where none are."""
    if not ordered:
        return None
    value = ordered[min(int(share * len(ordered)), len(ordered) - 1)]
    return float(f"{value:.{_DIGITS}g}")
