"""Where a trace comes from, small enough to be sent to another process."""

from dataclasses import dataclass
from functools import lru_cache

from tierfold.sim.generated import generated
from tierfold.sim.reading import read_trace
from tierfold.sim.trace import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file, or the kind of a generated trace; every key has its largest size throughout."""

    file: str = ""
    kind: str = ""
    seed: int = 0
    accesses: int | None = None  # the first of a file; None is all
    is_lenient: bool = False

    def read(self) -> Trace:
        """Return the trace; one process keeps the last one that it read."""
        return _read(self)


_GENERATED_ACCESSES = 200_000


@lru_cache(maxsize=1)
def _read(source: Source) -> Trace:
    if not source.file:
        count = _GENERATED_ACCESSES if source.accesses is None else source.accesses
        return generated(source.kind, count, seed=source.seed).with_largest_sizes()
    trace = read_trace(source.file, is_lenient=source.is_lenient)
    whole = trace if source.accesses is None else trace.head(source.accesses)
    return whole.with_largest_sizes()
