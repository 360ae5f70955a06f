"""What all routes share: bodies in, replies out, errors as documents."""

import contextlib
import functools
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from tierfold.config import Limits
from tierfold.context.segment import Segment
from tierfold.context.stored import about_segment
from tierfold.errors import OverloadError, TierfoldError
from tierfold_actors.answering import (
    EVENT_MEDIA_TYPE,
    JSON_MEDIA_TYPE,
    PARSED_BYTES_PER_MS,
    Call,
    Reply,
    Route,
    log_unforeseen,
    problem_reply,
)
from tierfold_actors.arrival import Body, request_id, started_ms
from tierfold_actors.desk import Desk, StoreDesk
from tierfold_actors.keys import require_this_machine
from tierfold_actors.preferences import wait_ms
from tierfold_actors.problems import InternalError
from tierfold_actors.stream import EventResponse, events, first_shown
from tierfold_actors.writes import WriteRoute

T = TypeVar("T")

_TRUE = frozenset({"1", "true", "yes", "on"})
_CLIENT_LEFT = 499  # nobody reads it; the access log does


class RefusedError(Exception):
    """A call ended in a reply that goes back as it is."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


class Serving:
    """Runs calls and turns their replies into responses."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def tenant(self, request: Request) -> str:
        """Return the caller's tenant; raises UnauthorizedError or ForeignHostError."""
        headers = request.headers
        if self.desk.keyring.is_open:
            require_this_machine(headers.get("host"), headers.get("origin"))
        tenant = self.desk.keyring.tenant(headers.get("authorization"))
        request.state.tenant = tenant
        return tenant

    def entered(self, request: Request) -> tuple[str, StoreDesk]:
        """Return the caller's tenant and the store; raises UnauthorizedError or NoStoreError."""
        return self.tenant(request), self.desk.require_store()

    def body(self) -> Body:
        """Return room for one body."""
        return Body(self.desk.ledgers, bytes_max=self.desk.settings.limits.body_bytes_max)

    def small_body(self) -> Body:
        """Return room for a body that is parsed where it arrives, so that it must be small."""
        return Body(self.desk.ledgers, bytes_max=self.desk.settings.limits.inline_body_bytes_max)

    async def parsed(self, request: Request, parse: Callable[[bytes, Limits], T]) -> T:
        """Return what a small body says, parsed where it disturbs nobody."""
        with self.small_body() as held:
            return await self.computed(await held.read(request), parse)

    async def computed(self, body: bytes, parse: Callable[[bytes, Limits], T]) -> T:
        """Return what a body says: the shortest are parsed here, longer ones in the thread."""
        limits = self.desk.settings.limits
        cost_ms = len(body) / PARSED_BYTES_PER_MS
        return await self.desk.work.compute(lambda: parse(body, limits), cost_ms=cost_ms)

    def about(self, title: str, metadata: Any, *, is_kept: bool = False) -> Segment | None:
        """Return title and metadata as they are stored; raises TooLargeError."""
        size_max = self.desk.settings.store.metadata_bytes_max
        return about_segment(title, metadata, size_bytes_max=size_max, is_kept=is_kept)

    async def response(self, call: Call, held: contextlib.ExitStack) -> Response:
        """Run a call and return its response; `held` is closed when all of it is sent."""
        if call.is_stream:
            return await self._streamed(call, held)
        with held:
            return self.finished(call, await self.final(call))

    async def final(self, call: Call) -> Reply:
        """Run a call and return its last reply."""
        async with contextlib.aclosing(self._replies(call)) as replies:
            async for reply in replies:
                if reply.is_final:
                    return reply
        raise AssertionError(call.request_id)  # pragma: no cover  # the last reply is final

    def finished(self, call: Call, reply: Reply) -> Response:
        """Return a reply as a response, the time in our hands beside the engine's own."""
        headers = dict(reply.headers)
        timings = [headers["server-timing"]] if "server-timing" in headers else []
        headers["server-timing"] = ", ".join([*timings, self._handler_timing(call.started_ms)])
        return Response(reply.body, reply.status, headers, reply.media_type)

    def json(
        self,
        request: Request,
        body: Any,
        *,
        status: int = 200,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> Response:
        """Return a document."""
        timing = self._handler_timing(started_ms(request))
        named = {**headers, "server-timing": timing}
        return Response(orjson.dumps(body), status, named, JSON_MEDIA_TYPE)

    def _handler_timing(self, began_ms: float) -> str:
        return f"handler;dur={self.desk.clock.now_ms() - began_ms:.3f}"

    async def _streamed(self, call: Call, held: contextlib.ExitStack) -> Response:
        replies = self._replies(call)
        async with contextlib.AsyncExitStack() as stack:
            stack.push(held)
            await stack.enter_async_context(contextlib.aclosing(replies))
            first = await first_shown(replies)
            if first.is_problem:
                return self.finished(call, first)
            chunks = await stack.enter_async_context(contextlib.aclosing(events(first, replies)))
            return EventResponse(chunks, stack.pop_all())
        raise AssertionError(call.request_id)  # pragma: no cover  # the stack swallows nothing

    async def _replies(self, call: Call) -> AsyncGenerator[Reply]:
        try:
            async with contextlib.aclosing(self.desk.work.replies(call)) as replies:
                async for reply in replies:
                    yield reply
        except OverloadError as error:
            yield problem_reply(error, call)


def call_of(request: Request, route: Route | WriteRoute, body: bytes) -> Call:
    """Return a request as a call: its body, and what its headers ask for."""
    headers = request.headers
    bypass = headers.get("x-tierfold-bypass") or headers.get("x-headroom-bypass") or ""
    return Call(
        route=route,
        body=body,
        request_id=request_id(request),
        started_ms=started_ms(request),
        is_stream=route == "process" and EVENT_MEDIA_TYPE in headers.get("accept", "").lower(),
        is_bypass=bypass.strip().lower() in _TRUE,
        wait_ms=wait_ms(headers.getlist("prefer")),
    )


class _Routes(Protocol):
    """Routes with a serving."""

    @property
    def serving(self) -> Serving:
        """What they share."""
        ...


R = TypeVar("R", bound=_Routes)
Handler = Callable[[R, Request], Coroutine[Any, Any, Response]]


def guarded(handler: Handler[R]) -> Handler[R]:
    """Return a handler that ends in a document, whatever happens in it."""

    @functools.wraps(handler)
    async def guard(routes: R, request: Request) -> Response:
        try:
            return await handler(routes, request)
        except TierfoldError:
            raise  # the application makes its document
        except ClientDisconnect:
            return Response(status_code=_CLIENT_LEFT)
        except RefusedError as refused:
            return routes.serving.finished(call_of(request, "process", b""), refused.reply)
        except Exception as error:  # noqa: BLE001  # the caller gets a problem document, we a log line
            log_unforeseen(error, call_of(request, "process", b""))
            raise InternalError from None

    return guard
