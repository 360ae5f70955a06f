"""Replies as server-sent events."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from tierfold_actors.answering import EVENT_MEDIA_TYPE, Reply

PING = b": ping\n\n"
_PING_INTERVAL_S = 10.0  # proxies on the way close what is silent for 30 s or more


class EventResponse(StreamingResponse):
    """Chunks of events, and a stack of what they stand on that is closed however it ends.

    Here and not in a generator: one whose caller leaves before its first step runs no `finally`.
    """

    def __init__(self, chunks: AsyncIterator[bytes], stack: contextlib.AsyncExitStack) -> None:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        super().__init__(chunks, media_type=EVENT_MEDIA_TYPE, headers=headers)
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the chunks until they end or the caller leaves, then close the stack."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._stack.aclose()


async def events(
    first: Reply, rest: AsyncIterator[Reply], *, ping_interval_s: float = _PING_INTERVAL_S
) -> AsyncGenerator[bytes]:
    """Yield the events of a call whose first reply is known; pings fill long silences.

    A problem after the first event becomes an event `error`, since the status has been sent.
    """
    yield _encoded(first)
    is_done = first.is_final
    pending: asyncio.Task[Reply] | None = None
    try:
        while not is_done:
            pending = pending or asyncio.ensure_future(_next(rest))
            done, _ = await asyncio.wait({pending}, timeout=ping_interval_s)
            if not done:
                yield PING
                continue
            reply, pending = pending.result(), None
            is_done = reply.is_final
            yield _encoded(reply)
    finally:
        if pending is not None:
            pending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pending


async def first_shown(replies: AsyncIterator[Reply]) -> Reply:
    """Return the first reply that has something to show."""
    reply = await _next(replies)
    while not (reply.is_final or reply.body):
        reply = await _next(replies)
    return reply


async def _next(replies: AsyncIterator[Reply]) -> Reply:
    return await anext(replies)


def _encoded(reply: Reply) -> bytes:
    if reply.is_problem:
        return b"event: error\ndata: %b\n\n" % reply.body
    return reply.body
