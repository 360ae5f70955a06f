"""Routes that say what will be asked soon."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from tierfold.engine.prefetching import prefetch_of, prefetched_body
from tierfold.wire.prefetch import ParsedPrefetch, parse_context_prefetch, parse_prefetch
from tierfold_actors.context_routes import context_key
from tierfold_actors.desk import StoreDesk
from tierfold_actors.serving import Serving, guarded

_ACCEPTED = 202


class PrefetchRoutes:
    """One method per route."""

    def __init__(self, serving: Serving) -> None:
        self.serving = serving

    @guarded
    async def prefetch_context(self, request: Request) -> Response:
        """Say that a context will be asked soon: it is brought up in the background."""
        tenant, store = self.serving.entered(request)
        key = context_key(tenant, request)
        asked = await self.serving.parsed(request, parse_context_prefetch)
        return await self._said(request, tenant, store, key.id, asked)

    @guarded
    async def prefetch(self, request: Request) -> Response:
        """Say that several contexts will be asked soon; those there are none of are named."""
        tenant, store = self.serving.entered(request)
        asked = await self.serving.parsed(request, parse_prefetch)
        return await self._said(request, tenant, store, asked.contexts, asked)

    async def _said(
        self,
        request: Request,
        tenant: str,
        store: StoreDesk,
        ids: str | Sequence[str],
        asked: ParsedPrefetch,
    ) -> Response:
        steps = prefetch_of(
            tenant,
            ids,
            hint=asked.hint,
            tokenizer=asked.tokenizer,
            deadline_ms=asked.deadline_ms,
        )
        body = prefetched_body(await store.run(steps), ignored_fields=asked.ignored_fields)
        return self.serving.json(request, body, status=_ACCEPTED)
