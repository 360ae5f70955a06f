"""Questions about stored contexts."""

import contextlib
import functools
from collections.abc import AsyncGenerator
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from tierfold.context.identity import ContextKey
from tierfold.context.source import ContextSource
from tierfold.engine.steps import in_time
from tierfold.engine.verbs import Freshness, Hurry, Ready
from tierfold.wire import Question, parse_context_question, parse_question
from tierfold_actors.answering import Call, ReadQuestion, with_headers
from tierfold_actors.conditions import version_seen
from tierfold_actors.desk import StoreDesk
from tierfold_actors.serving import Serving, call_of, guarded

_CONTEXT_FIELD = b'"context_id"'


class QuestionRoutes:
    """One method per route, and one for questions that name contexts among their sources."""

    def __init__(self, serving: Serving) -> None:
        self.serving = serving

    @guarded
    async def process_context(self, request: Request) -> Response:
        """Fold a stored context to what the question needs, inside the budget.

        With `Accept: text/event-stream` every stage's answer is sent as an event, then the result.
        """
        tenant, store = self.serving.entered(request)
        key = ContextKey(tenant, request.path_params["id"])
        parse = functools.partial(parse_context_question, context=key.id)
        async with self._call(request) as (call, held):
            question = await self.serving.computed(call.body, parse)
            ready = await self._ready(request, store, tenant, call, question)
            response = await self._respond(call, question, ready, held)
        account = ready.accounts[0]
        response.headers["etag"] = f'"{account.version}"'
        response.headers["x-tierfold-version"] = str(account.version)
        response.headers["x-tierfold-tier"] = account.tier
        return response

    async def process_sources(
        self, request: Request, tenant: str, call: Call, held: contextlib.ExitStack
    ) -> Response:
        """Answer a call of `POST /v1/process` whose body seems to name stored contexts."""
        with held:
            question = await self.serving.computed(call.body, parse_question)
            if not any(isinstance(source, ContextSource) for source in question.sources):
                return await self.serving.response(call, held.pop_all())
            store = self.serving.desk.require_store()
            ready = await self._ready(request, store, tenant, call, question)
            response = await self._respond(call, question, ready, held)
        response.headers["x-tierfold-tier"] = max(account.tier for account in ready.accounts)
        return response

    def names_contexts(self, call: Call) -> bool:
        """Return whether a body seems to name stored contexts; large ones may not."""
        return not self.serving.desk.work.is_large(call) and _CONTEXT_FIELD in call.body

    @contextlib.asynccontextmanager
    async def _call(self, request: Request) -> AsyncGenerator[tuple[Call, contextlib.ExitStack]]:
        with contextlib.ExitStack() as held:
            body = held.enter_context(self.serving.small_body())
            yield call_of(request, "process", await body.read(request)), held

    async def _ready(
        self, request: Request, store: StoreDesk, tenant: str, call: Call, question: Question
    ) -> Ready:
        clock = self.serving.desk.clock
        seen = version_seen(request.headers.get("x-tierfold-version"))
        hurry = self._hurry(call, question)
        steps = store.verbs.ready(
            tenant,
            question.sources,
            tokenizer=question.tokenizer,
            freshness=Freshness(consistency=question.consistency, version_seen=seen),
            hurry=hurry,
        )
        latency_ms = with_headers(question, call).budget.latency_ms
        if latency_ms is not None:
            deadline_ms = call.started_ms + latency_ms
            steps = in_time(steps, lambda: deadline_ms - clock.now_ms())
        async with self._alone(store, tenant, question, is_hurried=hurry is not None):
            began_ms = clock.now_ms()
            ready = await store.run(steps)
        if all(account.tier == "L0" for account in ready.accounts):
            store.l0_latency_ms.append(clock.now_ms() - began_ms)
        return ready

    def _hurry(self, call: Call, question: Question) -> Hurry | None:
        """Return the question's deadline, where it would rather be answered from less than late."""
        asked = with_headers(question, call)
        return Hurry.of(
            asked.budget,
            began_ms=call.started_ms,
            stages=asked.stages,
            bypass=asked.bypass,
            characters_in_time=self.serving.desk.work.characters_in_time,
        )

    def _alone(
        self, store: StoreDesk, tenant: str, question: Question, *, is_hurried: bool
    ) -> contextlib.AbstractAsyncContextManager[None]:
        """Wait for another question that is reading the same context just now, if one is.

        Not in a hurry: the other may be making a working set for seconds.
        """
        source = question.sources[0]
        if len(question.sources) == 1 and isinstance(source, ContextSource) and not is_hurried:
            key = ContextKey(tenant, source.id)
            if not store.verbs.working_sets.of(key):
                return store.alone(key)
        return contextlib.nullcontext()

    async def _respond(
        self, call: Call, question: Question, ready: Ready, held: contextlib.ExitStack
    ) -> Response:
        read = ReadQuestion(question=question, ready=ready)
        return await self.serving.response(replace(call, read=read), held.pop_all())
