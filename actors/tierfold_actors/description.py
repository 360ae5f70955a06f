"""The routes as OpenAPI describes them.

Bodies are read as raw bytes and answered as raw bytes: the models are for the description only.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Literal, Protocol

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import Response

from tierfold.wire import PROBLEM_MEDIA_TYPE, AnswerModel, CompressModel, ProcessModel
from tierfold.wire.backups import MakeBackupModel, RestoreBackupModel
from tierfold.wire.compress import CompressAnswerModel
from tierfold.wire.contexts import (
    AppendItemsModel,
    CreateContextModel,
    PatchContextModel,
    PutItemsModel,
)
from tierfold.wire.prefetch import PrefetchContextModel, PrefetchModel
from tierfold.wire.process import QuestionModel
from tierfold.wire.search import SearchModel

_REF = "#/components/schemas/{model}"
_SUMMARY = "Folds chats, documents and logs to what a question needs, inside a budget."
_COMPRESS = "/v1/compress"
_MEANINGS = {
    404: "there is no such context or backup, or nothing stored has this handle",
    409: "it exists already, or the same is under way",
    412: "the context is at another version; `ETag` and `current_version` say which",
    401: "no valid API key",
    413: "a limit of size, count or depth is passed",
    422: "malformed, or the budget is too small for what must be kept",
    500: "a bug of ours",
    503: "too many requests wait, or the shard is away; see Retry-After",
    507: "the disk is full; nothing of this change was stored, and reads go on",
}
TIMED_OUT: dict[int | str, dict[str, Any]] = {  # written by the ingress, not by us
    408: {
        "description": "the hard limit of x-request-timeout-seconds has passed",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
}
_BYPASS_HEADER: dict[str, Any] = {
    "name": "x-tierfold-bypass",
    "in": "header",
    "required": False,
    "description": "`true` answers with the input (also as `x-headroom-bypass`)",
    "schema": {"type": "string"},
}
PROCESS_HEADERS: tuple[dict[str, Any], ...] = (
    _BYPASS_HEADER,
    {
        "name": "Prefer",
        "in": "header",
        "required": False,
        "description": "`wait=0.2`: soft deadline in seconds when the body names none",
        "schema": {"type": "string"},
    },
)

# The second, empty entry: without a keys file no key is asked for.
SECURITY: list[dict[str, list[str]]] = [{"key": []}, {}]

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class ProblemModel(BaseModel):
    """A problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str


class OpenAIErrorDetailModel(BaseModel):
    """What went wrong, in OpenAI's names."""

    message: str
    type: str
    param: str | None
    code: str


class OpenAIErrorModel(BaseModel):
    """An error on an OpenAI-shaped route."""

    error: OpenAIErrorDetailModel


class ReadyModel(BaseModel):
    """Whether new requests would be taken, and how many wait."""

    status: Literal["ready", "busy"]
    waiting: int


class Handlers(Protocol):
    """The handlers to describe."""

    @property
    def process(self) -> Handler:
        """`POST /v1/process`."""
        ...

    @property
    def compress(self) -> Handler:
        """`POST /v1/compress`."""
        ...

    async def livez(self) -> dict[str, str]:
        """`GET /livez`."""
        ...

    async def readyz(self) -> Response:
        """`GET /readyz`."""
        ...

    async def health(self) -> dict[str, str]:
        """`GET /health`."""
        ...


class RawRoute(APIRoute):
    """A route whose handler takes the request as it is and returns the response as it is.

    FastAPI's own would look for parameters and models, of which there are none: .06 ms a request.
    """

    def get_route_handler(self) -> Handler:
        """Return the handler."""
        handler: Handler = self.endpoint
        return handler


def describe(api: FastAPI, handlers: Handlers) -> None:
    """Register the routes, and the description that /docs and openapi.json show."""
    api.router.add_api_route(
        "/v1/process",
        handlers.process,
        methods=["POST"],
        route_class_override=RawRoute,
        tags=["fold"],
        response_model=None,
        responses={200: answer_description(), **problems(401, 413, 422, 500, 503), **TIMED_OUT},
        openapi_extra=request_of("ProcessModel", PROCESS_HEADERS),
    )
    api.router.add_api_route(
        _COMPRESS,
        handlers.compress,
        methods=["POST"],
        route_class_override=RawRoute,
        tags=["fold"],
        response_model=None,
        responses={
            200: {"description": "the same rows, some shorter", "model": CompressAnswerModel},
            **_openai_errors(401, 413, 422, 500, 503),
            **TIMED_OUT,
        },
        openapi_extra=request_of("CompressModel", (_BYPASS_HEADER,)),
    )
    api.add_api_route("/livez", handlers.livez, methods=["GET"], tags=["health"])
    api.add_api_route(
        "/readyz",
        handlers.readyz,
        methods=["GET"],
        tags=["health"],
        response_model=None,
        responses={
            200: {"description": "takes requests", "model": ReadyModel},
            503: {"description": "too many requests wait", "model": ReadyModel},
        },
    )
    api.add_api_route("/health", handlers.health, methods=["GET"], tags=["health"])
    api.openapi = lambda: _described(api)  # type: ignore[method-assign]  # FastAPI's own recipe


def _described(api: FastAPI) -> dict[str, Any]:
    """Return FastAPI's description plus the models that only raw bodies have."""
    if api.openapi_schema is None:
        schema = get_openapi(
            title=api.title, version=api.version, summary=_SUMMARY, routes=api.routes
        )
        components = schema.setdefault("components", {})
        components.setdefault("schemas", {}).update(_raw_models())
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        api.openapi_schema = schema
    return api.openapi_schema


def _raw_models() -> dict[str, Any]:
    bodies: list[type[BaseModel]] = [
        *(ProcessModel, CompressModel, ProblemModel, OpenAIErrorModel),
        *(CreateContextModel, AppendItemsModel, PutItemsModel, PatchContextModel),
        *(QuestionModel, SearchModel, MakeBackupModel, RestoreBackupModel),
        *(PrefetchModel, PrefetchContextModel),
    ]
    _, definitions = models_json_schema(
        [(model, "validation") for model in bodies], ref_template=_REF
    )
    models: dict[str, Any] = definitions["$defs"]
    return models


def request_of(
    model: str, parameters: tuple[dict[str, Any], ...], *, is_required: bool = True
) -> dict[str, Any]:
    """Return the description of a raw body, and of headers and the rest."""
    content = {"application/json": {"schema": {"$ref": _REF.format(model=model)}}}
    return {
        "requestBody": {"required": is_required, "content": content},
        "parameters": list(parameters),
        "security": SECURITY,
    }


def answer_description() -> dict[str, Any]:
    """Return the description of an answer and its headers."""
    header = {"schema": {"type": "string"}}
    return {
        "description": "the folded sources; as events, `stage` per stage and then `result`",
        "model": AnswerModel,
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
        "headers": {
            "Server-Timing": {"description": "milliseconds per stage, total, handler", **header},
            "x-tierfold-tokens-saved": header,
            "x-tierfold-stage": {"description": "the last stage that ran", **header},
            "x-tierfold-quality": {"description": "expected quality, 0..1", **header},
        },
    }


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the descriptions of problem documents."""
    content = {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="ProblemModel")}}}
    return {status: {"description": _MEANINGS[status], "content": content} for status in statuses}


def _openai_errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    content = {"application/json": {"schema": {"$ref": _REF.format(model="OpenAIErrorModel")}}}
    return {status: {"description": _MEANINGS[status], "content": content} for status in statuses}
