"""The engine: requests in, answers out; everything else is a face of it."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass

from tierfold.config import Limits, Settings
from tierfold.context import Answer, Request, Source, StopReason, Timing, Tokenizer, Usage
from tierfold.errors import InvalidInputError, TooLargeError
from tierfold.ports import Clock
from tierfold.processing import (
    Assembler,
    Chooser,
    Draft,
    LatencyModel,
    Pipeline,
    Prepared,
    Stages,
    TokenLimit,
    left_out,
    nominal_ms,
    require_memory,
    token_limit,
)
from tierfold.text import read, token_counter

_BYTES_PER_TOKEN = 4.3  # of English and code in UTF-8; only for choosing where work runs


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moment:
    """When a request began, on the engine's clock."""

    began_ms: float
    cpu_ms: float


class Engine:
    """Holds what outlives a request: settings, the clock, what stages have taken so far."""

    def __init__(self, *, settings: Settings, clock: Clock, stages: Stages | None = None) -> None:
        self.settings = settings
        self.clock = clock
        self.stages = stages or Stages()
        self.latency = LatencyModel()

    def prepare(
        self, sources: tuple[Source, ...], *, tokenizer: Tokenizer = "o200k", strict: bool = True
    ) -> Prepared:
        """Read the sources once, for many questions; raises CallerError for malformed ones."""
        intake = read(sources, tokenizer=tokenizer, strict=strict, limits=self.settings.limits)
        return Prepared(sources=sources, tokenizer=tokenizer, intake=intake)

    def answer(
        self,
        request: Request,
        *,
        started_ms: float | None = None,
        prepared: Prepared | None = None,
    ) -> Answer:
        """Return the final answer; the deadline counts from `started_ms` on the engine's clock."""
        moment = self._moment(started_ms)
        pipeline = self._pipeline(request, moment, prepared)
        draft = _last(pipeline.run())
        return self._finish(request, pipeline, draft, moment, is_final=True)

    def stream(
        self,
        request: Request,
        *,
        started_ms: float | None = None,
        prepared: Prepared | None = None,
    ) -> Generator[Answer]:
        """Yield the answer after each stage, the final one last; closing it stops the work."""
        moment = self._moment(started_ms)
        pipeline = self._pipeline(request, moment, prepared)
        stages_seen = 0
        for draft in pipeline.run():
            if len(draft.stages) > stages_seen:
                stages_seen = len(draft.stages)
                yield self._finish(request, pipeline, draft, moment, is_final=False)
            if draft.stop_reason is not None:
                yield self._finish(request, pipeline, draft, moment, is_final=True)

    def predict_cpu_ms(self, *, body_bytes: int) -> float:
        """Return the CPU a request of this size is expected to take, both stages included."""
        tokens = int(body_bytes / _BYTES_PER_TOKEN)
        steps = ("read", "index", *self.stages.names)
        return sum(self.latency.predict_ms(step, tokens) for step in steps)

    def _moment(self, started_ms: float | None) -> _Moment:
        now = self.clock.now_ms()
        return _Moment(
            began_ms=now if started_ms is None else started_ms, cpu_ms=self.clock.cpu_ms()
        )

    def _pipeline(self, request: Request, moment: _Moment, prepared: Prepared | None) -> Pipeline:
        _require_within(request, self.settings.limits)
        stages = self.stages.pinned(request.stages)
        if prepared is None:
            prepared = self._read(request)
        _require_same(request, prepared)
        _require_memory(request, prepared)
        assembler = Assembler(
            prepared.sources,
            prepared.intake,
            token_counter(request.tokenizer),
            markers=request.markers,
        )
        budget = request.budget
        return Pipeline(
            request=request,
            prepared=prepared,
            assembler=assembler,
            chooser=Chooser(prepared.intake, assembler),
            stages=stages,
            limit=self._token_limit(request, prepared.intake.tokens),
            deadline_ms=None if budget.latency_ms is None else moment.began_ms + budget.latency_ms,
            clock=self.clock,
            latency=self.latency,
        )

    def _read(self, request: Request) -> Prepared:
        began_ms = self.clock.now_ms()
        prepared = self.prepare(request.sources, tokenizer=request.tokenizer)
        prepared.read_ms = self.clock.now_ms() - began_ms
        self.latency.observe("read", prepared.intake.tokens, took_ms=prepared.read_ms)
        return prepared

    def _token_limit(self, request: Request, tokens: int) -> TokenLimit:
        price = self.settings.prices.model(request.model).fresh_usd / 1e6
        steps = ("read", "index", *self.stages.names)
        cpu = self._cpu_usd(steps, tokens)
        return token_limit(request.budget, usd_per_token=price, usd_fixed=cpu)

    def _cpu_usd(self, steps: tuple[str, ...], tokens: int) -> float:
        """Return the price of the steps' nominal CPU, so that a bill depends on the input alone."""
        seconds = sum(nominal_ms(step, tokens) for step in steps) / 1000
        return seconds * self.settings.prices.cpu_second_usd

    def _finish(
        self, request: Request, pipeline: Pipeline, draft: Draft, moment: _Moment, *, is_final: bool
    ) -> Answer:
        shown = draft.choice.shown
        sources, tokens = (
            (pipeline.prepared.sources, pipeline.prepared.intake.tokens)
            if draft.stop_reason in {StopReason.FITS_ALREADY, StopReason.BYPASS}
            else pipeline.assembler.assemble(shown)
        )
        return Answer(
            sources=sources,
            stop_reason=draft.stop_reason or StopReason.LAST_STAGE,
            query_free=draft.query_free,
            quality=draft.quality,
            usage=self._usage(request, pipeline.prepared.intake.tokens, tokens, draft),
            stages=draft.stages,
            left_out=left_out(pipeline.prepared.intake, shown.units),
            timing=Timing(
                total_ms=self.clock.now_ms() - moment.began_ms,
                cpu_ms=self.clock.cpu_ms() - moment.cpu_ms,
                read_ms=pipeline.prepared.read_ms,
                index_ms=pipeline.index_ms,
                stages=draft.timings,
            ),
            final=is_final,
        )

    def _usage(self, request: Request, before: int, after: int, draft: Draft) -> Usage:
        price = self.settings.prices.model(request.model).fresh_usd / 1e6
        steps = ("read", "index") if draft.stages else ("read",)
        cpu = self._cpu_usd((*steps, *(stage.stage for stage in draft.stages)), before)
        return Usage(
            prompt_tokens=after,
            original_prompt_tokens=before,
            usd_net=(before - after) * price - cpu,
            cost_usd=after * price + cpu,
        )


def _last(drafts: Iterator[Draft]) -> Draft:
    draft = next(drafts)
    for later in drafts:
        draft = later
    return draft


def _require_within(request: Request, limits: Limits) -> None:
    if len(request.ask) > limits.question_characters_max:
        raise TooLargeError(
            what="characters of ask", size=len(request.ask), limit=limits.question_characters_max
        )


def _require_memory(request: Request, prepared: Prepared) -> None:
    if request.budget.memory_bytes is not None:  # encoding the text is not free
        text_bytes = len(prepared.intake.units.text.encode())
        require_memory(
            request.budget,
            text_bytes=text_bytes,
            tokens=prepared.intake.tokens,
            units=len(prepared.intake.units),
        )


def _require_same(request: Request, prepared: Prepared) -> None:
    """Refuse a prepared context of other sources or counted by another tokenizer."""
    is_same = request.sources is prepared.sources or request.sources == prepared.sources
    if not is_same or request.tokenizer != prepared.tokenizer:
        problem = "the prepared context is of other sources or of another tokenizer"
        raise InvalidInputError(problem, path="sources")
