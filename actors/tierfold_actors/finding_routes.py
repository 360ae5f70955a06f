"""Routes that find things: handles, search, and what the tiers hold."""

from starlette.requests import Request
from starlette.responses import Response

from tierfold.engine.working import bring_back
from tierfold.wire import handle_body, parse_search
from tierfold_actors.answering import PARSED_BYTES_PER_MS
from tierfold_actors.reports import search_body, tiers_body
from tierfold_actors.serving import Serving, guarded


class FindingRoutes:
    """One method per route."""

    def __init__(self, serving: Serving) -> None:
        self.serving = serving

    @guarded
    async def get_handle(self, request: Request) -> Response:
        """Bring back what was left out of an answer, byte for byte."""
        tenant, store = self.serving.entered(request)
        handle = request.path_params["handle"]
        items = await store.run(store.verbs.handle(tenant, handle))
        brought = await self.serving.desk.work.compute(
            lambda: bring_back(handle, items.info, items.bodies),
            cost_ms=sum(map(len, items.bodies)) / PARSED_BYTES_PER_MS,
        )
        body = handle_body(handle, items.info, brought)
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
