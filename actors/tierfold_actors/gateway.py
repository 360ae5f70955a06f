"""The gateway's HTTP face: routes in, documents out."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import cast

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match
from starlette.routing import Route as HttpRoute

from tierfold.errors import TierfoldError
from tierfold_actors.answering import Route
from tierfold_actors.arrival import Arrival, request_id
from tierfold_actors.backup_routes import BackupRoutes
from tierfold_actors.context_routes import ContextRoutes
from tierfold_actors.description import describe
from tierfold_actors.desk import Desk
from tierfold_actors.finding_routes import FindingRoutes
from tierfold_actors.head_requests import HeadAsGet
from tierfold_actors.item_routes import ItemRoutes
from tierfold_actors.prefetch_routes import PrefetchRoutes
from tierfold_actors.problems import RouteError, problem_reply_body
from tierfold_actors.question_routes import QuestionRoutes
from tierfold_actors.serving import Serving, call_of, guarded
from tierfold_actors.store_description import describe_store

_COMPRESS_PATH = "/v1/compress"
_METHOD_NOT_ALLOWED = 405


def create_api(desk: Desk, *, echoes_request_id: bool = True) -> FastAPI:
    """Return the application around a desk."""
    routes = Routes(desk)
    api = FastAPI(title="tierfold", version=desk.version, redoc_url=None, lifespan=routes.lifespan)
    api.add_middleware(HeadAsGet)
    api.add_middleware(Arrival, clock=desk.clock, echoes_request_id=echoes_request_id)
    describe_store(api, routes)
    describe(api, routes)
    api.add_exception_handler(TierfoldError, routes.on_tierfold_error)
    api.add_exception_handler(HTTPException, routes.on_http_error)
    return api


class Routes:
    """One method per route."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.serving = Serving(desk)
        self.contexts = ContextRoutes(self.serving)
        self.items = ItemRoutes(self.serving)
        self.questions = QuestionRoutes(self.serving)
        self.finding = FindingRoutes(self.serving)
        self.backups = BackupRoutes(self.serving)
        self.prefetching = PrefetchRoutes(self.serving)

    @contextlib.asynccontextmanager
    async def lifespan(self, _api: FastAPI) -> AsyncIterator[None]:
        """Stop the work when the server stops."""
        yield
        self.backups.jobs.close()
        self._desk.work.close()

    @guarded
    async def process(self, request: Request) -> Response:
        """Fold the sources to what the question needs, inside the budget.

        With `Accept: text/event-stream` every stage's answer is sent as an event, then the result.
        """
        return await self._answer(request, "process")

    @guarded
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
        headers = dict(refused.headers or {})
        if refused.status_code == _METHOD_NOT_ALLOWED:
            headers["Allow"] = _allowed(request)
        response = _problem(request, _route_error(request, refused, headers))
        response.headers.update(headers)
        return response

    async def _answer(self, request: Request, route: Route) -> Response:
        tenant = self.serving.tenant(request)
        with contextlib.ExitStack() as held:
            body = held.enter_context(self.serving.body())
            call = call_of(request, route, await body.read(request))
            if route == "process" and self.questions.names_contexts(call):
                return await self.questions.process_sources(request, tenant, call, held.pop_all())
            return await self.serving.response(call, held.pop_all())


def _allowed(request: Request) -> str:
    """Return all methods of a path: the router names those of one route, and we have one each."""
    methods: set[str] = set()
    for route in request.app.routes:
        if isinstance(route, HttpRoute) and route.matches(request.scope)[0] is not Match.NONE:
            methods |= route.methods or set()
    if "GET" in methods:
        methods.add("HEAD")
    return ", ".join(sorted(methods))


def _route_error(
    request: Request, error: HTTPException, headers: Mapping[str, str]
) -> TierfoldError:
    if error.status_code == 404:  # noqa: PLR2004  # HTTP's own number
        detail = f"there is no {request.url.path}; /docs lists the routes"
    elif error.status_code == _METHOD_NOT_ALLOWED:
        detail = f"{request.url.path} does not take {request.method}; use {headers['Allow']}"
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
