"""The engine: requests in, answers out; everything else is a face of it."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

from tierfold.config import Limits, Settings
from tierfold.context import Answer, Request, Source, StopReason, Timing, Tokenizer, Usage
from tierfold.engine.held_bytes import held_bytes
from tierfold.engine.pool_keeper import PoolKeeper
from tierfold.engine.process_memory import unlimited_keeper
from tierfold.engine.request_memory import (
    CHARACTERS_READ_MIN,
    RequestLeases,
    RequestMemory,
    reading_of,
)
from tierfold.errors import CallerError, InvalidInputError, TooLargeError
from tierfold.ports import Clock
from tierfold.processing import (
    Assembler,
    Chooser,
    Draft,
    LatencyModel,
    Newest,
    Pipeline,
    Places,
    Prepared,
    Stages,
    TokenLimit,
    characters_of,
    has_keep_mark,
    may_read_less,
    newest,
    nominal_ms,
    require_memory,
    shares_of,
    token_limit,
    tokens_of,
)
from tierfold.text import read, token_counter

_CHARACTERS_PER_TOKEN = 4.0  # of English; only for what there is time to read
_INDEXED_PER_READ = 2  # bytes of a prepared context, its index to come included
_BYTES_PER_TOKEN = 4.3  # of English and code in UTF-8; only for choosing where work runs


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moment:
    """When a request began, on the engine's clock."""

    began_ms: float
    cpu_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """What a job begins with: when, and with which memory."""

    moment: _Moment
    leases: RequestLeases


@dataclass(frozen=True, slots=True, kw_only=True)
class _Room:
    """How much of the sources is read, and why not all."""

    characters_max: int
    reason: StopReason  # deadline or memory


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One request on its way."""

    request: Request
    pipeline: Pipeline
    moment: _Moment
    newest: Newest | None  # the part that is read, where there is no time or memory for all
    reason: StopReason = StopReason.DEADLINE  # why not all is read


class Engine:
    """Holds what outlives a request: settings, the clock, what stages have taken so far."""

    def __init__(
        self,
        *,
        settings: Settings,
        clock: Clock,
        stages: Stages | None = None,
        keeper: PoolKeeper | None = None,
    ) -> None:
        self.settings = settings
        self.memory = RequestMemory(keeper or unlimited_keeper(), settings.memory)
        self.clock = clock
        self.stages = stages or Stages()
        self.latency = LatencyModel()

    def prepare(
        self, sources: tuple[Source, ...], *, tokenizer: Tokenizer = "o200k", strict: bool = True
    ) -> Prepared:
        """Read the sources once, for many questions; raises CallerError for malformed ones.

        Its memory is leased for as long as it lives; raises OverloadError where there is none.
        """
        characters, wait_ms = characters_of(sources), self.memory.wait_ms(None)
        lease = self.memory.read(reading_of(sources), characters, wait_ms=wait_ms)
        try:
            intake = read(sources, tokenizer=tokenizer, strict=strict, limits=self.settings.limits)
        except BaseException:
            lease.release()
            raise
        prepared = Prepared(sources=sources, tokenizer=tokenizer, intake=intake)
        lease.keep(prepared)
        lease.resize(_INDEXED_PER_READ * held_bytes(sources, intake))
        return prepared

    def answer(
        self,
        request: Request,
        *,
        started_ms: float | None = None,
        prepared: Prepared | None = None,
        part: Newest | None = None,
    ) -> Answer:
        """Return the final answer; the deadline counts from `started_ms` on the engine's clock.

        `part` says what the sources are of the whole, where some of a stored context was not read.
        """
        moment = self._moment(started_ms)
        with self._leases(request, moment) as leases:
            start = _Start(moment=moment, leases=leases)
            return self._answered(request, start, prepared, part)

    def stream(
        self,
        request: Request,
        *,
        started_ms: float | None = None,
        prepared: Prepared | None = None,
        part: Newest | None = None,
    ) -> Generator[Answer]:
        """Yield the answer after each stage, the final one last; closing it stops the work."""
        moment = self._moment(started_ms)
        with self._leases(request, moment) as leases:
            yield from self._streamed(request, _Start(moment=moment, leases=leases), prepared, part)

    def _answered(
        self, request: Request, start: _Start, prepared: Prepared | None, part: Newest | None
    ) -> Answer:
        """Return the final answer; what the job held is gone when its leases are given back."""
        job = self._job(request, start, prepared, part)
        return self._finish(job, _last(job.pipeline.run()), is_final=True)

    def _streamed(
        self, request: Request, start: _Start, prepared: Prepared | None, part: Newest | None
    ) -> Generator[Answer]:
        job = self._job(request, start, prepared, part)
        stages_seen = 0
        for draft in job.pipeline.run():
            if len(draft.stages) > stages_seen:
                stages_seen = len(draft.stages)
                yield self._finish(job, draft, is_final=False)
            if draft.stop_reason is not None:
                yield self._finish(job, draft, is_final=True)

    def predict_cpu_ms(self, *, body_bytes: int) -> float:
        """Return the CPU a request of this size is expected to take, both stages included."""
        tokens = int(body_bytes / _BYTES_PER_TOKEN)
        steps = ("read", "index", *self.stages.names)
        return sum(self.latency.predict_ms(step, tokens) for step in steps)

    def predict_warm_ms(self, tokens: int, stages: tuple[str, ...] = ()) -> float:
        """Return the CPU of a question to a working set of so many tokens: these stages, or all."""
        return sum(self.latency.predict_ms(step, tokens) for step in stages or self.stages.names)

    def characters_in_time(self, remaining_ms: float) -> int:
        """Return how much can be read and ranked in so many milliseconds; never nothing."""
        steps = ("read", "index", self.stages.names[0])
        tokens = self.latency.largest_in_time(steps, remaining_ms=remaining_ms)
        return max(int(tokens * _CHARACTERS_PER_TOKEN), CHARACTERS_READ_MIN)

    def _moment(self, started_ms: float | None) -> _Moment:
        now = self.clock.now_ms()
        return _Moment(
            began_ms=now if started_ms is None else started_ms, cpu_ms=self.clock.cpu_ms()
        )

    def _leases(self, request: Request, moment: _Moment) -> RequestLeases:
        latency_ms = request.budget.latency_ms
        if latency_ms is None:
            return self.memory.request()
        return self.memory.request(moment.began_ms + latency_ms - self.clock.now_ms())

    def _job(
        self,
        request: Request,
        start: _Start,
        prepared: Prepared | None,
        part: Newest | None,
    ) -> _Job:
        _require_within(request, self.settings.limits)
        if part is not None:
            return self._partial(request, start, part)
        _require_places(request, None if prepared is None else prepared.places)
        if prepared is None:
            room = self._room(request, start)
            shortened = None if room is None else self._shortened(request, start, room)
            if shortened is not None:
                return shortened
            start.leases.read_all(characters_of(request.sources))
            prepared = self._read(request)
        _require_same(request, prepared)
        pipeline = self._pipeline(request, start, prepared, tokens_reserved=0)
        return _Job(request=request, pipeline=pipeline, moment=start.moment, newest=None)

    def _partial(self, request: Request, start: _Start, part: Newest) -> _Job:
        """Return the job on what was read of the store, or on as much of it as there is room for.

        A chat is read leniently: its owner is not who asks, and its older rows may be missing.
        """
        _require_places(request, part.places)
        room = self._room(request, start)
        reason = StopReason.MEMORY if part.is_for_memory else StopReason.DEADLINE
        if room is not None:
            part = newest(part.sources, room.characters_max, ask=request.ask).within(part)
            reason = room.reason
        shorter = replace(request, sources=part.sources)
        prepared = self._read(shorter, places=part.places, strict=False)
        return self._on_newest(shorter, start, prepared, part, reason)

    def _shortened(self, request: Request, start: _Start, room: _Room) -> _Job | None:
        """Return the job on the newest part, where there is no time or memory for all."""
        part = newest(request.sources, room.characters_max, ask=request.ask)
        shorter = replace(request, sources=part.sources)
        try:
            job = self._on_newest(shorter, start, self._read(shorter), part, room.reason)
        except CallerError:
            return None  # read whole, the refusal names the caller's own places
        return job if job.pipeline.has_room else None  # the refusal should speak of the whole

    def _on_newest(
        self,
        request: Request,
        start: _Start,
        prepared: Prepared,
        part: Newest,
        reason: StopReason,
    ) -> _Job:
        count = token_counter(request.tokenizer).count
        reserved = part.marker_tokens_max(request.markers, count)
        pipeline = self._pipeline(request, start, prepared, tokens_reserved=reserved)
        return _Job(
            request=request, pipeline=pipeline, moment=start.moment, newest=part, reason=reason
        )

    def _room(self, request: Request, start: _Start) -> _Room | None:
        """Lease what reading takes; returns how much is read, None where all is.

        Raises OverloadError or TooLargeError where all must be read and there is no memory for it.
        """
        characters = characters_of(request.sources)
        may_read_less = _may_read_less(request)
        in_time = characters
        if may_read_less and request.budget.latency_ms is not None:
            end_ms = start.moment.began_ms + request.budget.latency_ms
            in_time = min(self.characters_in_time(end_ms - self.clock.now_ms()), characters)
        reading = reading_of(request.sources)
        leased = start.leases.read(reading, in_time, may_read_less=may_read_less)
        if leased < in_time:
            return _Room(characters_max=leased, reason=StopReason.MEMORY)
        if in_time < characters:
            return _Room(characters_max=in_time, reason=StopReason.DEADLINE)
        return None

    def _pipeline(
        self, request: Request, start: _Start, prepared: Prepared, *, tokens_reserved: int
    ) -> Pipeline:
        _require_memory(request, prepared)
        assembler = Assembler(
            prepared.sources,
            prepared.intake,
            token_counter(request.tokenizer),
            markers=request.markers,
            places=prepared.places,
            layout=prepared.layout,
        )
        limit = self._token_limit(request, prepared.intake.tokens)
        latency_ms = request.budget.latency_ms
        return Pipeline(
            request=request,
            prepared=prepared,
            assembler=assembler,
            chooser=Chooser(prepared.intake, assembler),
            stages=self.stages.pinned(request.stages),
            limit=limit.less(tokens_reserved),
            deadline_ms=None if latency_ms is None else start.moment.began_ms + latency_ms,
            clock=self.clock,
            latency=self.latency,
            before_ranking=lambda: _rank(prepared, start.leases),
        )

    def _read(
        self, request: Request, *, places: Places | None = None, strict: bool = True
    ) -> Prepared:
        began_ms = self.clock.now_ms()
        limits = self.settings.limits
        intake = read(request.sources, tokenizer=request.tokenizer, strict=strict, limits=limits)
        prepared = Prepared(
            sources=request.sources, tokenizer=request.tokenizer, intake=intake, places=places
        )
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

    def _finish(self, job: _Job, draft: Draft, *, is_final: bool) -> Answer:
        pipeline, shown = job.pipeline, draft.choice.shown
        is_whole = draft.stop_reason in {StopReason.FITS_ALREADY, StopReason.BYPASS}
        sources, tokens = (
            (pipeline.prepared.sources, pipeline.prepared.intake.tokens)
            if is_whole
            else pipeline.assembler.assemble(shown)
        )
        answer = Answer(
            sources=sources,
            stop_reason=draft.stop_reason or StopReason.LAST_STAGE,
            query_free=draft.query_free,
            quality=draft.quality,
            usage=self._usage(job.request, pipeline.prepared.intake.tokens, tokens, draft),
            stages=draft.stages,
            left_out=pipeline.prepared.left_out.of(shown.units),
            timing=self._timing(job, draft),
            final=is_final,
        )
        counter = token_counter(job.request.tokenizer)
        intake = pipeline.prepared.intake
        unread: tuple[int, ...] = ()
        if job.newest is not None:
            answer = job.newest.completed(
                answer,
                count=lambda sources: tokens_of(sources, counter),
                markers=job.request.markers,
                reason=job.reason,
            )
            unread = job.newest.tokens_unread(answer.usage.original_prompt_tokens - intake.tokens)
        shares = shares_of(answer.sources, intake, counter, tokens_unread=unread)
        return replace(answer, shares=shares) if shares else answer

    def _timing(self, job: _Job, draft: Draft) -> Timing:
        return Timing(
            total_ms=self.clock.now_ms() - job.moment.began_ms,
            cpu_ms=self.clock.cpu_ms() - job.moment.cpu_ms,
            read_ms=job.pipeline.prepared.read_ms,
            index_ms=job.pipeline.index_ms,
            stages=draft.timings,
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


def _may_read_less(request: Request) -> bool:
    """Return whether the newest part alone may be read."""
    may = may_read_less(request.budget, stages=request.stages, bypass=request.bypass)
    return may and not has_keep_mark(request.sources)


def _rank(prepared: Prepared, leases: RequestLeases) -> None:
    """Account for what was read as what it holds, and lease what ranking it takes."""
    if leases.has_read:
        held = held_bytes(prepared.sources, prepared.intake)
        leases.settle(held + prepared.working().size_bytes)
    leases.rank(len(prepared.intake.units))


def _require_within(request: Request, limits: Limits) -> None:
    if len(request.ask) > limits.question_characters_max:
        raise TooLargeError(
            what="characters of ask", size=len(request.ask), limit=limits.question_characters_max
        )


def _require_places(request: Request, places: Places | None) -> None:
    """Refuse handles where nothing is stored that they could bring back."""
    if request.markers == "handles" and places is None:
        problem = "handles need one stored context as the only source; else use short or none"
        raise InvalidInputError(problem, path="markers")


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
