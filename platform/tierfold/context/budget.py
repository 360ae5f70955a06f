"""What one request may spend and the quality it must reach."""

import math
from dataclasses import dataclass, fields

from tierfold.errors import InvalidInputError

TOKENS_MAX = 1 << 40
LATENCY_MS_MAX = 24 * 3_600_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits of one request; None is no limit. Raises InvalidInputError on absurd values."""

    max_tokens: int | None = None  # of the answer, markers included
    latency_ms: float | None = None  # from the first header to the last byte computed
    memory_bytes: int | None = None  # peak of working set and answer
    cost_usd: float | None = None  # kept tokens at the model's price + CPU seconds
    min_quality: float | None = None  # floor of the expected share of evidence, 0..1

    def __post_init__(self) -> None:
        """Refuse what no request can mean."""
        for each in fields(self):
            value = getattr(self, each.name)
            if value is not None:
                _require_number(each.name, value)
        _require_range("max_tokens", self.max_tokens, 1, TOKENS_MAX)
        _require_range("latency_ms", self.latency_ms, 0.001, LATENCY_MS_MAX)
        _require_range("memory_bytes", self.memory_bytes, 1, TOKENS_MAX)
        _require_range("cost_usd", self.cost_usd, 0.0, 1e6)
        _require_range("min_quality", self.min_quality, 0.0, 1.0)

    @property
    def asks_to_shrink(self) -> bool:
        """Whether anything in it can make the answer smaller than the input."""
        return (
            self.max_tokens is not None or self.min_quality is not None or self.cost_usd is not None
        )


def _require_number(name: str, value: object) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or (isinstance(value, float) and not math.isfinite(value)):
        msg = f"must be a finite number, not {value!r}"
        raise InvalidInputError(msg, path=f"budget.{name}")
    if name in {"max_tokens", "memory_bytes"} and not isinstance(value, int):
        msg = f"must be a whole number, not {value!r}"
        raise InvalidInputError(msg, path=f"budget.{name}")


def _require_range(name: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not low <= value <= high:
        msg = f"must lie between {low:,.15g} and {high:,.15g}, not {value:,}"
        raise InvalidInputError(msg, path=f"budget.{name}")


UNLIMITED = Budget()
