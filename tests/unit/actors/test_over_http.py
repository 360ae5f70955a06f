"""What only a real server on a real socket shows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn

from tests.unit.actors.stored import MemoryShard, StoreBench
from tests.unit.actors.test_contexts import ASKED, SAID, made
from tierfold.engine.shard.operations import Append, Operation
from tierfold_actors.gateway import create_api


@asynccontextmanager
async def served(bench: StoreBench) -> AsyncIterator[str]:
    """Serve the gateway on a free port of this machine."""
    api = create_api(bench.desk)
    server = uvicorn.Server(uvicorn.Config(api, host="127.0.0.1", port=0, log_level="error"))
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(20):
        while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
            await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await serving


async def test_a_key_whose_change_is_under_way_is_refused_over_http() -> None:
    """409 while a slow shard is at it, on two connections; then the repetition is told of it."""
    shard = MemoryShard()
    reached, goes_on = asyncio.Event(), asyncio.Event()

    async def slow(operations: tuple[Operation, ...]) -> None:
        if isinstance(operations[0], Append):
            reached.set()
            await goes_on.wait()

    change: dict[str, Any] = {
        "url": "/v1/contexts/trip/items",
        "json": {"messages": [SAID]},
        "headers": {"idempotency-key": "turn-2"},
    }
    async with (
        served(StoreBench([shard])) as url,
        httpx.AsyncClient(base_url=url) as client,
        httpx.AsyncClient(base_url=url) as other,
    ):
        await made(client, messages=[ASKED])
        shard.before = slow
        first = asyncio.create_task(client.post(**change))
        await reached.wait()
        second = await other.post(**change)
        goes_on.set()
        done = await first
        third = await other.post(**change)

    assert (second.status_code, second.json()["code"]) == (409, "idempotency_key_in_flight")
    assert (done.status_code, third.status_code) == (200, 200)
    assert third.headers["idempotency-replayed"] == "true"


async def test_head_keeps_a_connection_usable() -> None:
    """The length that is said is that of GET, and not a byte of it follows."""
    async with served(StoreBench()) as url, httpx.AsyncClient(base_url=url) as client:
        await made(client)
        head = await client.head("/v1/contexts/trip")
        got = await client.get("/v1/contexts/trip")

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == got.headers["content-length"]
    assert head.headers["etag"] == got.headers["etag"]
