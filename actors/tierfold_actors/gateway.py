"""The gateway's HTTP face: routes in, documents out."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import cast

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from tierfold.config import Limits
from tierfold.errors import OverloadError, TierfoldError
from tierfold.ports import Clock
from tierfold_actors.answering import EVENT_MEDIA_TYPE, Call, Reply, Route, problem_reply
from tierfold_actors.arrival import Arrival, Body, BodyLedgers, request_id, started_ms
from tierfold_actors.description import describe
from tierfold_actors.keys import Keyring
from tierfold_actors.preferences import wait_ms
from tierfold_actors.problems import RouteError, problem_reply_body
from tierfold_actors.stream import EventResponse, events, first_shown
from tierfold_actors.work import Work

_TRUE = frozenset({"1", "true", "yes", "on"})
_COMPRESS_PATH = "/v1/compress"


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Everything the routes need."""

    work: Work
    ledgers: BodyLedgers
    keyring: Keyring
    clock: Clock
    limits: Limits
    version: str


def create_api(desk: Desk, *, echoes_request_id: bool = True) -> FastAPI:
    """Return the application around a desk."""
    routes = Routes(desk)
    api = FastAPI(title="tierfold", version=desk.version, redoc_url=None, lifespan=routes.lifespan)
    api.add_middleware(Arrival, clock=desk.clock, echoes_request_id=echoes_request_id)
    describe(api, routes)
    api.add_exception_handler(TierfoldError, routes.on_tierfold_error)
    api.add_exception_handler(HTTPException, routes.on_http_error)
    return api


class Routes:
    """One method per route."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @contextlib.asynccontextmanager
    async def lifespan(self, _api: FastAPI) -> AsyncIterator[None]:
        """Stop the work when the server stops."""
        yield
        self._desk.work.close()

    async def process(self, request: Request) -> Response:
        """Fold the sources to what the question needs, inside the budget.

        With `Accept: text/event-stream` every stage's answer is sent as an event, then the result.
        """
        return await self._answer(request, "process")

    async def compress(self, request: Request) -> Response:
        """Shorten the rows of a chat in place; the row count and the roles never change."""
        return await self._answer(request, "compress")

    async def livez(self) -> dict[str, str]:
        """Say that the process answers."""
        return {"status": "ok"}

    async def readyz(self) -> Response:
        """Say whether new requests of any allowed size would be taken."""
        is_ready = not (self._desk.work.is_full or self._desk.ledgers.is_full)
        body = {"status": "ready" if is_ready else "busy", "waiting": self._desk.work.waiting}
        return JSONResponse(body, status_code=200 if is_ready else 503)

    async def health(self) -> dict[str, str]:
        """Say which version answers."""
        return {"status": "ok", "name": "tierfold", "version": self._desk.version}

    async def on_tierfold_error(self, request: Request, error: Exception) -> Response:
        """Return the error's document."""
        return _problem(request, cast("TierfoldError", error))  # registered for nothing else

    async def on_http_error(self, request: Request, error: Exception) -> Response:
        """Return a document for what the router refused."""
        refused = cast("HTTPException", error)  # registered for nothing else
        response = _problem(request, _route_error(request, refused))
        response.headers.update(refused.headers or {})
        return response

    async def _answer(self, request: Request, route: Route) -> Response:
        tenant = self._desk.keyring.tenant(request.headers.get("authorization"))
        request.state.tenant = tenant
        with contextlib.ExitStack() as held:
            body = held.enter_context(
                Body(self._desk.ledgers, bytes_max=self._desk.limits.body_bytes_max)
            )
            try:
                call = _call(request, route, await body.read(request))
            except ClientDisconnect:
                return Response(status_code=499)  # nobody reads it; the access log does
            if call.is_stream:
                return await self._streamed(call, held.pop_all())
            return self._finished(call, await self._final(call))

    async def _final(self, call: Call) -> Reply:
        async with contextlib.aclosing(self._replies(call)) as replies:
            async for reply in replies:
                if reply.is_final:
                    return reply
        raise AssertionError(call.request_id)  # pragma: no cover  # the last reply is final

    async def _streamed(self, call: Call, held: contextlib.ExitStack) -> Response:
        replies = self._replies(call)
        async with contextlib.AsyncExitStack() as stack:
            stack.push(held)
            await stack.enter_async_context(contextlib.aclosing(replies))
            first = await first_shown(replies)
            if first.is_problem:
                return self._finished(call, first)
            chunks = await stack.enter_async_context(contextlib.aclosing(events(first, replies)))
            return EventResponse(chunks, stack.pop_all())
        raise AssertionError(call.request_id)  # pragma: no cover  # the stack swallows nothing

    async def _replies(self, call: Call) -> AsyncGenerator[Reply]:
        try:
            async with contextlib.aclosing(self._desk.work.replies(call)) as replies:
                async for reply in replies:
                    yield reply
        except OverloadError as error:
            yield problem_reply(error, call)

    def _finished(self, call: Call, reply: Reply) -> Response:
        headers = dict(reply.headers)
        handler_ms = self._desk.clock.now_ms() - call.started_ms
        timings = [headers["server-timing"]] if "server-timing" in headers else []
        headers["server-timing"] = ", ".join([*timings, f"handler;dur={handler_ms:.3f}"])
        return Response(reply.body, reply.status, headers, reply.media_type)


def _call(request: Request, route: Route, body: bytes) -> Call:
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


def _route_error(request: Request, error: HTTPException) -> TierfoldError:
    if error.status_code == 404:  # noqa: PLR2004  # HTTP's own number
        detail = f"there is no {request.url.path}; /docs lists the routes"
    elif error.status_code == 405:  # noqa: PLR2004  # HTTP's own number
        allowed = (error.headers or {}).get("Allow", "another method")
        detail = f"{request.url.path} does not take {request.method}; use {allowed}"
    else:
        detail = str(error.detail)
    title = {404: "not found", 405: "method not allowed"}.get(error.status_code, "request refused")
    return RouteError(status=error.status_code, title=title, detail=detail)


def _problem(request: Request, error: TierfoldError) -> Response:
    media_type, headers, body = problem_reply_body(
        error,
        request_id=request_id(request),
        is_openai_shaped=request.url.path == _COMPRESS_PATH,
    )
    return Response(body, error.status, headers, media_type)
