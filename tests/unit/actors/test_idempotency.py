"""Idempotency keys over HTTP, on real shards in memory."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.unit.actors.stored import MemoryShard, StoreBench
from tests.unit.actors.test_contexts import ASKED, SAID, THANKS, made, rows
from tierfold.engine.shard.operations import Append, Operation


@pytest.mark.parametrize("verb", ["create", "append", "put", "patch"])
async def test_a_change_with_the_same_key_is_made_once(verb: str) -> None:
    """The repetition says so, and answers what the first did."""
    key = {"idempotency-key": "turn-2"}
    async with StoreBench().client() as client:
        if verb != "create":
            await made(client)

        async def change() -> httpx.Response:
            match verb:
                case "create":
                    return await client.post(
                        "/v1/contexts", json={"messages": [ASKED]}, headers=key
                    )
                case "append":
                    return await client.post(
                        "/v1/contexts/trip/items", json={"messages": [SAID]}, headers=key
                    )
                case "put":
                    return await client.put(
                        "/v1/contexts/trip/items", json={"messages": [SAID]}, headers=key
                    )
                case _:
                    return await client.patch("/v1/contexts/trip", json={"title": "x"}, headers=key)

        first, second = await change(), await change()

    assert first.is_success
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert second.status_code == first.status_code
    assert second.json()["version"] == first.json()["version"]
    assert second.json()["id"] == first.json()["id"]


async def test_a_key_that_came_with_another_change_is_refused() -> None:
    """422, and nothing is changed."""
    key = {"idempotency-key": "turn-2"}
    async with StoreBench().client() as client:
        await made(client)
        await client.post("/v1/contexts/trip/items", json={"messages": [SAID]}, headers=key)
        other = await client.post(
            "/v1/contexts/trip/items", json={"messages": [THANKS]}, headers=key
        )
        found = await rows(client)

    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert found == [ASKED, SAID]


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [
        ("PUT", "/v1/contexts/trip/items", {"messages": [ASKED]}),
        ("POST", "/v1/contexts/trip/items", {"messages": []}),
        ("PATCH", "/v1/contexts/trip", {}),
    ],
)
async def test_a_change_that_found_nothing_to_do_is_a_repetition_too(
    verb: str, path: str, body: dict[str, Any]
) -> None:
    """It raises no version, and coming again it undoes nothing that others did meanwhile."""
    key = {"idempotency-key": "turn-2"}
    async with StoreBench().client() as client:
        await made(client)
        first = await client.request(verb, path, json=body, headers=key)
        await client.post("/v1/contexts/trip/items", json={"messages": [SAID]})
        again = await client.request(verb, path, json=body, headers=key)
        found = await rows(client)

    assert [each.status_code for each in (first, again)] == [200, 200]
    assert [each.json()["version"] for each in (first, again)] == [1, 1]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert found == [ASKED, SAID]


async def test_a_key_whose_change_is_under_way_is_refused() -> None:
    """409: the first one will tell."""
    shard = MemoryShard()
    reached, goes_on = asyncio.Event(), asyncio.Event()

    async def hold(operations: tuple[Operation, ...]) -> None:
        if isinstance(operations[0], Append):
            reached.set()
            await goes_on.wait()

    async with StoreBench([shard]).client() as client:
        await made(client)
        shard.before = hold
        change: dict[str, Any] = {
            "json": {"messages": [SAID]},
            "headers": {"idempotency-key": "turn-2"},
        }
        first = asyncio.create_task(client.post("/v1/contexts/trip/items", **change))
        await reached.wait()
        second = await client.post("/v1/contexts/trip/items", **change)
        goes_on.set()
        await first
        third = await client.post("/v1/contexts/trip/items", **change)

    assert second.status_code == 409
    assert second.json()["code"] == "idempotency_key_in_flight"
    assert third.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
async def test_a_key_that_is_none_is_refused(key: str) -> None:
    """By the name of its header."""
    async with StoreBench().client() as client:
        response = await client.post(
            "/v1/contexts", json={"text": "a"}, headers={"idempotency-key": key}
        )

    assert response.status_code == 422
    assert "Idempotency-Key" in response.json()["detail"]


async def test_every_change_has_a_key() -> None:
    """One that is sent to a shard again must not be made twice."""
    bench = StoreBench()
    async with bench.client() as client:
        await made(client)
        await client.post("/v1/contexts/trip/items", json={"messages": [SAID]})
        await client.put("/v1/contexts/trip/items", json={"messages": [ASKED]})
        await client.patch("/v1/contexts/trip", json={"title": "x"})

    keys = [each.keyed for each in bench.operations if hasattr(each, "keyed")]
    assert len(keys) == 4
    assert len({each.key for each in keys if each is not None}) == 4


async def test_a_key_belongs_to_one_context() -> None:
    """Callers count turns: two chats may be at turn 2 in the same moment."""
    shard = MemoryShard()
    reached, goes_on = asyncio.Event(), asyncio.Event()

    async def hold(operations: tuple[Operation, ...]) -> None:
        if isinstance(operations[0], Append):
            reached.set()
            await goes_on.wait()

    change: dict[str, Any] = {
        "json": {"messages": [SAID]},
        "headers": {"idempotency-key": "turn-2"},
    }
    async with StoreBench([shard]).client() as client:
        await made(client)
        await made(client, id="other")
        shard.before = hold
        first = asyncio.create_task(client.post("/v1/contexts/trip/items", **change))
        await reached.wait()
        second = asyncio.create_task(client.post("/v1/contexts/other/items", **change))
        await asyncio.sleep(0.01)
        goes_on.set()
        made_both = await asyncio.gather(first, second)

    assert [response.status_code for response in made_both] == [200, 200]


async def test_the_order_of_fields_is_no_other_change() -> None:
    """JSON has none, and some callers' libraries keep none."""
    key = {"idempotency-key": "turn-2"}
    async with StoreBench().client() as client:
        await made(client)
        bodies = ({"metadata": {"a": 1, "b": 2}}, {"metadata": {"b": 2, "a": 1}})
        both = [await client.patch("/v1/contexts/trip", json=b, headers=key) for b in bodies]

    assert [response.status_code for response in both] == [200, 200]
    assert both[1].headers["idempotency-replayed"] == "true"
