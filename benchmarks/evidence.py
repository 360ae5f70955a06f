"""Recall of evidence: every query of a set, folded at several ratios, beside the baseline."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.baselines import StemmedBm25
from benchmarks.data import Context, EvaluationSet, Query, as_sources, segment_places
from tierfold.config import Settings
from tierfold.context import Answer, Budget, Markers, Request
from tierfold.engine import Engine, MonotonicClock
from tierfold.processing import Prepared

RATIOS = (0.50, 0.25, 0.10, 0.05)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One query at one ratio."""

    kind: str
    conversation: str
    ratio: float
    recall: float
    baseline: float
    expected: float  # the answer's own estimate
    tokens: int
    budget: int
    context_tokens: int


class EvidenceMeter:
    """Puts queries to prepared contexts, as the engine's users do."""

    def __init__(self, evaluation: EvaluationSet, *, stage: str, markers: Markers) -> None:
        self._evaluation = evaluation
        self._stages = ("fast",) if stage == "fast" else ("fast", stage)
        self._markers = markers
        self.engine = Engine(settings=Settings(), clock=MonotonicClock())
        self._prepared: dict[str, Prepared] = {}
        self._baselines: dict[str, StemmedBm25] = {}

    def outcomes(self, ratios: Sequence[float] = RATIOS) -> list[Outcome]:
        """Return what every query reached at every ratio."""
        return [
            self._outcome(query, ratio) for query in self._evaluation.queries for ratio in ratios
        ]

    def answer(self, query: Query, budget: Budget, *, is_fresh: bool = False) -> Answer:
        """Return the answer to one query; `is_fresh` reads the context anew."""
        context = self.context(query)
        request = Request(
            sources=as_sources(context),
            ask=query.question,
            budget=budget,
            stages=self._stages,
            markers=self._markers,
        )
        prepared = None if is_fresh else self._prepare(context, request)
        return self.engine.answer(request, prepared=prepared)

    def context(self, query: Query) -> Context:
        """Return the context the query is put to."""
        return self._evaluation.contexts[query.context_id]

    def kept(self, context: Context, answer: Answer) -> set[int]:
        """Return the segments that are whole in the answer."""
        places = segment_places(context)
        for run in answer.left_out:
            places.pop((run.source, run.part or 0), None)
        return set(places.values())

    def _outcome(self, query: Query, ratio: float) -> Outcome:
        context = self.context(query)
        budget = int(ratio * sum(context.tokens))
        answer = self.answer(query, Budget(max_tokens=budget))
        return Outcome(
            kind=context.kind,
            conversation=context.conversation,
            ratio=ratio,
            recall=query.recall(self.kept(context, answer)),
            baseline=query.recall(self._baseline(context).kept(query.question, budget)),
            expected=answer.quality.expected,
            tokens=answer.tokens,
            budget=budget,
            context_tokens=answer.usage.original_prompt_tokens,
        )

    def _prepare(self, context: Context, request: Request) -> Prepared:
        if context.id not in self._prepared:
            self._prepared[context.id] = self.engine.prepare(request.sources)
        return self._prepared[context.id]

    def _baseline(self, context: Context) -> StemmedBm25:
        if context.id not in self._baselines:
            self._baselines[context.id] = StemmedBm25(context)
        return self._baselines[context.id]


def macro(outcomes: Iterable[Outcome], value: str = "recall") -> float:
    """Return the unweighted mean over kinds of the mean over queries."""
    return float(np.mean(list(by_kind(outcomes, value).values())))


def by_kind(outcomes: Iterable[Outcome], value: str = "recall") -> dict[str, float]:
    """Return the mean over queries, kind by kind."""
    kinds: dict[str, list[float]] = defaultdict(list)
    for outcome in outcomes:
        kinds[outcome.kind].append(getattr(outcome, value))
    return {kind: float(np.mean(values)) for kind, values in sorted(kinds.items())}


def macro_gain_interval(outcomes: Sequence[Outcome], *, draws: int = 2000) -> tuple[float, float]:
    """Return the 95 % interval of the macro gain over the baseline, drawing conversations."""
    dice = np.random.default_rng(11)
    means = np.zeros(draws)
    kinds = sorted({outcome.kind for outcome in outcomes})
    for kind in kinds:
        gains: dict[str, list[float]] = defaultdict(list)
        for outcome in outcomes:
            if outcome.kind == kind:
                gains[outcome.conversation].append(outcome.recall - outcome.baseline)
        sums = np.array([sum(values) for values in gains.values()])
        counts = np.array([len(values) for values in gains.values()])
        drawn = dice.integers(0, len(sums), (draws, len(sums)))
        means += sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.percentile(means / len(kinds), [2.5, 97.5])
    return float(low), float(high)
