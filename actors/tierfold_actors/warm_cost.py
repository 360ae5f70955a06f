"""The CPU of a question on a context that is ready, by which its place is chosen.

The engine predicts time on the wall, which is what deadlines need. On a busy machine that calls
long what is short, and the way to the thread and back would make it longer still.
"""

from collections.abc import Sequence

from tierfold.processing.latency import nominal_ms

_LEARNING_RATE = 0.1
_RATIO_MIN, _RATIO_MAX = 0.1, 20.0  # one odd measurement teaches no more than this


class WarmCost:
    """Learns how far this machine is from the nominal cost of the stages."""

    def __init__(self) -> None:
        self._factor = 1.0

    def predict_ms(self, tokens: int, stages: Sequence[str]) -> float:
        """Return the CPU that these stages are expected to take together."""
        return self._factor * _nominal_ms(tokens, stages)

    def observe(self, tokens: int, stages: Sequence[str], *, cpu_ms: float) -> None:
        """Learn from a question that was answered without a break."""
        ratio = cpu_ms / max(_nominal_ms(tokens, stages), 1e-6)
        ratio = min(max(ratio, _RATIO_MIN), _RATIO_MAX)
        self._factor += _LEARNING_RATE * (ratio - self._factor)


def _nominal_ms(tokens: int, stages: Sequence[str]) -> float:
    return sum(nominal_ms(stage, tokens) for stage in stages)
