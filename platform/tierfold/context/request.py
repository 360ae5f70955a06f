"""One question to a set of sources, under a budget."""

from dataclasses import dataclass
from typing import Literal

from tierfold.context.budget import UNLIMITED, Budget
from tierfold.context.source import Source

Markers = Literal["none", "short"]
Tokenizer = Literal["o200k", "cl100k"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Everything that decides the content of an answer."""

    sources: tuple[Source, ...]
    ask: str = ""  # the question; empty is query-free
    budget: Budget = UNLIMITED
    stages: tuple[str, ...] = ()  # run exactly these; empty lets the budget decide
    markers: Markers = "short"
    tokenizer: Tokenizer = "o200k"
    model: str = "none"  # whose price the bill uses
    bypass: bool = False  # answer with the input
