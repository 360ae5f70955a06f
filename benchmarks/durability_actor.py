"""kill -9 of a shard's process under a server: what HTTP acknowledged is on the disk afterwards."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import orjson

from benchmarks.connection import Client, free_port
from benchmarks.durability_rows import Acknowledged, contents_of, line_of
from benchmarks.flood import HTTP_OK, raw_request
from tierfold_actors.runtime import running
from tierfold_actors.store_plan import StorePlan

CALLERS = 8
CONTEXTS = 5
_CREATED = 201
_PAUSE_S = 0.2
_BACK_WAIT_S = 60.0
_KILL_AFTER_S = (0.3, 1.2)
_SHARD = b"ray::ShardActor"


def kill_shards(folder: Path, acknowledged: Acknowledged, *, kills: int) -> None:
    """Append over HTTP and kill the shard's process again and again; note what was acknowledged."""
    port, plan = free_port(), StorePlan(path=str(folder / "store"), objects="")
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    with running(port=port, store=plan, environment=environment):
        asyncio.run(_killed(port, plan.path, acknowledged, kills))
    acknowledged.forget_appends()


async def _killed(port: int, store: str, acknowledged: Acknowledged, kills: int) -> None:
    dice = random.Random(11)  # reproducible moments, no secrets
    client = Client(port)
    for number in range(CONTEXTS):
        body = orjson.dumps({"id": f"c{number}", "messages": []})
        await _insist(client, raw_request("/v1/contexts", body))
    is_over = asyncio.Event()
    callers = [
        asyncio.create_task(_append(port, acknowledged, random.Random(seed), is_over))
        for seed in range(CALLERS)
    ]
    for _ in range(kills):
        await _until_more(acknowledged)
        await asyncio.sleep(dice.uniform(*_KILL_AFTER_S))
        for pid in _shard_pids(store):
            os.kill(pid, signal.SIGKILL)
    await _until_more(acknowledged)
    is_over.set()
    await asyncio.gather(*callers)


async def _append(
    port: int, acknowledged: Acknowledged, dice: random.Random, is_over: asyncio.Event
) -> None:
    """Append until it is over; what fails is not sent again, only waited for."""
    client = Client(port)
    while not is_over.is_set():
        context, contents = f"c{dice.randrange(CONTEXTS)}", contents_of(dice)
        body = orjson.dumps({"messages": [{"role": "user", "content": each} for each in contents]})
        sample = await client.send(raw_request(f"/v1/contexts/{context}/items", body))
        if sample.status not in {HTTP_OK, _CREATED}:
            await asyncio.sleep(_PAUSE_S)
            continue
        if "idempotency-replayed" in sample.headers:  # sent again by the gateway: others came after
            acknowledged.add_anywhere(context, contents)
            continue
        first = orjson.loads(sample.body)["items"] - len(contents)
        acknowledged.add(line_of(context, first, contents))
    client.close()


async def _until_more(acknowledged: Acknowledged) -> None:
    """Wait until something was acknowledged from now on: the shard is there again."""
    known, until = len(acknowledged), time.monotonic() + _BACK_WAIT_S
    while len(acknowledged) == known:
        if time.monotonic() > until:
            msg = f"nothing was acknowledged for {_BACK_WAIT_S:.0f} s after a kill"
            raise OSError(msg)
        await asyncio.sleep(_PAUSE_S)


async def _insist(client: Client, request: bytes) -> None:
    until = time.monotonic() + _BACK_WAIT_S
    while (sample := await client.send(request)).status != _CREATED:
        if time.monotonic() > until:
            msg = f"the server does not store: {sample.status} {sample.body[:300]!r}"
            raise OSError(msg)
        await asyncio.sleep(_PAUSE_S)


def _shard_pids(store: str) -> Sequence[int]:
    """Return the processes of shards whose environment names this store."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            is_shard = (folder / "cmdline").read_bytes().startswith(_SHARD)
            if is_shard and store.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue  # it has just ended
    return found
