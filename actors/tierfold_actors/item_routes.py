"""Routes of a context's items: add, replace, read."""

from starlette.requests import Request
from starlette.responses import Response

from tierfold.engine.verbs import Condition
from tierfold.wire import context_body, items_body, parse_whole
from tierfold_actors.conditions import if_match
from tierfold_actors.context_routes import change_headers, context_key, keyed_or_made
from tierfold_actors.reading import read_write
from tierfold_actors.serving import Serving, guarded
from tierfold_actors.writes import WriteRoute

_ITEMS = 100
_ITEMS_MAX = 1000
_PAGE_BYTES_MAX = 16 * 1024 * 1024  # the page is cut there, at one item at the earliest
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
        steps = store.verbs.items(key, start, start + limit, bytes_max=_PAGE_BYTES_MAX)
        items = await store.run(steps)
        body = items_body(items.info, items.bodies, start=items.start)
        headers = {"x-tierfold-tier": items.tier, **change_headers(items.info)}
        return self.serving.json(request, body, headers=headers)

    async def _change(self, request: Request, route: WriteRoute) -> Response:
        tenant, store = self.serving.entered(request)
        key = context_key(tenant, request)
        async with read_write(self.serving, request, route) as write:
            version = if_match(request.headers.get("if-match"), expected=write.expected_version)
            given = request.headers.get("idempotency-key")
            noted = keyed_or_made(store, given, route, write.contents.names, version)
            with store.in_flight(key, noted.key):
                if route == "append":
                    condition = Condition(if_version=version, keyed=noted)
                    changed = await store.run(store.verbs.append(key, write.contents, condition))
                else:
                    changed = await self._put(request, key, write, Condition(if_version=version, keyed=noted))
        is_created = route == "put" and changed.info.version == 1
        return self.serving.json(
            request,
            context_body(changed.info, ignored_fields=write.ignored_fields),
            status=201 if is_created else 200,
            headers=change_headers(changed.info, was_made_before=changed.was_made_before),
        )
