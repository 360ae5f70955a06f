"""One question to a set of sources, under a budget."""

from dataclasses import dataclass
from typing import Literal, get_args

from tierfold.context.budget import UNLIMITED, Budget
from tierfold.context.source import Source
from tierfold.errors import InvalidInputError

Markers = Literal["none", "short", "handles"]
Tokenizer = Literal["o200k", "cl100k"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Everything that decides the content of an answer; raises InvalidInputError on nonsense."""

    sources: tuple[Source, ...]
    ask: str = ""  # the question; empty is query-free
    budget: Budget = UNLIMITED
    stages: tuple[str, ...] = ()  # run exactly these; empty lets the budget decide
    markers: Markers = "short"
    tokenizer: Tokenizer = "o200k"
    model: str = "none"  # whose price the bill uses
    bypass: bool = False  # answer with the input

    def __post_init__(self) -> None:
        """Refuse what the types of the Python functions cannot."""
        if not isinstance(self.ask, str):
            problem = f"must be a str, not {type(self.ask).__name__}"
            raise InvalidInputError(problem, path="ask")
        if any("\ud800" <= character <= "\udfff" for character in self.ask):
            problem = "a lone surrogate is no character; send well-formed Unicode"
            raise InvalidInputError(problem, path="ask")
        if not isinstance(self.budget, Budget):
            problem = f"must be a tierfold.Budget, not {type(self.budget).__name__}"
            raise InvalidInputError(problem, path="budget")
        if not self.sources:
            problem = "at least one source is needed"
            raise InvalidInputError(problem, path="sources")
        _require_one_of("markers", self.markers, get_args(Markers))
        _require_one_of("tokenizer", self.tokenizer, get_args(Tokenizer))


def _require_one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        problem = f"must be one of {', '.join(known)}, not {value!r}"
        raise InvalidInputError(problem, path=name)
