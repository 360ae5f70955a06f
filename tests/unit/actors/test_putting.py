"""What a PUT makes, replaces and leaves alone, on real shards in memory."""

from typing import Any

from tests.unit.actors.stored import StoreBench
from tests.unit.actors.test_contexts import ASKED, SAID, made, rows


async def test_a_put_that_changes_nothing_makes_nothing() -> None:
    """200, though the context is at its first version."""
    async with StoreBench().client() as client:
        await made(client)
        same = await client.put("/v1/contexts/trip/items", json={"messages": [ASKED]})
        new = await client.put("/v1/contexts/other/items", json={"messages": [ASKED]})

    assert (same.status_code, same.json()["version"]) == (200, 1)
    assert (new.status_code, new.json()["version"]) == (201, 1)


async def test_a_put_for_a_context_that_is_there_makes_none() -> None:
    """`If-Match: *` means that somebody deleted what the caller wants to replace."""
    there = {"if-match": "*"}
    async with StoreBench().client() as client:
        gone = await client.put("/v1/contexts/trip/items", json={"messages": [SAID]}, headers=there)
        await made(client)
        replaced = await client.put(
            "/v1/contexts/trip/items", json={"messages": [SAID]}, headers=there
        )
        found = await rows(client)

    assert (gone.status_code, replaced.status_code) == (404, 200)
    assert found == [SAID]


async def test_a_put_for_a_new_context_replaces_none() -> None:
    """`If-None-Match: *`; its repetition under the same key is no conflict."""
    headers = {"if-none-match": "*", "idempotency-key": "k"}
    path = "/v1/contexts/trip/items"
    async with StoreBench().client() as client:
        first = await client.put(path, json={"messages": [ASKED]}, headers=headers)
        again = await client.put(path, json={"messages": [ASKED]}, headers=headers)
        other = await client.put(path, json={"messages": [SAID]}, headers={"if-none-match": "*"})
        found = await rows(client)

    assert [first.status_code, again.status_code, other.status_code] == [201, 201, 412]
    assert again.headers["idempotency-replayed"] == "true"
    assert other.headers["etag"] == '"1"'
    assert found == [ASKED]


async def test_a_document_that_is_put_brings_its_title() -> None:
    """Where it makes the context; later PATCH changes it."""
    body: dict[str, Any] = {"document": {"title": "Lease", "text": "a"}}
    async with StoreBench().client() as client:
        new = await client.put("/v1/contexts/lease/items", json=body)
        body["document"] |= {"title": "Other", "text": "ab"}
        longer = await client.put("/v1/contexts/lease/items", json=body)

    assert (new.json()["title"], longer.json()["title"]) == ("Lease", "Lease")
