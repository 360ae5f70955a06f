"""An engine, a worker and a desk that do nothing but remember what was asked of them."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
from fastapi import FastAPI

from tierfold.config import Limits, Settings
from tierfold.context import (
    Answer,
    QualityReport,
    Request,
    StageReport,
    StageTiming,
    StopReason,
    Timing,
    Usage,
)
from tierfold.processing import Newest, Prepared
from tierfold.wire import CompressRequest
from tierfold_actors.answering import Answering, Call, Reply
from tierfold_actors.desk import Desk
from tierfold_actors.gateway import create_api
from tierfold_actors.keys import Keyring
from tierfold_actors.work import Work, WorkLimits, body_ledgers
from tierfold_actors.worker_process import Cancellable

SMALL_LIMITS = Limits(body_bytes_max=4096, inline_body_bytes_max=2048)


class RealClock:
    """The machine's clock."""

    def now_ms(self) -> float:
        return time.monotonic_ns() / 1e6

    def cpu_ms(self) -> float:
        return time.thread_time_ns() / 1e6


@dataclass
class FakeEngine:
    """Answers with the input; each step is noted with its question, stage and thread."""

    settings: Settings = field(default_factory=lambda: Settings(limits=SMALL_LIMITS))
    clock: RealClock = field(default_factory=RealClock)
    predicted_ms: float = 1.0
    steps: list[tuple[str, str, str]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)  # pool threads wait for it
    gated_stage: str = ""  # only there; empty is every stage
    error: Exception | None = None
    error_stage: str = "fast"
    closed: int = 0

    def __post_init__(self) -> None:
        self.gate.set()

    def answer(
        self,
        request: Request,
        *,
        started_ms: float | None = None,
        prepared: Prepared | None = None,
        part: Newest | None = None,
    ) -> Answer:
        steps = self.stream(request, started_ms=started_ms, prepared=prepared, part=part)
        return list(steps)[-1]

    def stream(
        self,
        request: Request,
        *,
        started_ms: float | None = None,
        prepared: Prepared | None = None,
        part: Newest | None = None,
    ) -> Iterator[Answer]:
        assert started_ms is not None
        assert prepared is None or prepared.sources is request.sources
        assert part is None or part.sources == request.sources
        self.requests.append(request)
        try:
            stages: tuple[str, ...] = ()
            for stage in ("fast", "balanced"):
                self._work(request, stage)
                stages = (*stages, stage)
                yield _answer(request, stages, is_final=False)
            yield _answer(request, stages, is_final=True)
        finally:
            self.closed += 1

    def characters_in_time(self, remaining_ms: float) -> int:
        return max(4_000, int(remaining_ms * 1_000))

    def predict_cpu_ms(self, *, body_bytes: int) -> float:
        assert body_bytes > 0
        return self.predicted_ms

    def predict_warm_ms(self, tokens: int, stages: tuple[str, ...] = ()) -> float:
        assert tokens >= 0
        assert stages is not None
        return self.predicted_ms

    def _work(self, request: Request, stage: str) -> None:
        if threading.current_thread() is not threading.main_thread():
            assert self.gated_stage not in {"", stage} or self.gate.wait(10)
        self.steps.append((request.ask, stage, threading.current_thread().name))
        if self.error is not None and stage == self.error_stage:
            raise self.error


def _answer(request: Request, stages: tuple[str, ...], *, is_final: bool) -> Answer:
    reports = tuple(StageReport(stage=stage, quality=0.9, tokens=10) for stage in stages)
    timings = tuple(StageTiming(stage=stage, predicted_ms=1.0, ms=2.0) for stage in stages)
    return Answer(
        sources=request.sources,
        stop_reason=StopReason.BYPASS if request.bypass else StopReason.LAST_STAGE,
        query_free=not request.ask,
        quality=QualityReport(expected=0.9, floor=None, p_floor=0.9, floor_met=True),
        usage=Usage(prompt_tokens=10, original_prompt_tokens=25, usd_net=0.0, cost_usd=0.0),
        stages=reports,
        left_out=(),
        timing=Timing(total_ms=4.0, cpu_ms=4.0, stages=timings),
        final=is_final,
    )


def fake_compress(request: CompressRequest) -> dict[str, Any]:
    """Leave every row as it is."""
    return {
        "messages": [message.to_dict() for message in request.messages],
        "tokens_before": 10,
        "tokens_after": 10,
        "tokens_saved": 0,
        "compression_ratio": 1.0,
        "transforms_applied": [],
        "compression_skipped": True,
        "skip_reason": "frozen" if request.frozen_message_count else "nothing_reversible_pays",
        "ignored_fields": list(request.ignored_fields),
    }


@dataclass
class FakeWorker:
    """Answers large bodies in the lane's own thread."""

    answering: Answering
    calls: list[Call] = field(default_factory=list)
    is_closed: bool = False

    def replies(self, call: Call, caller: Cancellable) -> Iterator[Reply]:
        assert not caller.is_cancelled
        self.calls.append(call)
        return self.answering.replies(call)

    def close(self) -> None:
        self.is_closed = True


@dataclass
class Bench:
    """A gateway on the bench: its application and everything behind it."""

    engine: FakeEngine = field(default_factory=FakeEngine)
    limits: WorkLimits = field(default_factory=lambda: WorkLimits(inline_body_bytes_max=2048))
    keyring: Keyring = field(default_factory=lambda: Keyring(None))

    def __post_init__(self) -> None:
        self.answering = Answering(self.engine, fake_compress)
        self.worker = FakeWorker(self.answering)
        self.work = Work(self.answering, self.worker, self.limits)
        self.ledgers = body_ledgers(self.limits, self.engine.settings.limits)

    @property
    def desk(self) -> Desk:
        return Desk(
            work=self.work,
            ledgers=self.ledgers,
            keyring=self.keyring,
            clock=self.engine.clock,
            settings=self.engine.settings,
            version="1.2.3",
        )

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        """Talk to the application without a server."""
        async with talk_to(create_api(self.desk)) as client:
            yield client
        self.work.close()


async def until(is_reached: Callable[[], bool]) -> None:
    """Wait for what a thread does; at most 5 s."""
    async with asyncio.timeout(5):
        while not is_reached():  # noqa: ASYNC110  # threads set it, not the loop
            await asyncio.sleep(0.001)


@asynccontextmanager
async def talk_to(api: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=api, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        yield client


def call(ask: str = "who?", *, size: int = 0, **options: Any) -> Call:
    """Return a call to /v1/process whose body has at least `size` bytes."""
    padding = b" " * size
    body = b'{"ask": "%b", "sources": [{"text": "It was me."}]}' % ask.encode()
    return replace(
        Call(route="process", body=body + padding, request_id="r", started_ms=0.0), **options
    )
