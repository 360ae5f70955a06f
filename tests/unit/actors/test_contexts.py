"""Routes of contexts and their items, on real shards in memory."""

import asyncio
import hashlib
from typing import Any

import httpx
import pytest

from tests.unit.actors.fakes import Bench
from tests.unit.actors.stored import MemoryShard, StoreBench
from tierfold.cli.keyfile import KeyLine
from tierfold.engine.shard.operations import Replace
from tierfold.storage import FaultyKeyValues, MemoryKeyValues
from tierfold_actors.keys import Keyring

ASKED = {"role": "user", "content": "Find me a flight to Oslo."}
SAID = {"role": "assistant", "content": "SK 463 leaves at 9:15."}
THANKS = {"role": "user", "content": "Thanks."}


async def made(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    """Create the context `trip`, or another."""
    response = await client.post("/v1/contexts", json={"id": "trip", "messages": [ASKED], **body})
    assert response.status_code == 201, response.text
    context: dict[str, Any] = response.json()
    return context


async def rows(client: httpx.AsyncClient, context: str = "trip") -> list[Any]:
    response = await client.get(f"/v1/contexts/{context}/items")
    found: list[Any] = response.json()["data"]
    return found


async def test_a_context_is_made_read_changed_and_removed() -> None:
    """The life of one."""
    async with StoreBench().client() as client:
        created = await client.post(
            "/v1/contexts", json={"id": "trip", "messages": [ASKED], "title": "Oslo", "ttl_s": 60}
        )
        read = await client.get("/v1/contexts/trip")
        same = await client.get("/v1/contexts/trip", headers={"if-none-match": '"1"'})
        changed = await client.patch("/v1/contexts/trip", json={"metadata": {"a": 1}, "ttl_s": 0})
        removed = await client.delete("/v1/contexts/trip", headers={"if-match": '"2"'})
        gone = await client.get("/v1/contexts/trip")

    assert created.status_code == 201
    assert created.headers["location"] == "/v1/contexts/trip"
    assert created.headers["etag"] == read.headers["etag"] == '"1"'
    assert read.json() == created.json()
    assert read.json()["expires_at"] == read.json()["updated_at"] + 60
    assert (same.status_code, same.content) == (304, b"")
    assert changed.headers["x-tierfold-version"] == "2"
    assert (changed.json()["title"], changed.json()["metadata"]) == ("Oslo", {"a": 1})
    assert changed.json()["expires_at"] is None
    assert removed.json() == {"id": "trip", "object": "context.deleted", "deleted": True}
    assert gone.status_code == 404


async def test_a_context_without_an_id_gets_one() -> None:
    """Another one each time."""
    async with StoreBench().client() as client:
        ids = {(await made(client, id=None))["id"] for _ in range(2)}

    assert len(ids) == 2


async def test_a_context_that_exists_is_not_made_again() -> None:
    """409; appending is another route."""
    async with StoreBench().client() as client:
        await made(client)
        again = await client.post("/v1/contexts", json={"id": "trip", "text": "other"})

    assert again.status_code == 409
    assert again.json()["code"] == "context_exists"


async def test_items_are_added_and_read_in_ranges() -> None:
    """From the start or from the end."""
    async with StoreBench().client() as client:
        await made(client)
        added = await client.post("/v1/contexts/trip/items", json={"messages": [SAID, THANKS]})
        every = (await client.get("/v1/contexts/trip/items")).json()
        last = (await client.get("/v1/contexts/trip/items?start=-2&limit=1")).json()
        beyond = (await client.get("/v1/contexts/trip/items?start=9")).json()

    assert (added.json()["version"], added.json()["items"]) == (2, 3)
    assert every["data"] == [ASKED, SAID, THANKS]
    assert (every["start"], every["total"], every["has_more"]) == (0, 3, False)
    assert (last["data"], last["start"], last["has_more"]) == ([SAID], 1, True)
    assert (beyond["data"], beyond["has_more"]) == ([], False)


async def test_a_history_that_is_sent_whole_stores_what_is_new() -> None:
    """And makes the context where there is none."""
    bench = StoreBench()
    async with bench.client() as client:
        first = await client.put("/v1/contexts/trip/items", json={"messages": [ASKED]})
        second = await client.put("/v1/contexts/trip/items", json={"messages": [ASKED, SAID]})
        third = await client.put("/v1/contexts/trip/items", json={"messages": [ASKED, THANKS]})
        found = await rows(client)

    statuses = [each.status_code for each in (first, second, third)]
    assert statuses == [201, 200, 200]
    assert found == [ASKED, THANKS]
    replaced = [each for each in bench.operations if isinstance(each, Replace)]
    assert len(replaced[0].items) == 1


async def test_texts_and_documents_are_contexts_too() -> None:
    """Each added to in its own way, and in no other."""
    async with StoreBench().client() as client:
        await client.post("/v1/contexts", json={"id": "text", "text": "One. "})
        document = {"title": "Lease", "parts": [{"text": "a", "role": "tool"}]}
        titled = await client.post("/v1/contexts", json={"id": "parts", "document": document})
        await client.post("/v1/contexts/text/items", json={"text": "Two."})
        await client.post("/v1/contexts/parts/items", json={"parts": [{"text": "b"}]})
        mixed = await client.post("/v1/contexts/text/items", json={"messages": [ASKED]})
        found = await rows(client, "text"), await rows(client, "parts")

    assert titled.json()["title"] == "Lease"
    assert "".join(piece["text"] for piece in found[0]) == "One. Two."
    assert found[1] == [{"text": "a", "role": "tool"}, {"text": "b"}]
    assert mixed.status_code == 422


async def test_a_change_for_another_version_is_refused_with_the_current_one() -> None:
    """In the ETag and in the document; nothing is changed."""
    async with StoreBench().client() as client:
        await made(client)
        stale = {"if-match": '"7"'}
        refused = [
            await client.post("/v1/contexts/trip/items", json={"messages": [SAID]}, headers=stale),
            await client.post(
                "/v1/contexts/trip/items", json={"messages": [SAID], "expected_version": 7}
            ),
            await client.put("/v1/contexts/trip/items", json={"messages": [SAID]}, headers=stale),
            await client.patch("/v1/contexts/trip", json={"title": "x"}, headers=stale),
            await client.delete("/v1/contexts/trip", headers=stale),
        ]
        found = await rows(client)

    for response in refused:
        assert response.status_code == 412
        assert response.headers["etag"] == '"1"'
        assert response.json()["current_version"] == 1
    assert found == [ASKED]


async def test_of_two_writers_of_one_version_one_wins() -> None:
    """The other hears which version it must read."""
    async with StoreBench().client() as client:
        await made(client)
        both = await asyncio.gather(
            *(
                client.post(
                    "/v1/contexts/trip/items", json={"messages": [row]}, headers={"if-match": '"1"'}
                )
                for row in (SAID, THANKS)
            )
        )
        found = await rows(client)

    assert sorted(each.status_code for each in both) == [200, 412]
    assert len(found) == 2


async def test_contexts_are_listed_in_pages() -> None:
    """By id, up or down, over all shards."""
    bench = StoreBench([MemoryShard(), MemoryShard(), MemoryShard()])
    names = [f"c{number}" for number in range(7)]
    async with bench.client() as client:
        for name in names:
            await made(client, id=name)
        up: list[str] = []
        down: list[str] = []
        for order, found in (("asc", up), ("desc", down)):
            after, has_more = "", True
            while has_more:
                page = (
                    await client.get(f"/v1/contexts?limit=3&order={order}&after={after}")
                ).json()
                found += [context["id"] for context in page["data"]]
                after, has_more = page["last_id"], page["has_more"]

    assert up == names
    assert down == names[::-1]
    assert all(shard.shard.call for shard in bench.shards)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("order=up", "order"),
        ("after=a%2Fb", "id"),
    ],
)
async def test_a_page_that_cannot_be_is_refused(query: str, says: str) -> None:
    """By the name of what is wrong."""
    async with StoreBench().client() as client:
        response = await client.get(f"/v1/contexts?{query}")

    assert response.status_code == 422
    assert says in response.json()["detail"]


@pytest.mark.parametrize(
    ("context", "status"),
    [
        ("a%2Fb", 404),  # a path of its own
        ("..", 404),
        ("%2E%2E", 422),
        (".hidden", 422),
        ("über", 422),
        ("a b", 422),
        ("x" * 129, 422),
        ("x" * 10_000, 422),
        ("%00", 422),
        ("nobody", 404),
    ],
)
async def test_an_id_that_is_none_is_refused(context: str, status: int) -> None:
    """Nothing of it reaches a shard or a path."""
    async with StoreBench().client() as client:
        read = await client.get(f"/v1/contexts/{context}")
        items = await client.get(f"/v1/contexts/{context}/items")
        asked = await client.post(f"/v1/contexts/{context}/process", json={"ask": "?"})

    for response in (read, items, asked):
        if context not in {"..", "%2E%2E"}:  # clients resolve those themselves
            assert response.status_code == status
        assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("id", ["a/b", "..", "ü", "", "x" * 129])
async def test_a_context_with_such_an_id_is_not_made(id: str) -> None:  # noqa: A002
    """422, with what an id looks like."""
    async with StoreBench().client() as client:
        response = await client.post("/v1/contexts", json={"id": id, "text": "a"})

    assert response.status_code == 422
    assert response.json()["path"] == "id"


async def test_a_large_item_is_split_and_comes_back_whole() -> None:
    """Its body is parsed by the worker process."""
    bench = StoreBench()
    row = {"role": "tool", "tool_call_id": "c", "content": "ß" * 100_000}
    async with bench.client() as client:
        await made(client)
        added = await client.post("/v1/contexts/trip/items", json={"messages": [row]})
        found = await rows(client)

    assert added.status_code == 200
    assert [call.route for call in bench.worker.calls] == ["append"]
    assert found[1] == row


async def test_what_is_too_large_is_refused() -> None:
    """A body by its length, an item by its own, title and metadata together."""
    async with StoreBench().client() as client:
        await made(client)
        refused = [
            await client.post("/v1/contexts", content=b" " * (1024 * 1024 + 1)),
            await client.post("/v1/contexts/trip/items", json={"messages": [long_row(600_000)]}),
            await client.patch("/v1/contexts/trip", json={"metadata": {"a": "x" * 20_000}}),
        ]

    assert [response.status_code for response in refused] == [413] * 3


async def test_a_page_ends_where_its_bytes_do() -> None:
    """A reader goes on where it ended, and one item always comes."""
    sizes = [100_000, 100, 300_000, 100, 140_000]
    async with StoreBench().client() as client:
        await made(client, messages=[long_row(size) for size in sizes])
        pages: list[list[int]] = []
        has_more = True
        while has_more:
            start = sum(map(len, pages))
            page = (await client.get(f"/v1/contexts/trip/items?start={start}")).json()
            pages.append([len(row["content"]) for row in page["data"]])
            has_more = page["has_more"]

    assert pages == [[100_000, 100], [300_000], [100, 140_000]]


async def test_bodies_that_are_parsed_on_the_spot_are_small() -> None:
    """A large one would hold up everybody."""
    large = b'{"title": "%b"}' % (b"x" * 70_000)
    async with StoreBench().client() as client:
        await made(client)
        refused = [
            await client.patch("/v1/contexts/trip", content=large),
            await client.post("/v1/contexts/trip/process", content=large),
            await client.post("/v1/search", content=large),
        ]

    assert [response.status_code for response in refused] == [413] * 3


async def test_a_malformed_large_body_is_refused_like_a_small_one() -> None:
    """With the place, though another process found it."""
    bench = StoreBench()
    async with bench.client() as client:
        response = await client.post(
            "/v1/contexts", json={"messages": [long_row(100_000), {"role": "nobody"}]}
        )

    assert bench.worker.calls
    assert response.status_code == 422
    assert "messages[1].role" in response.json()["detail"]


def long_row(size: int) -> dict[str, str]:
    return {"role": "user", "content": "x" * size}


async def test_a_full_disk_stores_nothing_of_a_change_and_reads_go_on() -> None:
    """507."""
    shard = MemoryShard(FaultyKeyValues(MemoryKeyValues()))
    async with StoreBench([shard]).client() as client:
        await made(client)
        fill(shard)
        full = await client.post("/v1/contexts/trip/items", json={"messages": [SAID]})
        found = await rows(client)

    assert (full.status_code, full.json()["code"]) == (507, "storage_full")
    assert found == [ASKED]


def fill(shard: MemoryShard) -> None:
    """Let the shard's disk take nothing more."""
    values = shard.values
    assert isinstance(values, FaultyKeyValues)
    values.room_bytes = 0


async def test_a_context_ends_when_its_time_is_over() -> None:
    """Nobody has to remove it."""
    shard = MemoryShard()
    async with StoreBench([shard]).client() as client:
        await made(client, ttl_s=60)
        shard.wall.now_ms += 60_001
        gone = await client.get("/v1/contexts/trip")
        again = await client.post("/v1/contexts", json={"id": "trip", "text": "new"})

    assert gone.status_code == 404
    assert again.status_code == 201


async def test_tenants_never_meet() -> None:
    """The same id is another context, and a key of one opens nothing of the other."""
    lines = tuple(
        KeyLine(tenant=name, digest=hashlib.sha256(name.encode()).digest())
        for name in ("acme", "other")
    )
    bench = StoreBench(keyring=Keyring(lines))
    async with bench.client("acme") as acme, bench.client("other") as other:
        await made(acme)
        unseen = await other.get("/v1/contexts/trip")
        listed = await other.get("/v1/contexts")
        await made(other, messages=[THANKS])
        found = await rows(acme), await rows(other)
    async with bench.client() as stranger:
        refused = await stranger.get("/v1/contexts/trip")

    assert unseen.status_code == 404
    assert listed.json()["data"] == []
    assert found == ([ASKED], [THANKS])
    assert refused.status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/contexts"),
        ("GET", "/v1/contexts"),
        ("GET", "/v1/contexts/a"),
        ("PATCH", "/v1/contexts/a"),
        ("DELETE", "/v1/contexts/a"),
        ("POST", "/v1/contexts/a/items"),
        ("PUT", "/v1/contexts/a/items"),
        ("GET", "/v1/contexts/a/items"),
        ("POST", "/v1/contexts/a/process"),
        ("GET", "/v1/handles/h_a"),
        ("POST", "/v1/search"),
        ("GET", "/v1/tiers"),
    ],
)
async def test_without_a_store_the_routes_say_how_to_get_one(method: str, path: str) -> None:
    """503, the same everywhere."""
    async with Bench().client() as client:
        response = await client.request(method, path)

    assert response.status_code == 503
    assert response.json()["detail"] == "no store is set up: start with --store"


async def test_unknown_fields_are_named() -> None:
    """Nothing a caller sends is dropped in silence."""
    async with StoreBench().client() as client:
        context = await made(client, colour="red")

    assert context["ignored_fields"] == ["colour"]


async def test_title_and_metadata_are_changed_each_alone() -> None:
    """They are stored as one, and neither takes the other along."""
    async with StoreBench().client() as client:
        await made(client, title="Oslo", metadata={"a": 1})
        both = await asyncio.gather(
            client.patch("/v1/contexts/trip", json={"title": "Bergen"}),
            client.patch("/v1/contexts/trip", json={"metadata": {"b": 2}}),
        )
        found = (await client.get("/v1/contexts/trip")).json()

    assert [each.status_code for each in both] == [200, 200]
    assert (found["title"], found["metadata"]) == ("Bergen", {"b": 2})


async def test_a_pin_lasts_until_its_time() -> None:
    """From now on; 0 takes it away."""
    async with StoreBench().client() as client:
        await made(client)
        pinned = (await client.patch("/v1/contexts/trip", json={"pinned_s": 60})).json()
        freed = (await client.patch("/v1/contexts/trip", json={"pinned_s": 0})).json()

    assert pinned["pinned_until"] > 60
    assert freed["pinned_until"] is None


async def test_a_refused_method_is_told_all_that_the_path_takes() -> None:
    """Each method is a route of its own."""
    async with StoreBench().client() as client:
        response = await client.put("/v1/contexts/trip")

    assert response.status_code == 405
    assert response.headers["allow"] == "DELETE, GET, HEAD, PATCH"
    assert response.json()["detail"].endswith("use DELETE, GET, HEAD, PATCH")


async def test_no_tenant_of_several_learns_where_the_object_store_is() -> None:
    """Its address and what it said are the operator's; bytes are everybody's."""
    lines = (KeyLine(tenant="acme", digest=hashlib.sha256(b"acme").digest()),)
    async with StoreBench(keyring=Keyring(lines)).client("acme") as client:
        shard = (await client.get("/v1/tiers")).json()["shards"][0]

    assert shard["object_store"] == {"url": "", "problem": ""}
    assert shard["contexts"] == 0


@pytest.mark.parametrize("path", ["/livez", "/v1/contexts", "/v1/contexts/trip", "/v1/tiers"])
async def test_head_is_answered_where_get_is(path: str) -> None:
    """Status and headers of the same, and no body."""
    async with StoreBench().client() as client:
        await made(client)
        got = await client.get(path)
        head = await client.head(path)

    timed = {"server-timing", "x-request-id", "content-length"}
    assert head.status_code == got.status_code == 200
    assert head.content == b""
    assert head.headers.keys() == got.headers.keys()
    assert all(head.headers[name] == got.headers[name] for name in head.headers.keys() - timed)
    assert int(head.headers["content-length"]) > 0


async def test_head_is_refused_where_get_is() -> None:
    """With the status GET would have."""
    async with StoreBench().client() as client:
        refused = [await client.head(path) for path in ("/v1/process", "/v1/contexts/nobody")]

    assert [each.status_code for each in refused] == [405, 404]
    assert [each.content for each in refused] == [b"", b""]
    assert refused[0].headers["allow"] == "POST"


@pytest.mark.parametrize("ttl_s", [1e-12, 0.0001])
async def test_the_shortest_life_is_not_for_ever(ttl_s: float) -> None:
    """0 is: what is more ends."""
    async with StoreBench().client() as client:
        context = await made(client, ttl_s=ttl_s)

    assert context["expires_at"] == context["updated_at"] + 0.001
