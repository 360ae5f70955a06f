"""Routes that find things: handles, search, and what the tiers hold."""

from starlette.requests import Request
from starlette.responses import Response

from tierfold.engine.working import page_of
from tierfold.wire import handle_body, parse_search, parse_whole
from tierfold_actors.answering import PARSED_BYTES_PER_MS
from tierfold_actors.reports import search_body, tiers_body
from tierfold_actors.serving import Serving, guarded

_ITEMS_MAX = 1000


class FindingRoutes:
    """One method per route."""

    def __init__(self, serving: Serving) -> None:
        self.serving = serving

    @guarded
    async def get_handle(self, request: Request) -> Response:
        """Bring back what was left out of an answer, byte for byte, one page of what is long."""
        tenant, store = self.serving.entered(request)
        handle = request.path_params["handle"]
        desk = self.serving.desk
        limit = request.query_params.get("limit")
        steps = store.verbs.handle(
            tenant,
            handle,
            items_max=None
            if limit is None
            else parse_whole(limit, name="limit", default=1, between=(1, _ITEMS_MAX)),
            bytes_max=desk.settings.store.page_bytes_max,
        )
        items = await store.run(steps)
        page = await desk.work.compute(
            lambda: page_of(
                handle, items.info, items.bodies, first=items.start, rest_check=items.rest_check
            ),
            cost_ms=sum(map(len, items.bodies)) / PARSED_BYTES_PER_MS,
        )
        body = handle_body(handle, items.info, page.value, next_handle=page.next)
        return self.serving.json(request, body, headers={"x-tierfold-tier": items.tier})

    @guarded
    async def search(self, request: Request) -> Response:
        """Find items of all contexts by the words of a query, the best first."""
        tenant, store = self.serving.entered(request)
        asked = await self.serving.parsed(request, parse_search)
        found = await store.run(store.verbs.search(tenant, asked.query, asked.limit))
        return self.serving.json(request, search_body(found, asked.ignored_fields))

    @guarded
    async def tiers(self, request: Request) -> Response:
        """Say what each memory tier holds, how often it had what was asked, and how fast."""
        _, store = self.serving.entered(request)
        reports = await store.run(store.verbs.tiers())
        l0 = store.verbs.working_sets.report()
        body = tiers_body(
            reports,
            l0,
            store.l0_latency_ms,
            is_open=self.serving.desk.keyring.is_open,
        )
        return self.serving.json(request, body)
