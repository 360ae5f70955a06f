"""How long each step will take: a size curve times what this process has seen lately."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_LEARNING_RATE = 0.2
_FORGETTING_RATE = 0.05  # of what a stall taught, at each request that had to do without
_RATIO_MIN, _RATIO_MAX = 0.2, 5.0  # one stalled request must not rule the next hundred
_SAFETY = 1.25  # a step is begun only if a slower run of it would still fit


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeCurve:
    """Nominal CPU milliseconds of a step: a start, and so much per thousand tokens of input."""

    fixed_ms: float
    per_1k_tokens_ms: float

    def at(self, tokens: int) -> float:
        """Return the nominal milliseconds for an input of this size."""
        return self.fixed_ms + self.per_1k_tokens_ms * tokens / 1000


# A line through profiled runs of 4k to 1M tokens; the moving factor corrects them for each machine.
NOMINAL: Mapping[str, SizeCurve] = MappingProxyType(
    {
        "read": SizeCurve(fixed_ms=0.2, per_1k_tokens_ms=0.35),
        "index": SizeCurve(fixed_ms=0.5, per_1k_tokens_ms=0.40),
        "fast": SizeCurve(fixed_ms=1.0, per_1k_tokens_ms=0.02),
        "balanced": SizeCurve(fixed_ms=4.0, per_1k_tokens_ms=0.10),
    }
)
_UNKNOWN = SizeCurve(fixed_ms=5.0, per_1k_tokens_ms=0.2)


def nominal_ms(step: str, tokens: int) -> float:
    """Return what a step costs on the reference machine; a pure function of the input's size."""
    return NOMINAL.get(step, _UNKNOWN).at(tokens)


class LatencyModel:
    """Learns how much slower than nominal each step runs here and now."""

    def __init__(self) -> None:
        self._factor: dict[str, float] = {}

    def predict_ms(self, step: str, tokens: int) -> float:
        """Return the expected milliseconds of the step."""
        return nominal_ms(step, tokens) * self._factor.get(step, 1.0)

    def is_worth_starting(self, step: str, tokens: int, *, remaining_ms: float) -> bool:
        """Return whether the step would end within the remaining time even if it runs slow.

        A step that is not begun is not observed, so each refusal takes back some of what was
        learned: after a stall it is tried again, not given up for ever.
        """
        is_worth = self.predict_ms(step, tokens) * _SAFETY <= remaining_ms
        if not is_worth:
            self._forget(step)
        return is_worth

    def largest_in_time(self, steps: tuple[str, ...], *, remaining_ms: float) -> int:
        """Return the tokens of the largest input for which the steps together end in time."""
        fixed_ms = sum(self.predict_ms(step, 0) for step in steps)
        per_token_ms = (sum(self.predict_ms(step, 1000) for step in steps) - fixed_ms) / 1000
        return max(0, int((remaining_ms / _SAFETY - fixed_ms) / per_token_ms))

    def observe(self, step: str, tokens: int, *, took_ms: float) -> None:
        """Learn from a step that ended."""
        ratio = took_ms / max(nominal_ms(step, tokens), 1e-6)
        ratio = min(max(ratio, _RATIO_MIN), _RATIO_MAX)
        known = self._factor.get(step, 1.0)
        self._factor[step] = known + _LEARNING_RATE * (ratio - known)

    def _forget(self, step: str) -> None:
        known = self._factor.get(step, 1.0)
        if known > 1.0:
            self._factor[step] = known + _FORGETTING_RATE * (1.0 - known)
