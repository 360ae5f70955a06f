"""Why the present expert decides: figures of the shadows, for people and for monitoring."""

from collections.abc import Mapping
from dataclasses import dataclass

from tierfold.memory.adaptive.selector import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What the choice rests on; every figure is computed from the shadows' losses."""

    expert: str  # who decides
    reason: Reason  # why this one came
    since_window: int
    windows: int  # that were compared so far
    changes: int  # of the expert
    losses: Mapping[str, float]  # of each expert's shadow per access, older windows counting less
    own_loss: float  # per sampled access in the last window, of the cache itself
    sampling: int  # one key in so many is seen by the shadows
    problem: str  # an expert that failed, and how; empty if none has
