"""Sources made ready for questions: read once, asked many times."""

from dataclasses import dataclass, field

from tierfold.context import Source, Tokenizer
from tierfold.relevance import WorkingSet
from tierfold.text import Intake


@dataclass(slots=True, kw_only=True)
class Prepared:
    """The intake of some sources, and their working set once a stage has needed it."""

    sources: tuple[Source, ...]
    tokenizer: Tokenizer
    intake: Intake
    read_ms: float = 0.0  # what reading took, for the request that did it
    _working: WorkingSet | None = field(default=None)

    @property
    def is_indexed(self) -> bool:
        """Whether the working set exists already."""
        return self._working is not None

    def working(self) -> WorkingSet:
        """Return the working set, built on first use."""
        if self._working is None:
            self._working = WorkingSet.build(self.intake.units)
        return self._working
