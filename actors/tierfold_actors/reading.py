"""Reading the body of a change, in the process where it disturbs nobody."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.requests import Request

from tierfold_actors.answering import Call
from tierfold_actors.serving import RefusedError, Serving, call_of
from tierfold_actors.work import Work
from tierfold_actors.writes import Write, WriteRoute, parse_write


@asynccontextmanager
async def read_write(
    serving: Serving, request: Request, route: WriteRoute
) -> AsyncGenerator[Write]:
    """Give the change that a body asks for; its bytes count as held while the block lasts.

    Raises InvalidInputError, TooLargeError or OverloadError.
    """
    with serving.body() as body:
        call = call_of(request, route, await body.read(request))
        yield await _write(serving, call, route)


async def _write(serving: Serving, call: Call, route: WriteRoute) -> Write:
    work: Work = serving.desk.work
    limits = serving.desk.settings.limits
    if not work.is_large(call):
        cost_ms = work.predict_cpu_ms(call)
        return await work.compute(lambda: parse_write(route, call.body, limits), cost_ms=cost_ms)
    reply = await serving.final(call)
    if reply.write is None:
        raise RefusedError(reply)
    return reply.write
