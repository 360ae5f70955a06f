"""Sources made ready for questions: read once, asked many times."""

from collections.abc import Callable

from tierfold.context import Source, Tokenizer
from tierfold.processing.layout import Layout
from tierfold.processing.left_out import LeftOutRuns
from tierfold.processing.places import Places
from tierfold.relevance import WorkingSet
from tierfold.text import Intake

Sources = tuple[Source, ...]


class Prepared:
    """The intake of some sources, and their working set once a stage has needed it.

    Sources may come as a function that decodes them, called when somebody first needs them.
    """

    __slots__ = (
        "__weakref__",
        "_sources",
        "_working",
        "intake",
        "layout",
        "left_out",
        "places",
        "read_ms",
        "tokenizer",
    )

    def __init__(
        self,
        *,
        sources: Sources | Callable[[], Sources],
        tokenizer: Tokenizer,
        intake: Intake,
        places: Places | None = None,
        working: WorkingSet | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self.intake = intake
        self.layout = Layout(intake)
        self.left_out = LeftOutRuns(intake, places)
        self.places = places  # of a stored context; None has no handles
        self.read_ms = 0.0  # what reading took, for the request that did it
        self._sources = sources
        self._working = working

    @property
    def sources(self) -> Sources:
        """The sources; the same object every time."""
        if callable(self._sources):
            self._sources = self._sources()
        return self._sources

    def with_intake(self, intake: Intake) -> "Prepared":
        """Return the same sources read otherwise, not indexed yet."""
        return Prepared(sources=self._sources, tokenizer=self.tokenizer, intake=intake)

    @property
    def is_indexed(self) -> bool:
        """Whether the working set exists already."""
        return self._working is not None

    def working(self) -> WorkingSet:
        """Return the working set, built on first use."""
        if self._working is None:
            self._working = WorkingSet.build(self.intake.units)
        return self._working
