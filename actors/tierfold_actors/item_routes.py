"""Routes of a context's items: add, replace, read."""

from starlette.requests import Request
from starlette.responses import Response

from tierfold.context.stored import ContextInfo
from tierfold.engine.shard.operations import Keyed
from tierfold.engine.verbs import Condition
from tierfold.wire import context_body, items_body, parse_whole
from tierfold_actors.conditions import if_match, is_star, is_to_be_new
from tierfold_actors.context_routes import change_headers, context_key, keyed_or_made
from tierfold_actors.reading import read_write
from tierfold_actors.serving import Serving, guarded
from tierfold_actors.writes import WriteRoute

_ITEMS = 100
_ITEMS_MAX = 1000
_NONE_YET = 0  # the version of a context that is not there
_FAR = 10**12  # more items than any context has


class ItemRoutes:
    """One method per route."""

    def __init__(self, serving: Serving) -> None:
        self.serving = serving

    @guarded
    async def append_items(self, request: Request) -> Response:
        """Add rows, text or parts at the end of a context."""
        return await self._change(request, "append")

    @guarded
    async def put_items(self, request: Request) -> Response:
        """Make a context exactly this, creating it where there is none.

        The way to keep a history that is sent whole every turn: only what is new is stored.
        """
        return await self._change(request, "put")

    @guarded
    async def list_items(self, request: Request) -> Response:
        """Read a range of items; a negative `start` counts from the end."""
        tenant, store = self.serving.entered(request)
        key = context_key(tenant, request)
        query = request.query_params
        limit = parse_whole(
            query.get("limit"), name="limit", default=_ITEMS, between=(1, _ITEMS_MAX)
        )
        start = parse_whole(query.get("start"), name="start", default=0, between=(-_FAR, _FAR))
        if start < 0:
            info = await store.run(store.verbs.info(key))
            start = max(0, info.head.items + start)
        bytes_max = self.serving.desk.settings.store.page_bytes_max  # one item at the least
        steps = store.verbs.items(key, start, start + limit, bytes_max=bytes_max)
        items = await store.run(steps)
        body = items_body(items.info, items.bodies, start=items.start)
        headers = {"x-tierfold-tier": items.tier, **change_headers(items.info)}
        return self.serving.json(request, body, headers=headers)

    async def _change(self, request: Request, route: WriteRoute) -> Response:
        tenant, store = self.serving.entered(request)
        key = context_key(tenant, request)
        headers = request.headers
        async with read_write(self.serving, request, route) as write:
            version = if_match(headers.get("if-match"), expected=write.expected_version)
            is_new = route == "put" and is_to_be_new(headers)
            about = self.serving.about(write.title, {})
            names = (*write.contents.names, *([about.name] if about else []))
            meant = _NONE_YET if is_new else version
            noted = keyed_or_made(store, headers.get("idempotency-key"), route, names, meant)
            with store.in_flight(key, noted.key):
                if route == "append":
                    condition = Condition(if_version=version, keyed=noted)
                    steps = store.verbs.append(key, write.contents, condition)
                else:
                    if is_star(headers.get("if-match")):  # a PUT would make what is not there
                        meant = (await store.run(store.verbs.info(key))).version
                    condition = Condition(if_version=meant, keyed=noted)
                    steps = store.verbs.replace(key, write.contents, condition, about=about)
                changed = await store.run(steps)
        is_created = route == "put" and _was_created(changed.info, noted)
        return self.serving.json(
            request,
            context_body(changed.info, ignored_fields=write.ignored_fields),
            status=201 if is_created else 200,
            headers=change_headers(changed.info, was_made_before=changed.was_made_before),
        )


def _was_created(info: ContextInfo, noted: Keyed) -> bool:
    """Return whether the change made the context: now, or when it came before."""
    change = info.head.change_of(noted.key)
    return change is not None and change.was_made and change.version == 1
