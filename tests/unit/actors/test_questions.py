"""Questions on stored contexts, handles, search and tiers, on real shards in memory."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.unit.actors.stored import StoreBench
from tierfold.engine import steps
from tierfold.engine.shard.operations import GetVersion, Operation, ReadSince
from tierfold.errors import ShardUnavailableError

ROWS = [
    {
        "role": "user" if number % 2 else "assistant",
        "content": f"Line {number}: the warehouse in Ghent counted {number * 7} boxes. " * 3,
    }
    for number in range(40)
]
NEEDLE = "The signature under the lease is Mrs. Okonkwo's."
ROWS[17]["content"] = NEEDLE
ASK = {"ask": "Who signed the lease?", "budget": {"max_tokens": 200}}
LAST = {"role": "user", "content": "Go on."}


@pytest.fixture
async def bench() -> StoreBench:
    """A store with the context `trip`."""
    bench = StoreBench()
    async with bench.client() as client:
        response = await client.post("/v1/contexts", json={"id": "trip", "messages": ROWS})
        assert response.status_code == 201
    return bench


async def ask(client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    return await client.post("/v1/contexts/trip/process", json={**ASK, **body})


async def test_a_question_is_answered_from_what_is_stored(bench: StoreBench) -> None:
    """The second one needs nothing from the shard."""
    async with bench.client() as client:
        first = await ask(client)
        asked = len(bench.operations)
        second = await ask(client)

    answer = first.json()
    assert NEEDLE in json.dumps(answer["sources"][0]["messages"])
    assert answer["usage"]["prompt_tokens"] <= 200
    assert answer["contexts"] == [{"id": "trip", "version": 1}]
    assert first.headers["etag"] == '"1"'
    assert first.headers["x-tierfold-tier"] == answer["timing"]["tier"] != "L0"
    assert second.headers["x-tierfold-tier"] == "L0"
    assert second.json()["timing"]["checked_ms_ago"] > 0
    assert second.json()["sources"] == answer["sources"]
    assert len(bench.operations) == asked


async def test_what_was_left_out_is_brought_back(bench: StoreBench) -> None:
    """By the handle beside it, byte for byte."""
    async with bench.client() as client:
        left_out = (await ask(client)).json()["left_out"]
        brought = [
            (run, (await client.get(f"/v1/handles/{run['handle']}")).json()) for run in left_out
        ]
        forged = await client.get("/v1/handles/h_nothing")

    assert left_out
    for run, found in brought:
        whole = ROWS[run["message"]]["content"]
        text = found.get("text") or found["messages"][0]["content"]
        assert text in {whole, whole[run["start"] : run["end"]]}
        assert (found["object"], found["context"], found["version"]) == ("handle", "trip", 1)
    assert (forged.status_code, forged.json()["code"]) == (422, "malformed_handle")


async def test_markers_may_carry_handles(bench: StoreBench) -> None:
    """Inside the budget."""
    async with bench.client() as client:
        answer = (await ask(client, markers="handles", budget={"max_tokens": 400})).json()

    assert "h_" in json.dumps(answer["sources"])
    assert answer["usage"]["prompt_tokens"] <= 400


async def test_a_version_that_was_seen_is_never_older(bench: StoreBench) -> None:
    """Though this process holds an older one."""
    async with bench.client() as client:
        await ask(client)
        other = StoreBench(bench.shards)
        async with other.client() as elsewhere:
            await elsewhere.post("/v1/contexts/trip/items", json={"messages": [LAST]})
        stale = await ask(client)
        seen = await client.post(
            "/v1/contexts/trip/process", json=ASK, headers={"x-tierfold-version": "2"}
        )

    assert stale.headers["x-tierfold-version"] == "1"  # within the second that a session allows
    assert seen.headers["x-tierfold-version"] == "2"


@pytest.mark.parametrize(("consistency", "version"), [("latest", "2"), ("any", "1")])
async def test_the_caller_says_how_old_a_context_may_be(
    bench: StoreBench, consistency: str, version: str
) -> None:
    """`latest` is confirmed, `any` is what is there."""
    async with bench.client() as client:
        await ask(client)
        async with StoreBench(bench.shards).client() as elsewhere:
            await elsewhere.post("/v1/contexts/trip/items", json={"messages": [LAST]})
        answer = await ask(client, consistency=consistency)

    assert answer.headers["x-tierfold-version"] == version


async def test_one_append_here_keeps_the_working_set_up_to_date(bench: StoreBench) -> None:
    """The next question needs nothing from the shard."""
    async with bench.client() as client:
        await ask(client)
        await client.post("/v1/contexts/trip/items", json={"messages": [LAST]})
        asked = len(bench.operations)
        answer = await ask(client)

    assert answer.headers["x-tierfold-version"] == "2"
    assert answer.headers["x-tierfold-tier"] == "L0"
    assert len(bench.operations) == asked


async def test_confirmations_that_wait_travel_in_one_call(bench: StoreBench) -> None:
    """However many questions ask for the newest version."""
    (shard,) = bench.shards
    async with bench.client() as client:
        await ask(client)
        before = len(shard.calls)
        await asyncio.gather(*(ask(client, consistency="latest") for _ in range(20)))

    calls = shard.calls[before:]
    assert all(isinstance(each, GetVersion) for call in calls for each in call)
    assert sum(map(len, calls)) == 20
    assert len(calls) <= 3


async def test_stages_stream(bench: StoreBench) -> None:
    """As on the other route, with the version in the headers."""
    headers = {"accept": "text/event-stream"}
    async with bench.client() as client:
        response = await client.post("/v1/contexts/trip/process", json=ASK, headers=headers)

    lines = response.text.splitlines()
    answers = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data")]
    assert response.headers["etag"] == '"1"'
    assert [answer["final"] for answer in answers] == [False] * (len(answers) - 1) + [True]
    assert answers[-1]["contexts"] == [{"id": "trip", "version": 1}]


async def test_a_context_is_a_source_among_others(bench: StoreBench) -> None:
    """One request on two contexts and a text."""
    async with bench.client() as client:
        await client.post("/v1/contexts", json={"id": "note", "text": "It rained in Ghent."})
        sources = [{"context_id": "trip"}, {"context_id": "note", "priority": 2}, {"text": "Hm."}]
        response = await client.post("/v1/process", json={**ASK, "sources": sources})

    answer = response.json()
    assert response.status_code == 200, answer
    assert [context["id"] for context in answer["contexts"]] == ["trip", "note"]
    assert NEEDLE in json.dumps(answer["sources"][0]["messages"])
    assert len(answer["sources"]) == 3
    assert response.headers["x-tierfold-tier"] == "L3"


async def test_a_text_that_speaks_of_contexts_is_an_ordinary_one(bench: StoreBench) -> None:
    """The word alone means nothing."""
    async with bench.client() as client:
        sources = [{"text": 'He wrote "context_id" on the wall.', "context_id": None}]
        response = await client.post("/v1/process", json={"sources": sources})

    assert response.status_code == 200
    assert "contexts" not in response.json()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"sources": [{"context_id": "a", "text": "b"}]}, "exactly one of"),
        ({"sources": [{"context_id": "a/b"}]}, "no id"),
        ({"sources": [{"context_id": 7}]}, "context_id"),
        ({"sources": [{"context_id": "trip"}], "consistency": "soon"}, "consistency"),
        ({"sources": [{"context_id": "trip"}, {"text": "a"}], "markers": "handles"}, "markers"),
    ],
)
async def test_what_is_no_question_is_refused(
    bench: StoreBench, body: dict[str, Any], says: str
) -> None:
    """With its place."""
    async with bench.client() as client:
        response = await client.post("/v1/process", json=body)

    assert response.status_code == 422
    assert says in response.json()["detail"]


async def test_a_question_on_a_context_that_is_gone_is_a_404(bench: StoreBench) -> None:
    """Also where this process still holds it, once it asks."""
    async with bench.client() as client:
        await ask(client)
        async with StoreBench(bench.shards).client() as elsewhere:
            await elsewhere.delete("/v1/contexts/trip")
        answers = [await ask(client, consistency="latest"), await ask(client)]

    assert [answer.status_code for answer in answers] == [404, 404]


async def test_a_shard_that_is_away_is_said_so(bench: StoreBench) -> None:
    """503 with Retry-After; what is held here is still answered."""
    (shard,) = bench.shards

    async def die(_: tuple[Operation, ...]) -> None:
        raise ShardUnavailableError

    async with bench.client() as client:
        await ask(client)
        shard.before = die
        read = await client.get("/v1/contexts/trip")
        held = await ask(client, consistency="any")
        shard.before = None
        back = await client.get("/v1/contexts/trip")

    assert (read.status_code, read.headers["retry-after"]) == (503, "1")
    assert held.status_code == 200
    assert back.status_code == 200


async def test_a_bug_is_said_so_without_a_word_of_the_caller(
    bench: StoreBench, caplog: pytest.LogCaptureFixture
) -> None:
    """500 with the request's name; the log has the place."""
    (shard,) = bench.shards

    async def fail(_: tuple[Operation, ...]) -> None:
        raise ValueError(NEEDLE)

    shard.before = fail
    async with bench.client() as client:
        response = await client.get("/v1/contexts/trip", headers={"x-request-id": "mine"})

    assert response.status_code == 500
    assert response.json()["request_id"] == "mine"
    assert NEEDLE not in response.text
    assert "ValueError in request mine" in caplog.text
    assert NEEDLE not in caplog.text


async def test_a_long_context_is_made_ready_in_the_thread(bench: StoreBench) -> None:
    """And answered there: the event loop stays free."""
    rows = [
        {**row, "content": f"{row['content']} {number}"} for number in range(60) for row in ROWS
    ]
    async with bench.client() as client:
        await client.put("/v1/contexts/long/items", json={"messages": rows[:300]})
        response = await client.post("/v1/contexts/long/process", json=ASK)

    reads = [each for each in bench.operations if isinstance(each, ReadSince)]
    assert response.status_code == 200
    assert len(reads) == 1


async def test_tiers_show_what_is_where(bench: StoreBench) -> None:
    """L0 is this process's own."""
    async with bench.client() as client:
        await ask(client)
        await ask(client)
        tiers = (await client.get("/v1/tiers")).json()

    assert (tiers["l0"]["items"], tiers["l0"]["hits"], tiers["l0"]["misses"]) == (1, 1, 1)
    assert tiers["l0"]["latency_ms"]["p50"] < 50
    assert [shard["contexts"] for shard in tiers["shards"]] == [1]
    assert [tier["tier"] for tier in tiers["tiers"]] == ["L0", "L1", "L2", "L3", "L4"]


async def test_a_context_that_nobody_holds_is_read_once(bench: StoreBench) -> None:
    """Whoever asks meanwhile waits for the first and finds it held."""
    before = len(bench.operations)
    async with bench.client() as client:
        answers = await asyncio.gather(*(ask(client) for _ in range(8)))

    assert [each.status_code for each in answers] == [200] * 8
    assert [type(each) for each in bench.operations[before:]] == [ReadSince]
    assert not bench.store.readers


@pytest.fixture
async def hung(bench: StoreBench, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StoreBench]:
    """The store with its context held here, and a shard that has stopped answering."""
    goes_on = asyncio.Event()

    async def hang(_: tuple[Operation, ...]) -> None:
        await goes_on.wait()

    monkeypatch.setattr(steps, "PATIENCE_MS", 50.0)
    async with bench.client() as client:
        await ask(client)
    bench.shards[0].before = hang
    yield bench
    goes_on.set()


async def test_a_shard_that_hangs_holds_up_no_question_with_a_deadline(hung: StoreBench) -> None:
    """`latest` wants it to confirm the version: 503 soon after the deadline, not much later."""
    async with asyncio.timeout(2), hung.client() as client:
        answer = await ask(client, consistency="latest", budget={"latency_ms": 50})

    assert (answer.status_code, answer.json()["code"]) == (503, "shard_unavailable")
    assert answer.headers["retry-after"] == "1"


async def test_what_is_held_answers_though_the_shard_hangs(hung: StoreBench) -> None:
    """With `any`; the answer says how long ago its version was confirmed."""
    async with asyncio.timeout(2), hung.client() as client:
        answer = await ask(client, consistency="any", budget={"latency_ms": 50})

    assert answer.status_code == 200
    assert answer.json()["timing"]["checked_ms_ago"] > 0


async def test_a_long_handle_comes_in_pages() -> None:
    """Each names the next; joined they are what was stored."""
    text = "".join(f"{number} boxes were counted in Ghent.\n" for number in range(20_000))
    async with StoreBench().client() as client:
        await client.post("/v1/contexts", json={"id": "trip", "text": text})
        asked = {"ask": "dogs", "budget": {"max_tokens": 60}}
        answer = (await client.post("/v1/contexts/trip/process", json=asked)).json()
        run = max(answer["left_out"], key=lambda run: run["tokens"])
        by_bytes = await paged(client, run["handle"])
        by_items = await paged(client, run["handle"], limit=1)
        none = await client.get(f"/v1/handles/{run['handle']}?limit=0")

    assert 2 < len(by_bytes) < len(by_items)
    assert max(len(page["text"]) for page in by_bytes) <= 300_000
    for pages in (by_bytes, by_items):
        assert "".join(page["text"] for page in pages) == text[run["start"] : run["end"]]
    assert (none.status_code, none.json()["path"]) == (422, "limit")


async def paged(client: httpx.AsyncClient, handle: str, **query: Any) -> list[dict[str, Any]]:
    """Return all pages of a handle."""
    pages: list[dict[str, Any]] = []
    left: str | None = handle
    while left is not None:
        pages.append((await client.get(f"/v1/handles/{left}", params=query)).json())
        left = pages[-1]["next"]
    return pages
