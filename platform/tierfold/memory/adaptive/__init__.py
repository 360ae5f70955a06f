"""Following the best of several eviction policies: shadows, a selector, and the cache itself."""

from tierfold.memory.adaptive.adaptive import EXPERTS, Adaptive
from tierfold.memory.adaptive.explanation import Explanation
from tierfold.memory.adaptive.sample import stable_hash
from tierfold.memory.adaptive.selector import FALLBACK, Reason, Selector, SelectorSettings

__all__ = [
    "EXPERTS",
    "FALLBACK",
    "Adaptive",
    "Explanation",
    "Reason",
    "Selector",
    "SelectorSettings",
    "stable_hash",
]
