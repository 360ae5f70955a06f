"""The progressive pipeline: stages in order of cost, the best answer so far at every moment."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from tierfold.context import QualityReport, Request, StageReport, StageTiming, StopReason
from tierfold.ports import Clock
from tierfold.processing.assembly import Assembler
from tierfold.processing.choice import Choice, Chooser
from tierfold.processing.latency import LatencyModel
from tierfold.processing.limits import TokenLimit
from tierfold.processing.prepared import Prepared
from tierfold.processing.stages import Stage
from tierfold.relevance import Ranking, estimate_quality, smallest_budget

_FLOOR_TRIES_MAX = 6  # each gives the floor a seventh more tokens than the last
_FLOOR_STEP = 1.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The best answer so far; `stop_reason` is None while better ones may follow."""

    choice: Choice
    quality: QualityReport
    stages: tuple[StageReport, ...] = ()
    timings: tuple[StageTiming, ...] = ()
    query_free: bool
    stop_reason: StopReason | None = None


def _nothing() -> None:
    """Do nothing before ranking."""


@dataclass(slots=True, kw_only=True)
class Pipeline:
    """One request's way through the stages."""

    request: Request
    prepared: Prepared
    assembler: Assembler
    chooser: Chooser
    stages: tuple[Stage, ...]
    limit: TokenLimit
    deadline_ms: float | None  # on the clock
    clock: Clock
    latency: LatencyModel
    before_ranking: Callable[[], None] = _nothing  # called once, when the units are indexed
    index_ms: float = 0.0
    _rankings: dict[str, Ranking] = field(default_factory=dict)

    def run(self) -> Iterator[Draft]:
        """Yield a draft after every stage; the last one has a stop reason."""
        whole = self._without_stages()
        if whole is not None:
            yield whole
            return
        if not self.has_room:
            raise self.limit.too_small(self._minimum)
        draft: Draft | None = None
        for index, stage in enumerate(self.stages):
            if not self._has_time_for(stage):
                yield self._out_of_time(draft)
                return
            before, draft = draft, self._smaller(draft, self._after(stage, draft))
            reason = self._why_stop(before, draft, is_last=index + 1 == len(self.stages))
            yield replace(draft, stop_reason=reason)
            if reason is not None:
                return

    def _smaller(self, before: Draft | None, after: Draft) -> Draft:
        """Return the better of two drafts: with only a floor to meet, the smaller that meets it."""
        if before is None or not self._only_a_floor or not before.quality.floor_met:
            return after
        if after.quality.floor_met and after.choice.tokens <= before.choice.tokens:
            return after
        return replace(after, choice=before.choice, quality=before.quality)

    def _out_of_time(self, draft: Draft | None) -> Draft:
        if draft is None:
            return replace(self._newest(), stop_reason=StopReason.DEADLINE)
        is_met = self._has_floor and draft.quality.floor_met
        reason = StopReason.TARGET_QUALITY if is_met else StopReason.DEADLINE
        return replace(draft, stop_reason=reason)

    @property
    def _has_floor(self) -> bool:
        return self.request.budget.min_quality is not None

    @property
    def _only_a_floor(self) -> bool:
        return self._has_floor and self.limit.tokens is None

    @property
    def _total(self) -> int:
        return self.prepared.intake.tokens

    @property
    def _room(self) -> int:
        tokens = self.limit.tokens
        return self._total if tokens is None else min(tokens, self._total)

    def _without_stages(self) -> Draft | None:
        """Return the draft that leaves nothing out, where that is what the request wants."""
        if self.request.bypass:
            reason = StopReason.BYPASS
        elif self._fits():
            reason = StopReason.FITS_ALREADY
        else:
            return None
        quality = self._report(expected=1.0, p_floor=1.0)
        return Draft(
            choice=self.chooser.everything(),
            quality=quality,
            query_free=not self.request.ask.strip(),
            stop_reason=reason,
        )

    def _fits(self) -> bool:
        if self.limit.tokens is None:
            return self.request.budget.min_quality is None
        return self._total <= self.limit.tokens

    @property
    def has_room(self) -> bool:
        """Whether what must be kept fits the tokens."""
        return self.limit.tokens is None or self._minimum <= self.limit.tokens

    @property
    def _minimum(self) -> int:
        return min(self.chooser.pinned_tokens, self._total)

    def _has_time_for(self, stage: Stage) -> bool:
        """Return whether the stage ends in time; pinned stages run whatever they take."""
        if self.deadline_ms is None or self.request.stages:
            return True
        remaining_ms = self.deadline_ms - self.clock.now_ms()
        if not self.prepared.is_indexed:
            remaining_ms -= self.latency.predict_ms("index", self._total)
        return self.latency.is_worth_starting(stage.name, self._total, remaining_ms=remaining_ms)

    def _after(self, stage: Stage, before: Draft | None) -> Draft:
        if not self.prepared.is_indexed:
            index_began_ms = self.clock.now_ms()
            self.prepared.working()
            self.index_ms = self._observe("index", index_began_ms)
        if before is None:
            self.before_ranking()
        predicted_ms = self.latency.predict_ms(stage.name, self._total)
        began_ms = self.clock.now_ms()
        ranking = stage.rank(self.prepared.working(), self.request.ask, self._rankings)
        self._rankings[stage.name] = ranking
        choice, quality = self._choose(ranking)
        took_ms = self._observe(stage.name, began_ms)
        return Draft(
            choice=choice,
            quality=quality,
            stages=(
                *(before.stages if before else ()),
                StageReport(stage=stage.name, quality=quality.expected, tokens=choice.tokens),
            ),
            timings=(
                *(before.timings if before else ()),
                StageTiming(stage=stage.name, predicted_ms=predicted_ms, ms=took_ms),
            ),
            query_free=ranking.query_free,
        )

    def _observe(self, step: str, began_ms: float) -> float:
        took_ms = self.clock.now_ms() - began_ms
        self.latency.observe(step, self._total, took_ms=took_ms)
        return took_ms

    def _choose(self, ranking: Ranking) -> tuple[Choice, QualityReport]:
        """Return the best choice within the budget; with a floor, the smallest that meets it."""
        floor, room = self.request.budget.min_quality, self._room
        if floor is None:
            return self._choice_within(room, ranking)
        working = self.prepared.working()
        tokens = smallest_budget(working, ranking, floor=floor)
        budget = max(tokens, self.chooser.pinned_tokens)
        for _ in range(_FLOOR_TRIES_MAX):
            choice, quality = self._choice_within(min(budget, room), ranking)
            if quality.floor_met or budget >= room:
                return choice, quality
            budget = int(budget * _FLOOR_STEP) + 1
        return self._choice_within(room, ranking)

    def _choice_within(self, budget: int, ranking: Ranking) -> tuple[Choice, QualityReport]:
        choice = self.chooser.choose(ranking.probability, budget, exponent=ranking.density_exponent)
        if choice.tokens >= self._total:  # markers cost more than what they stand for
            choice = self.chooser.everything()
        estimate = estimate_quality(
            self.prepared.working(),
            ranking,
            choice.shown.units,
            floor=self.request.budget.min_quality,
        )
        return choice, self._report(expected=estimate.expected, p_floor=estimate.p_floor)

    def _newest(self) -> Draft:
        """Return the answer that needs no scoring: pinned units, then the newest that fit."""
        count = len(self.prepared.intake.units)
        value = np.linspace(0, 1, count + 1, dtype=np.float32)[1:]
        choice = self.chooser.choose(value, self._room, exponent=0.0)
        # Without a question's say, evidence is as likely here as anywhere: its share is the
        # share of the tokens (measured for the tail of six kinds of content).
        share = choice.tokens / max(self._total, 1)
        floor = self.request.budget.min_quality
        return Draft(
            choice=choice,
            quality=self._report(expected=share, p_floor=float(floor is None or share >= floor)),
            query_free=True,
        )

    def _report(self, *, expected: float, p_floor: float) -> QualityReport:
        floor = self.request.budget.min_quality
        return QualityReport(
            expected=expected,
            floor=floor,
            p_floor=p_floor,
            floor_met=floor is None or expected >= floor,
        )

    def _why_stop(self, before: Draft | None, draft: Draft, *, is_last: bool) -> StopReason | None:
        may_stop = is_last or not (self.request.stages or self._only_a_floor)
        if self._has_floor and draft.quality.floor_met and may_stop:
            return StopReason.TARGET_QUALITY
        if is_last:
            gained = before is None or not np.array_equal(
                before.choice.shown.units, draft.choice.shown.units
            )
            return StopReason.LAST_STAGE if gained else StopReason.NO_GAIN
        return None
