"""Routes of contexts themselves: make, list, read, change, remove."""

from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tierfold.context.canonical import canonical_json
from tierfold.context.identity import ContextKey, id_of_key
from tierfold.context.stored import ContextInfo, whole_milliseconds
from tierfold.engine.contents import keyed
from tierfold.engine.shard.operations import Changed, Keyed
from tierfold.engine.verbs import Condition, Life
from tierfold.errors import InvalidInputError, VersionConflictError
from tierfold.wire import (
    ParsedPatch,
    context_body,
    contexts_body,
    deleted_body,
    parse_patch,
    parse_whole,
)
from tierfold_actors.conditions import if_match, is_unchanged
from tierfold_actors.desk import StoreDesk
from tierfold_actors.reading import read_write
from tierfold_actors.serving import Serving, guarded

_PAGE = 20
_PAGE_MAX = 100
_PATCH_TRIES = 8  # each loses only to a change that was made meanwhile


class ContextRoutes:
    """One method per route."""

    def __init__(self, serving: Serving) -> None:
        self.serving = serving

    @guarded
    async def create_context(self, request: Request) -> Response:
        """Store a chat, a text or a document, to be asked and added to."""
        tenant, store = self.serving.entered(request)
        given = request.headers.get("idempotency-key")
        async with read_write(self.serving, request, "create") as write:
            about = self.serving.about(write.title, write.metadata)
            key = ContextKey(tenant, _id(write.id, given, tenant, store))
            names = (*write.contents.names, *([about.name] if about else []))
            noted = keyed_or_made(store, given, "create", names, write.id, write.ttl_s)
            with store.in_flight(key, noted.key):
                changed = await store.run(
                    store.verbs.create(
                        key,
                        write.contents,
                        about=about,
                        life=Life(ttl_ms=_milliseconds(write.ttl_s)),
                        keyed=noted,
                    )
                )
        body = context_body(changed.info, ignored_fields=write.ignored_fields)
        headers = change_headers(changed.info, was_made_before=changed.was_made_before)
        place = f"/v1/contexts/{changed.info.id}"
        return self.serving.json(request, body, status=201, headers={"location": place, **headers})

    @guarded
    async def list_contexts(self, request: Request) -> Response:
        """List contexts in the order of their ids, one page; `after` is the last id seen."""
        tenant, store = self.serving.entered(request)
        query = request.query_params
        limit = parse_whole(query.get("limit"), name="limit", default=_PAGE, between=(1, _PAGE_MAX))
        after = query.get("after", "")
        if after:
            ContextKey(tenant, after)  # what could not be an id is no place to go on from
        is_descending = _is_descending(query.get("order", "asc"))
        listed = await store.run(
            store.verbs.listing(tenant, after=after, limit=limit, descending=is_descending)
        )
        body = contexts_body(listed.contexts, has_more=listed.has_more)
        return self.serving.json(request, body)

    @guarded
    async def get_context(self, request: Request) -> Response:
        """Return what is known of a context without its items."""
        tenant, store = self.serving.entered(request)
        info = await store.run(store.verbs.info(context_key(tenant, request)))
        if is_unchanged(request.headers.get("if-none-match"), info.etag):
            return Response(status_code=304, headers={"etag": info.etag})
        return self.serving.json(request, context_body(info), headers=change_headers(info))

    @guarded
    async def patch_context(self, request: Request) -> Response:
        """Change title, metadata, life or pin; what is left out stays as it is."""
        tenant, store = self.serving.entered(request)
        key = context_key(tenant, request)
        patch = await self.serving.parsed(request, parse_patch)
        version = if_match(request.headers.get("if-match"))
        given = request.headers.get("idempotency-key")
        metadata = None if patch.metadata is None else canonical_json(patch.metadata)
        said = (version, patch.title, metadata, patch.ttl_s, patch.pinned_s)
        noted = keyed_or_made(store, given, "patch", (), *said)
        condition = Condition(if_version=version, keyed=noted)
        with store.in_flight(key, noted.key):
            changed = await self._patched(store, key, patch, condition)
        response = context_body(changed.info, ignored_fields=patch.ignored_fields)
        headers = change_headers(changed.info, was_made_before=changed.was_made_before)
        return self.serving.json(request, response, headers=headers)

    @guarded
    async def delete_context(self, request: Request) -> Response:
        """Remove a context from every tier and index."""
        tenant, store = self.serving.entered(request)
        key = context_key(tenant, request)
        version = if_match(request.headers.get("if-match"))
        await store.run(store.verbs.delete(key, version))
        return self.serving.json(request, deleted_body(key.id))

    async def _patched(
        self, store: StoreDesk, key: ContextKey, patch: ParsedPatch, condition: Condition
    ) -> Changed:
        """Make the change; where title and metadata moved meanwhile, look at them again."""
        for _ in range(_PATCH_TRIES - 1):
            try:
                return await self._patched_once(store, key, patch, condition)
            except VersionConflictError:
                if condition.if_version is not None:
                    raise
        return await self._patched_once(store, key, patch, condition)

    async def _patched_once(
        self, store: StoreDesk, key: ContextKey, patch: ParsedPatch, condition: Condition
    ) -> Changed:
        """Make the change; title and metadata are stored as one, so one alone joins the other."""
        about = None
        if patch.title is not None and patch.metadata is not None:
            about = self.serving.about(patch.title, patch.metadata, is_kept=True)
        elif patch.title is not None or patch.metadata is not None:
            info = await store.run(store.verbs.info(key))
            title = info.about.title if patch.title is None else patch.title
            metadata = info.about.metadata if patch.metadata is None else patch.metadata
            about = self.serving.about(title, metadata, is_kept=True)
            if condition.if_version is None:
                condition = replace(condition, if_version=info.version)
        steps = store.verbs.patch(key, about=about, life=_life(store, patch), condition=condition)
        return await store.run(steps)


def context_key(tenant: str, request: Request) -> ContextKey:
    """Return the context that the path names; raises InvalidInputError for what is no id."""
    return ContextKey(tenant, request.path_params["id"])


def keyed_or_made(
    store: StoreDesk, key: str | None, verb: str, names: Any, *conditions: object
) -> Keyed:
    """Return the caller's key, or one of ours: a change that is sent again is made once."""
    noted = keyed(store.new_id() if key is None else key, verb, tuple(names), *conditions)
    assert noted is not None
    return noted


def change_headers(info: ContextInfo, *, was_made_before: bool = False) -> dict[str, str]:
    """Return the headers that say which version a context is at."""
    headers = {"etag": info.etag, "x-tierfold-version": str(info.version)}
    return headers | {"idempotency-replayed": "true"} if was_made_before else headers


def _id(given: str | None, key: str | None, tenant: str, store: StoreDesk) -> str:
    """Return the id; under an idempotency key the same one each time."""
    if given is not None:
        return given
    return store.new_id() if key is None else id_of_key(tenant, key)


def _life(store: StoreDesk, patch: ParsedPatch) -> Life:
    pinned_ms = _milliseconds(patch.pinned_s)
    return Life(
        ttl_ms=_milliseconds(patch.ttl_s),
        pinned_until_ms=pinned_ms and store.wall.unix_ms() + pinned_ms,
    )


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else whole_milliseconds(seconds)


def _is_descending(order: str) -> bool:
    if order not in {"asc", "desc"}:
        problem = "must be asc or desc"
        raise InvalidInputError(problem, path="order")
    return order == "desc"
