"""Hints by the clients: the same request from both, and what comes back."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.actors.stored import MemoryShard, StoreBench
from tierfold import errors
from tierfold.client import AsyncClient, Client
from tierfold.engine.working import SharedFolder
from tierfold_actors.gateway import create_api

URL = "http://localhost:8000"
SAID = {"object": "prefetch", "accepted": ["a"], "ready": [], "skipped": [], "ignored_fields": []}


async def test_both_clients_ask_the_same() -> None:
    """One id is in the path, several are in the body, and only what is said is sent."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(202, json=SAID)

    transport = httpx.MockTransport(answer)
    with Client(URL, transport=transport) as client:
        assert client.prefetch("a") == SAID
        client.prefetch(["a", "b"], hint="session_opened", tokenizer="cl100k", deadline_ms=500.0)
    async with AsyncClient(URL, transport=transport) as other:
        assert await other.prefetch("a") == SAID
        await other.prefetch(
            ["a", "b"], hint="session_opened", tokenizer="cl100k", deadline_ms=500.0
        )

    asked: list[tuple[str, Any]] = [(each.url.path, json.loads(each.content)) for each in seen]
    assert asked[:2] == asked[2:]
    assert asked[0] == ("/v1/contexts/a/prefetch", {"hint": "asked"})
    assert asked[1] == (
        "/v1/prefetch",
        {
            "contexts": ["a", "b"],
            "hint": "session_opened",
            "tokenizer": "cl100k",
            "deadline_ms": 500.0,
        },
    )


async def test_hints_through_the_gateway(tmp_path: Path) -> None:
    """What a server accepts, skips and does not know is what a store would."""
    shard = MemoryShard(folder=SharedFolder(tmp_path / "l1", bytes_max=1 << 26))
    transport = httpx.ASGITransport(app=create_api(StoreBench([shard]).desk))
    async with AsyncClient(URL, transport=transport) as client:
        await client.create("trip", text="The flight to Oslo leaves at 9:15.")
        assert (await client.prefetch("trip"))["accepted"] == ["trip"]
        said = await client.prefetch(["trip", "none"])
        assert said["skipped"] == [{"context": "none", "reason": "unknown"}]
        with pytest.raises(errors.UnknownContextError, match="none"):
            await client.prefetch("none")
        with pytest.raises(errors.InvalidInputError, match="hint"):
            await client.prefetch("trip", hint="later")  # type: ignore[arg-type]
        with pytest.raises(errors.InvalidInputError):
            await client.prefetch("../trip")
