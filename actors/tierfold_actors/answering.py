"""From the bytes of a request to the bytes of its replies: no event loop, no framework.

The same code runs in the event loop, in the pool's thread and in the worker process.
"""

import logging
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, TypeVar

import orjson

from tierfold.config import Settings
from tierfold.context import Answer, Request, Timing
from tierfold.engine.verbs import Ready
from tierfold.errors import CallerError, TierfoldError
from tierfold.ports import Clock
from tierfold.processing import Newest, Prepared, characters_of
from tierfold.wire import (
    CompressRequest,
    Question,
    ReadContext,
    answer_body,
    encode_event,
    parse_compress,
    parse_process,
)
from tierfold_actors.problems import InternalError, problem_reply_body
from tierfold_actors.warm_cost import WarmCost
from tierfold_actors.writes import Write, WriteRoute, packed_write

Asked = TypeVar("Asked", Request, Question)
Route = Literal["process", "compress"]
JSON_MEDIA_TYPE = "application/json"
EVENT_MEDIA_TYPE = "text/event-stream"
PARSED_BYTES_PER_MS = 30_000  # of a body, hashed and cut where it is to be stored

_LOGGER = logging.getLogger(__name__)


class FoldingEngine(Protocol):
    """What the gateway asks of `tierfold.engine.Engine`."""

    @property
    def settings(self) -> Settings:
        """The limits of requests among them."""
        ...

    @property
    def clock(self) -> Clock:
        """What deadlines are measured with."""
        ...

    def answer(
        self,
        request: Request,
        *,
        started_ms: float | None = None,
        prepared: Prepared | None = None,
        part: Newest | None = None,
    ) -> Answer:
        """Return the final answer."""
        ...

    def stream(
        self,
        request: Request,
        *,
        started_ms: float | None = None,
        prepared: Prepared | None = None,
        part: Newest | None = None,
    ) -> Iterator[Answer]:
        """Yield an answer per stage, the final one last."""
        ...

    def characters_in_time(self, remaining_ms: float) -> int:
        """Return how much can be read and ranked in so many milliseconds."""
        ...

    def predict_cpu_ms(self, *, body_bytes: int) -> float:
        """Return the CPU a request of this size is expected to take."""
        ...

    def predict_warm_ms(self, tokens: int, stages: tuple[str, ...] = ()) -> float:
        """Return the CPU a question on a prepared context is expected to take."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadQuestion:
    """A question that is parsed, and whose stored contexts are read."""

    question: Question
    ready: Ready

    @property
    def prepared(self) -> Prepared | None:
        """What the engine need not do again: there is one where one stored context is all."""
        return None if self.ready.working is None else self.ready.working.prepared


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request as it came in."""

    route: Route | WriteRoute
    body: bytes = field(repr=False)  # no log or traceback shows a caller's text
    request_id: str
    started_ms: float  # when the headers were there, on the machine's monotonic clock
    is_stream: bool = False  # the caller wants every stage as an event
    is_bypass: bool = False  # the caller wants the input back
    wait_ms: float | None = None  # soft deadline of the `Prefer` header; the body's own wins
    read: ReadQuestion | None = field(default=None, repr=False)  # then the body is not parsed again

    @property
    def is_write(self) -> bool:
        """Whether it is a change: what comes of its body goes to a shard, not back."""
        return self.route not in {"process", "compress"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A piece of what goes back; the last one of a call is final.

    A reply that is neither final nor has a body says only that a stage is done: whoever runs the
    call may stop there.
    """

    status: int = 200
    media_type: str = JSON_MEDIA_TYPE
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    write: Write | None = field(default=None, repr=False)  # a change's, unpacked from the body
    is_final: bool = True

    @property
    def is_problem(self) -> bool:
        """Whether the call ended in an error."""
        return self.status >= 400  # noqa: PLR2004  # HTTP's own border


_STAGE_DONE = Reply(is_final=False)
_UNINTERRUPTED_BODY_BYTES_MAX = 64 * 1024  # some 20 ms of work: sooner done than stopped
_UNINTERRUPTED_CPU_MS_MAX = 20.0


class Answering:
    """Parses a call, lets the engine work and encodes what comes out."""

    def __init__(
        self,
        engine: FoldingEngine,
        compress: Callable[[CompressRequest], dict[str, Any]],
    ) -> None:
        self._engine = engine
        self._compress = compress
        self._warm_cost = WarmCost()

    def predict_cpu_ms(self, call: Call) -> float:
        """Return the CPU a call is expected to take."""
        match call.route:
            case "process" if call.read is not None:
                return self._predict_read_ms(call.read)
            case "process" | "compress":
                return self._engine.predict_cpu_ms(body_bytes=len(call.body))
            case _:
                return len(call.body) / PARSED_BYTES_PER_MS

    def predict_building_ms(self, size_bytes: int) -> float:
        """Return the CPU it is expected to take to make so much text ready for questions."""
        return self._engine.predict_cpu_ms(body_bytes=size_bytes) if size_bytes else 0.0

    def characters_in_time(self, remaining_ms: float) -> int:
        """Return how much can be read and ranked in so many milliseconds."""
        return self._engine.characters_in_time(remaining_ms)

    def replies(self, call: Call) -> Iterator[Reply]:
        """Yield at least one reply, the last one final; errors are replies too."""
        try:
            yield from self._replies(call)
        except TierfoldError as error:
            yield problem_reply(error, call)
        except Exception as error:  # noqa: BLE001  # the caller gets a problem document, we a log line
            log_unforeseen(error, call)
            yield problem_reply(InternalError(), call)

    def _replies(self, call: Call) -> Iterator[Reply]:
        match call.route:
            case "compress":
                yield from self._compressed(call)
            case "process":
                yield from self._folded(call)
            case route:
                yield Reply(body=packed_write(route, call.body, self._engine.settings.limits))

    def _predict_read_ms(self, read: ReadQuestion) -> float:
        if read.prepared is not None:
            tokens, stages = read.prepared.intake.tokens, read.question.stages
            if stages:
                return self._warm_cost.predict_ms(tokens, stages)
            return self._engine.predict_warm_ms(tokens)
        return self._engine.predict_cpu_ms(body_bytes=max(1, characters_of(read.ready.sources)))

    def _compressed(self, call: Call) -> Iterator[Reply]:
        request = parse_compress(call.body, self._engine.settings.limits)
        yield _STAGE_DONE
        body = self._unchanged(request, "bypass") if call.is_bypass else self._shortened(request)
        yield Reply(
            body=orjson.dumps(body),
            headers={"x-tierfold-tokens-saved": str(body["tokens_saved"])},
        )

    def _shortened(self, request: CompressRequest) -> dict[str, Any]:
        """Never refuse well-formed rows: whoever speaks this wire gives up on a 4xx."""
        try:
            return self._compress(request)
        except CallerError as error:  # an option asks for what cannot be
            return self._unchanged(request, error.title.replace(" ", "_"))

    def _unchanged(self, request: CompressRequest, reason: str) -> dict[str, Any]:
        """Only count: without a budget nothing is left out, and frozen rows are not rewritten."""
        idle = replace(
            request,
            token_budget=None,
            target_ratio=None,
            frozen_message_count=len(request.messages),
        )
        return self._compress(idle) | {"skip_reason": reason}

    def _folded(self, call: Call) -> Iterator[Reply]:
        said = self._said(call)
        yield _STAGE_DONE
        encode = _event if call.is_stream else _document
        for number, answer in enumerate(self._answers(said, call)):
            yield encode(answer, said, number)

    def _said(self, call: Call) -> "_Said":
        read = call.read
        if read is None:
            parsed = parse_process(call.body, self._engine.settings.limits)
            request = with_headers(parsed.request, call)
            return _Said(request=request, ignored_fields=parsed.ignored_fields)
        question, ready = read.question, read.ready
        return _Said(
            request=with_headers(question.request(ready.sources), call),
            ignored_fields=question.ignored_fields,
            prepared=read.prepared,
            part=ready.part,
            contexts=ready.accounts,
        )

    def _answers(self, said: "_Said", call: Call) -> Iterator[Answer]:
        """Stop between stages where that is worth the drafts it costs."""
        given: dict[str, Any] = {
            "started_ms": call.started_ms,
            "prepared": said.prepared,
            "part": said.part,
        }
        if call.is_stream or self._is_long(call):
            return self._engine.stream(said.request, **given)
        answer = self._engine.answer(said.request, **given)
        if said.prepared is not None:
            self._learn(said.prepared, answer.timing)
        return iter((answer,))

    def _learn(self, prepared: Prepared, timing: Timing) -> None:
        stages = [each.stage for each in timing.stages]
        if stages:
            self._warm_cost.observe(prepared.intake.tokens, stages, cpu_ms=timing.cpu_ms)

    def _is_long(self, call: Call) -> bool:
        if call.read is None:
            return len(call.body) > _UNINTERRUPTED_BODY_BYTES_MAX
        return self._predict_read_ms(call.read) > _UNINTERRUPTED_CPU_MS_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What the engine is asked, and what the answer says besides."""

    request: Request
    ignored_fields: tuple[str, ...]
    prepared: Prepared | None = None
    part: Newest | None = None
    contexts: tuple[ReadContext, ...] = ()


def problem_reply(error: TierfoldError, call: Call) -> Reply:
    """Return the error as the route's own kind of document."""
    media_type, headers, body = problem_reply_body(
        error, request_id=call.request_id, is_openai_shaped=call.route == "compress"
    )
    return Reply(status=error.status, media_type=media_type, headers=headers, body=body)


def with_headers(request: Asked, call: Call) -> Asked:
    """Return what was asked with what its headers ask for."""
    if call.wait_ms is not None and request.budget.latency_ms is None:
        request = replace(request, budget=replace(request.budget, latency_ms=call.wait_ms))
    return replace(request, bypass=True) if call.is_bypass else request


def _document(answer: Answer, said: _Said, _number: int) -> Reply:
    if not answer.final:
        return _STAGE_DONE
    return Reply(body=orjson.dumps(_body(answer, said)), headers=_result_headers(answer))


def _event(answer: Answer, said: _Said, number: int) -> Reply:
    name = "result" if answer.final else "stage"
    event = encode_event(name, _body(answer, said), event_id=str(number + 1))
    return Reply(media_type=EVENT_MEDIA_TYPE, body=event, is_final=answer.final)


def _body(answer: Answer, said: _Said) -> dict[str, Any]:
    return answer_body(answer, ignored_fields=said.ignored_fields, contexts=said.contexts)


def _result_headers(answer: Answer) -> dict[str, str]:
    usage = answer.usage
    timings = [f"{t.stage};dur={t.ms:.3f}" for t in answer.timing.stages]
    timings.append(f"total;dur={answer.timing.total_ms:.3f}")
    return {
        "server-timing": ", ".join(timings),
        "x-tierfold-tokens-saved": str(usage.original_prompt_tokens - usage.prompt_tokens),
        "x-tierfold-stage": answer.stages[-1].stage if answer.stages else "none",
        "x-tierfold-quality": f"{answer.quality.expected:.4f}",
    }


def log_unforeseen(error: Exception, call: Call) -> None:
    """Log where it happened; the message may quote the caller's text and stays out."""
    places = "".join(traceback.format_tb(error.__traceback__))
    _LOGGER.error(
        "%s in request %s of %d bytes\n%s",
        type(error).__name__,
        call.request_id,
        len(call.body),
        places,
    )
