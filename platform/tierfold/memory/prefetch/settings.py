"""How much is read ahead, and when reading ahead has proved useless."""

from dataclasses import dataclass
from enum import StrEnum

from tierfold.errors import InvalidInputError


class Evidence(StrEnum):
    """Why a context's parts are expected to be read soon; a timer is no evidence."""

    SESSION_OPENED = "session_opened"
    TOOL_CALL_PENDING = "tool_call_pending"
    ASKED_FOR = "asked"  # by the verb `prefetch`
    FIRST_BLOCK = "first_block"  # of a request, so the rest of its context comes next


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefetchSettings:
    """Limits of a prefetcher."""

    bytes_min: int = 1_024  # less is not worth a batch
    in_flight_bytes_max: int = 64 * 1024 * 1024
    deadline_base_ms: float = 20.0
    deadline_ms_per_kib: float = 0.1
    accuracy_min: float = 0.5
    outcomes_min: int = 1_024  # keys before accuracy is judged: one context gone astray is no proof
    window_outcomes: int = 4_096
    probe_every: int = 16  # pieces of evidence, while it is off
    probe_keys_max: int = 8
    probe_outcomes_min: int = 64
    contexts_max: int = 4_096  # whose last request is remembered
    keys_max: int = 1_048_576  # of those requests together

    def __post_init__(self) -> None:
        """Check what would make it judge by nothing."""
        if not 0 <= self.accuracy_min <= 1:
            problem = f"accuracy_min is {self.accuracy_min}: give a share between 0 and 1"
            raise InvalidInputError(problem, path="prefetch")
        if not 1 <= self.outcomes_min <= self.window_outcomes:
            problem = "outcomes_min is at least 1 and at most window_outcomes"
            raise InvalidInputError(problem, path="prefetch")
        probes = (self.probe_every, self.probe_keys_max, self.probe_outcomes_min)
        if min(*probes, self.contexts_max, self.keys_max) < 1:
            problem = "what a prefetcher counts by is at least 1: probes, contexts_max, keys_max"
            raise InvalidInputError(problem, path="prefetch")
