"""The routes of stored contexts as OpenAPI describes them."""

from dataclasses import dataclass
from typing import Any, Protocol

from fastapi import FastAPI
from pydantic import BaseModel

from tierfold.wire.backups import (
    BackupDeletedModel,
    BackupListModel,
    BackupMadeModel,
    BackupModel,
    BackupRestoredModel,
    BackupVerifiedModel,
)
from tierfold.wire.prefetch import PrefetchedModel
from tierfold.wire.search import SearchAnswerModel
from tierfold.wire.stored import (
    ContextDeletedModel,
    ContextListModel,
    ContextModel,
    HandleModel,
    ItemListModel,
)
from tierfold.wire.tiers import TiersModel
from tierfold_actors.backup_routes import BackupRoutes
from tierfold_actors.context_routes import ContextRoutes
from tierfold_actors.description import (
    PROCESS_HEADERS,
    SECURITY,
    TIMED_OUT,
    Handler,
    RawRoute,
    answer_description,
    problems,
    request_of,
)
from tierfold_actors.finding_routes import FindingRoutes
from tierfold_actors.item_routes import ItemRoutes
from tierfold_actors.prefetch_routes import PrefetchRoutes
from tierfold_actors.question_routes import QuestionRoutes

Parameter = dict[str, Any]

_CONTEXT = "/v1/contexts/{id}"
_BACKUP = "/v1/backups/{id}"
_HEADERS = {
    "ETag": "the version of the context",
    "x-tierfold-version": "the same as a number, to send back",
    "x-tierfold-tier": "where it was found, L0 to L4",
    "idempotency-replayed": "`true` where the change had been made before under this key",
    "Location": "the path of the context",
}
_VERSIONED = ("ETag", "x-tierfold-version")
_CHANGED = (*_VERSIONED, "idempotency-replayed")


class StoreRoutes(Protocol):
    """The handlers to describe."""

    @property
    def contexts(self) -> ContextRoutes:
        """Contexts themselves."""
        ...

    @property
    def items(self) -> ItemRoutes:
        """Their items."""
        ...

    @property
    def questions(self) -> QuestionRoutes:
        """Questions about them."""
        ...

    @property
    def finding(self) -> FindingRoutes:
        """Handles, search and tiers."""
        ...

    @property
    def prefetching(self) -> PrefetchRoutes:
        """Hints of what will be asked."""
        ...

    @property
    def backups(self) -> BackupRoutes:
        """Backups."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Route:
    method: str
    path: str
    handler: Handler
    answers: dict[int, type[BaseModel]]  # by status
    problems: tuple[int, ...] = ()
    headers: tuple[str, ...] = ()  # of the answer, from _HEADERS
    may_be_unchanged: bool = False  # 304
    body: str = ""  # the model of the request's body
    may_be_empty: bool = False  # the body
    parameters: tuple[Parameter, ...] = ()


def describe_store(api: FastAPI, routes: StoreRoutes) -> None:
    """Register the routes, and the description that /docs and openapi.json show."""
    headers = (_ID, *PROCESS_HEADERS, _SEEN)
    # First: routes are tried in their order, and this one is asked most.
    api.router.add_api_route(
        f"{_CONTEXT}/process",
        routes.questions.process_context,
        methods=["POST"],
        route_class_override=RawRoute,
        tags=["contexts"],
        response_model=None,
        responses={
            200: _asked(),
            **problems(401, 404, 413, 422, 500, 503),
            **TIMED_OUT,
        },
        openapi_extra=request_of("QuestionModel", headers, is_required=False),
    )
    described = (_of_contexts, _of_items, _of_prefetch, _of_finding, _of_backups)
    for route in (each for of_some in described for each in of_some(routes)):
        _describe(api, route)


def _of_contexts(routes: StoreRoutes) -> tuple[_Route, ...]:
    return (
        _Route(
            method="POST",
            path="/v1/contexts",
            handler=routes.contexts.create_context,
            answers={201: ContextModel},
            headers=(*_CHANGED, "Location"),
            problems=(409, 413, 422, 507),
            body="CreateContextModel",
            parameters=(_KEY,),
        ),
        _Route(
            method="GET",
            path="/v1/contexts",
            handler=routes.contexts.list_contexts,
            answers={200: ContextListModel},
            problems=(422,),
            parameters=(
                _query("limit", "1 to 100; 20 where you say nothing", kind="integer"),
                _query("after", "the last id of the page before"),
                _query("order", "asc or desc, by id"),
            ),
        ),
        _Route(
            method="GET",
            path=_CONTEXT,
            handler=routes.contexts.get_context,
            answers={200: ContextModel},
            headers=_VERSIONED,
            may_be_unchanged=True,
            problems=(404, 422),
            parameters=(_ID, _header("If-None-Match", "304 where the context is at this ETag")),
        ),
        _Route(
            method="PATCH",
            path=_CONTEXT,
            handler=routes.contexts.patch_context,
            answers={200: ContextModel},
            headers=_CHANGED,
            problems=(404, 409, 412, 413, 422, 507),
            body="PatchContextModel",
            parameters=(_ID, _MATCH, _KEY),
        ),
        _Route(
            method="DELETE",
            path=_CONTEXT,
            handler=routes.contexts.delete_context,
            answers={200: ContextDeletedModel},
            problems=(404, 412, 422, 507),
            parameters=(_ID, _MATCH),
        ),
    )


def _of_items(routes: StoreRoutes) -> tuple[_Route, ...]:
    return (
        _Route(
            method="POST",
            path=f"{_CONTEXT}/items",
            handler=routes.items.append_items,
            answers={200: ContextModel},
            headers=_CHANGED,
            problems=(404, 409, 412, 413, 422, 507),
            body="AppendItemsModel",
            parameters=(_ID, _MATCH, _KEY),
        ),
        _Route(
            method="PUT",
            path=f"{_CONTEXT}/items",
            handler=routes.items.put_items,
            answers={200: ContextModel, 201: ContextModel},
            headers=_CHANGED,
            problems=(404, 409, 412, 413, 422, 507),
            body="PutItemsModel",
            parameters=(_ID, _MATCH, _NEW, _KEY),
        ),
        _Route(
            method="GET",
            path=f"{_CONTEXT}/items",
            handler=routes.items.list_items,
            answers={200: ItemListModel},
            headers=(*_VERSIONED, "x-tierfold-tier"),
            problems=(404, 422),
            parameters=(
                _ID,
                _query("start", "first item; below 0 from the end", kind="integer"),
                _query("limit", "1 to 1000; 100 where you say nothing", kind="integer"),
            ),
        ),
    )


def _of_prefetch(routes: StoreRoutes) -> tuple[_Route, ...]:
    return (
        _Route(
            method="POST",
            path=f"{_CONTEXT}/prefetch",
            handler=routes.prefetching.prefetch_context,
            answers={202: PrefetchedModel},
            problems=(404, 413, 422),
            body="PrefetchContextModel",
            may_be_empty=True,
            parameters=(_ID,),
        ),
        _Route(
            method="POST",
            path="/v1/prefetch",
            handler=routes.prefetching.prefetch,
            answers={202: PrefetchedModel},
            problems=(413, 422),
            body="PrefetchModel",
        ),
    )


def _of_finding(routes: StoreRoutes) -> tuple[_Route, ...]:
    return (
        _Route(
            method="GET",
            path="/v1/handles/{handle}",
            handler=routes.finding.get_handle,
            answers={200: HandleModel},
            headers=("x-tierfold-tier",),
            problems=(404, 422),
            parameters=(
                _path("handle", "from an answer's `left_out`, a marker or a search"),
                _query(
                    "limit", "items in one page, 1 to 1000; all that fit 16 MiB", kind="integer"
                ),
            ),
        ),
        _Route(
            method="POST",
            path="/v1/search",
            handler=routes.finding.search,
            answers={200: SearchAnswerModel},
            problems=(413, 422),
            body="SearchModel",
        ),
        _Route(
            method="GET",
            path="/v1/tiers",
            handler=routes.finding.tiers,
            answers={200: TiersModel},
        ),
    )


def _of_backups(routes: StoreRoutes) -> tuple[_Route, ...]:
    return (
        _Route(
            method="POST",
            path="/v1/backups",
            handler=routes.backups.make_backup,
            answers={201: BackupMadeModel},
            problems=(409, 413, 422),
            body="MakeBackupModel",
        ),
        _Route(
            method="GET",
            path="/v1/backups",
            handler=routes.backups.list_backups,
            answers={200: BackupListModel},
            problems=(422,),
        ),
        _Route(
            method="GET",
            path=_BACKUP,
            handler=routes.backups.get_backup,
            answers={200: BackupModel},
            problems=(404, 422),
            parameters=(_BACKUP_ID,),
        ),
        _Route(
            method="POST",
            path=f"{_BACKUP}/verify",
            handler=routes.backups.verify_backup,
            answers={200: BackupVerifiedModel},
            problems=(404, 409, 422),
            parameters=(_BACKUP_ID,),
        ),
        _Route(
            method="POST",
            path=f"{_BACKUP}/restore",
            handler=routes.backups.restore_backup,
            answers={200: BackupRestoredModel},
            problems=(404, 409, 413, 422, 507),
            body="RestoreBackupModel",
            parameters=(_BACKUP_ID,),
        ),
        _Route(
            method="DELETE",
            path=_BACKUP,
            handler=routes.backups.delete_backup,
            answers={200: BackupDeletedModel},
            problems=(404, 409, 422),
            parameters=(_BACKUP_ID,),
        ),
    )


def _describe(api: FastAPI, route: _Route) -> None:
    extra = (
        request_of(route.body, route.parameters, is_required=not route.may_be_empty)
        if route.body
        else {"parameters": list(route.parameters), "security": SECURITY}
    )
    answers: dict[int | str, dict[str, Any]] = {
        status: {
            "description": _said(model),
            "model": model,
        }
        | ({"headers": _headers(route.headers)} if route.headers else {})
        for status, model in route.answers.items()
    }
    if route.may_be_unchanged:
        unchanged = {"description": "it is at the ETag you have", "headers": _headers(("ETag",))}
        answers[304] = unchanged
    api.router.add_api_route(
        route.path,
        route.handler,
        methods=[route.method],
        route_class_override=RawRoute,
        tags=["contexts"],
        status_code=min(route.answers),
        response_model=None,
        responses={**answers, **problems(401, *route.problems, 500, 503), **TIMED_OUT},
        openapi_extra=extra,
    )


def _said(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").splitlines()[0]


def _asked() -> dict[str, Any]:
    described = answer_description()
    described["headers"] |= _headers((*_VERSIONED, "x-tierfold-tier"))
    return described


def _headers(names: tuple[str, ...]) -> dict[str, Any]:
    return {name: {"description": _HEADERS[name], "schema": {"type": "string"}} for name in names}


def _parameter(place: str, name: str, meaning: str, kind: str = "string") -> Parameter:
    return {
        "name": name,
        "in": place,
        "required": place == "path",
        "description": meaning,
        "schema": {"type": kind},
    }


def _path(name: str, meaning: str) -> Parameter:
    return _parameter("path", name, meaning)


def _header(name: str, meaning: str) -> Parameter:
    return _parameter("header", name, meaning)


def _query(name: str, meaning: str, *, kind: str = "string") -> Parameter:
    return _parameter("query", name, meaning, kind)


_ID = _path("id", "the context")
_BACKUP_ID = _path("id", "the backup")
_MATCH = _header("If-Match", "make the change only at this ETag; 412 at any other")
_NEW = _header("If-None-Match", "`*`: only where there is no such context; else 412")
_KEY = _header("Idempotency-Key", "the same change with the same key is made once")
_SEEN = _header("x-tierfold-version", "never answer from an older version than this")
