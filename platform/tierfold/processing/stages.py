"""Stages: ever better rankings of the same units, each for its price in time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from tierfold.errors import UnknownStageError
from tierfold.relevance import Ranking, WorkingSet, rank_balanced, rank_fast


class Stage(Protocol):
    """One level of effort."""

    @property
    def name(self) -> str:
        """The word for it in requests, answers and metrics."""
        ...

    def rank(self, working: WorkingSet, question: str, ranked: Mapping[str, Ranking]) -> Ranking:
        """Return how likely each unit is needed; `ranked` has what earlier stages found."""
        ...


@dataclass(frozen=True, slots=True)
class Fast:
    """Lexical and static-embedding relevance with neighbours: under a millisecond."""

    name: str = "fast"

    def rank(self, working: WorkingSet, question: str, ranked: Mapping[str, Ranking]) -> Ranking:
        """Return the fast ranking; needs no earlier one."""
        del ranked
        return rank_fast(working, question)


@dataclass(frozen=True, slots=True)
class Balanced:
    """Group features, pseudo feedback and near-duplicates on top of the fast ranking."""

    name: str = "balanced"

    def rank(self, working: WorkingSet, question: str, ranked: Mapping[str, Ranking]) -> Ranking:
        """Return the balanced ranking; the fast one is made when it was not pinned."""
        fast = ranked.get("fast") or rank_fast(working, question)
        return rank_balanced(working, question, fast)


@dataclass(frozen=True, slots=True)
class Stages:
    """The registry, cheapest first."""

    in_order: tuple[Stage, ...] = (Fast(), Balanced())

    @property
    def names(self) -> tuple[str, ...]:
        """The stages there are."""
        return tuple(stage.name for stage in self.in_order)

    def pinned(self, names: tuple[str, ...]) -> tuple[Stage, ...]:
        """Return the named stages, cheapest first; all of them when none is named."""
        for name in names:
            if name not in self.names:
                raise UnknownStageError(name, known=self.names)
        return tuple(stage for stage in self.in_order if not names or stage.name in names)
