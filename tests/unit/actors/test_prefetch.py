"""Hints over HTTP: what is said to be asked soon is up by then, and nobody waits for it."""

import asyncio
import hashlib
import random
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.actors.stored import MemoryShard, StoreBench
from tierfold.cli.keyfile import KeyLine
from tierfold.engine.prefetching import CONTEXTS_MAX, DEADLINE_MS_MAX
from tierfold.engine.shard.operations import (
    Append,
    GetTiers,
    Operation,
    Prefetch,
    ReadSince,
    TiersReport,
)
from tierfold.engine.working import SharedFolder
from tierfold.memory.prefetch import Evidence
from tierfold.memory.prefetch.waiting import WaitingLimits
from tierfold.wire import prefetch as wire
from tierfold_actors.keys import Keyring

QUESTION = {"ask": "When does the ferry leave?", "budget": {"max_tokens": 60}}
TEXT = "Parcels leave the house at noon. The ferry leaves at one. "
WORDS = [f"{a}{b}" for a in ("ba", "ko", "mi", "nu") for b in ("rel", "tan", "vos", "dim", "sep")]


@pytest.fixture
def shard(tmp_path: Path) -> MemoryShard:
    return MemoryShard(folder=SharedFolder(tmp_path / "l1", bytes_max=400 << 20))


@pytest.fixture
def bench(shard: MemoryShard) -> StoreBench:
    return StoreBench(shards=[shard])


def text_of(seed: int, sentences: int = 400) -> str:
    """Return a text of its own for each seed."""
    dice = random.Random(seed)
    return TEXT + " ".join(
        " ".join(dice.choices(WORDS, k=9)).capitalize() + f" {dice.random()}."
        for _ in range(sentences)
    )


async def create(client: httpx.AsyncClient, *ids: str) -> None:
    for seed, id_ in enumerate(ids):
        body = {"id": id_, "text": text_of(seed)}
        response = await client.post("/v1/contexts", json=body)
        assert response.status_code == 201, response.text


async def hint(client: httpx.AsyncClient, path: str, body: Any = None) -> dict[str, Any]:
    response = await client.post(path, json=body) if body else await client.post(path)
    assert response.status_code == 202, response.text
    said: dict[str, Any] = response.json()
    return said


async def tier(client: httpx.AsyncClient, id_: str, **fields: Any) -> str:
    response = await client.post(f"/v1/contexts/{id_}/process", json=QUESTION | fields)
    assert response.status_code == 200, response.text
    return response.headers["x-tierfold-tier"]


async def work(shard: MemoryShard) -> None:
    """Let the shard's upkeep do what waits."""
    for _ in range(3):
        while await asyncio.to_thread(shard.shard.step, 50.0):
            pass
        await asyncio.sleep(0.03)


def reads_below_l2(shard: MemoryShard) -> int:
    (report,) = shard.shard.call([GetTiers()])
    assert isinstance(report, TiersReport)
    return sum(tier.hits for tier in report.tiers if tier.tier in {"L3", "L4"})


async def test_the_next_question_finds_what_was_hinted_at(
    bench: StoreBench, shard: MemoryShard
) -> None:
    """Its working set is mapped: nothing is read from the disk, whether sealed or not."""
    async with bench.client() as client:
        await create(client, "sealed")
        await asyncio.to_thread(shard.shard.upkeep.seal)
        await create(client, "open", "other")
        before = reads_below_l2(shard)
        said = await hint(client, "/v1/contexts/sealed/prefetch")
        assert said == {
            "object": "prefetch",
            "accepted": ["sealed"],
            "ready": [],
            "skipped": [],
            "ignored_fields": [],
        }
        await hint(client, "/v1/contexts/open/prefetch", {"hint": "session_opened"})
        await work(shard)
        assert [await tier(client, "sealed"), await tier(client, "open")] == ["L1", "L1"]
        assert reads_below_l2(shard) == before
        assert await tier(client, "other") == "L3"


async def test_hints_are_one_batch_and_nobody_waits_for_them(
    bench: StoreBench, shard: MemoryShard
) -> None:
    """One call says all; the answer comes before anything was read, and twice is once."""
    ids = [f"c{n}" for n in range(5)]
    async with bench.client() as client:
        await create(client, *ids)
        said = await hint(client, "/v1/prefetch", {"contexts": [*ids, "c0"]})
        again = await hint(client, "/v1/prefetch", {"contexts": ids})
        assert said["accepted"] == again["accepted"] == ids
        assert said["ready"] == again["ready"] == []
        assert not bench.has_files
        await work(shard)
        later = await hint(client, "/v1/prefetch", {"contexts": ids})
        assert later["ready"] == ids
        figures = shard.shard.upkeep.prefetching.figures()[Evidence.ASKED_FOR]
        assert (figures.batches, figures.keys) == (5, 5)
        assert {await tier(client, id_) for id_ in ids} == {"L1"}
        figures = shard.shard.upkeep.prefetching.figures()[Evidence.ASKED_FOR]
        assert (figures.used_keys, figures.wasted_keys, figures.accuracy) == (5, 0, 1.0)


async def test_each_context_is_brought_up_in_its_own_shard(tmp_path: Path) -> None:
    """Several contexts are asked for in one request, wherever they lie."""
    shards = [
        MemoryShard(folder=SharedFolder(tmp_path / f"l1-{n}", bytes_max=1 << 26)) for n in range(3)
    ]
    bench, ids = StoreBench(shards=shards), [f"c{n}" for n in range(9)]
    async with bench.client() as client:
        await create(client, *ids)
        said = await hint(client, "/v1/prefetch", {"contexts": [*ids, "nobody"]})
        assert said["accepted"] == ids
        assert said["skipped"] == [{"context": "nobody", "reason": "unknown"}]
        for shard in shards:
            await work(shard)
        assert {await tier(client, id_) for id_ in ids} == {"L1"}
        assert all(any(shard.folder.files()) for shard in shards if shard.folder)


@pytest.mark.parametrize(
    ("path", "body", "status", "detail"),
    [
        ("/v1/contexts/none/prefetch", None, 404, "there is no context 'none'"),
        ("/v1/contexts/a%20b/prefetch", None, 422, "id"),
        ("/v1/contexts/c/prefetch", {"hint": "later"}, 422, "hint"),
        ("/v1/contexts/c/prefetch", {"deadline_ms": 0}, 422, "deadline_ms"),
        ("/v1/contexts/c/prefetch", {"deadline_ms": DEADLINE_MS_MAX + 1}, 422, "deadline_ms"),
        ("/v1/contexts/c/prefetch", {"tokenizer": "gpt2"}, 422, "tokenizer"),
        ("/v1/contexts/c/prefetch", [], 202, ""),
        ("/v1/contexts/c/prefetch", [1], 422, ""),
        ("/v1/prefetch", None, 422, "contexts"),
        ("/v1/prefetch", {"contexts": []}, 422, "contexts"),
        ("/v1/prefetch", {"contexts": "c"}, 422, "contexts"),
        ("/v1/prefetch", {"contexts": ["c", ""]}, 422, ""),
        ("/v1/prefetch", {"contexts": [f"c{n}" for n in range(CONTEXTS_MAX + 1)]}, 422, "contexts"),
    ],
)
async def test_bad_hints_are_refused_by_name(
    bench: StoreBench, path: str, body: Any, status: int, detail: str
) -> None:
    """A hint for nothing, of another kind or beyond the limits is no hint."""
    async with bench.client() as client:
        await create(client, "c")
        response = await (client.post(path, json=body) if body else client.post(path))
    assert response.status_code == status, response.text
    assert detail in response.text


def test_the_limits_on_the_wire_are_those_of_the_verb() -> None:
    """Whoever comes over HTTP meets the same ones."""
    assert (wire.CONTEXTS_MAX, wire.DEADLINE_MS_MAX) == (CONTEXTS_MAX, DEADLINE_MS_MAX)


async def test_unknown_fields_are_named(bench: StoreBench) -> None:
    """A misspelt option is taken for none, and said."""
    async with bench.client() as client:
        await create(client, "c")
        said = await hint(client, "/v1/contexts/c/prefetch", {"hints": "asked"})
        assert said["ignored_fields"] == ["hints"]


async def test_tenants_see_and_hurt_nobody_else(shard: MemoryShard) -> None:
    """Another's context is unknown, and one who hints at too much waits behind himself alone."""
    lines = tuple(
        KeyLine(tenant=name, digest=hashlib.sha256(name.encode()).digest()) for name in ("a", "b")
    )
    bench, many = StoreBench(shards=[shard], keyring=Keyring(lines)), WaitingLimits().of_tenant_max
    ids = [f"c{n}" for n in range(many + 1)]
    async with bench.client("a") as mine, bench.client("b") as other:
        for id_ in ids:
            await mine.post("/v1/contexts", json={"id": id_, "text": TEXT})
        await other.post("/v1/contexts", json={"id": "own", "text": TEXT})
        assert (await other.post("/v1/contexts/c0/prefetch")).status_code == 404
        said = await hint(mine, "/v1/prefetch", {"contexts": ids})
        assert said["skipped"] == [{"context": ids[-1], "reason": "busy"}]
        assert (await hint(other, "/v1/contexts/own/prefetch"))["accepted"] == ["own"]
        assert (await mine.post("/v1/contexts/own/prefetch")).status_code == 404
        async with bench.client() as nobody:
            assert (await nobody.post("/v1/prefetch", json={"contexts": ids})).status_code == 401


async def test_a_context_that_is_deleted_meanwhile_leaves_nothing(
    bench: StoreBench, shard: MemoryShard
) -> None:
    """Before it was brought up, or after: no file stays, and nothing goes wrong."""
    async with bench.client() as client:
        await create(client, "early", "late", "kept")
        await hint(client, "/v1/prefetch", {"contexts": ["early", "late", "kept"]})
        await client.delete("/v1/contexts/early")
        await work(shard)
        await client.delete("/v1/contexts/late")
        await work(shard)
        assert shard.folder is not None
        assert len(list(shard.folder.files())) == 1
        assert not shard.shard.upkeep.problems
        assert (await client.post("/v1/contexts/late/prefetch")).status_code == 404
        assert await tier(client, "kept") == "L1"


async def test_a_context_that_changes_meanwhile_is_made_again(
    bench: StoreBench, shard: MemoryShard
) -> None:
    """While its hint counts, the next question finds the version it asks for."""
    async with bench.client() as client:
        await create(client, "c")
        await hint(client, "/v1/contexts/c/prefetch", {"hint": "session_opened"})
        await work(shard)
        added = await client.post("/v1/contexts/c/items", json={"text": "And the bus at two."})
        assert added.status_code == 200
        await work(shard)
        assert await tier(client, "c", ask="When does the bus leave?") == "L1"
        figures = shard.shard.upkeep.prefetching.figures()[Evidence.SESSION_OPENED]
        assert (figures.used_keys, figures.wasted_keys) == (1, 0)


async def test_a_hint_is_left_after_its_deadline(bench: StoreBench, shard: MemoryShard) -> None:
    """Nothing is brought up for whoever has asked by then, or never will."""
    async with bench.client() as client:
        await create(client, "c")
        await hint(client, "/v1/contexts/c/prefetch", {"deadline_ms": 1})
        await asyncio.sleep(0.01)
        await work(shard)
        assert not bench.has_files


async def test_wrong_hints_turn_themselves_off(bench: StoreBench, shard: MemoryShard) -> None:
    """What is brought up again and again and never asked is not brought up any more."""
    async with bench.client() as client:
        ids = [f"c{n}" for n in range(40)]
        await create(client, *ids)
        for id_ in ids[:32]:
            await hint(client, f"/v1/contexts/{id_}/prefetch")
            await work_once(shard)
            await client.delete(f"/v1/contexts/{id_}")
        said = await hint(client, "/v1/contexts/c39/prefetch")
        assert said["skipped"] == [{"context": "c39", "reason": "off"}]
        assert said["accepted"] == []
        other = await hint(client, "/v1/contexts/c38/prefetch", {"hint": "session_opened"})
        assert other["accepted"] == ["c38"]  # each kind of evidence is judged by itself
        figures = shard.shard.upkeep.prefetching.figures()
        assert not figures[Evidence.ASKED_FOR].is_on
        assert figures[Evidence.SESSION_OPENED].is_on


async def work_once(shard: MemoryShard) -> None:
    await asyncio.sleep(0.025)
    await asyncio.to_thread(shard.shard.step, 50.0)


async def test_a_store_without_l1_says_so() -> None:
    """There is nowhere to bring anything: the hint is taken, and skipped."""
    bench = StoreBench()
    async with bench.client() as client:
        await create(client, "c")
        said = await hint(client, "/v1/contexts/c/prefetch")
        assert said["skipped"] == [{"context": "c", "reason": "no_room"}]


def operations(bench: StoreBench, kind: type[Operation]) -> int:
    return sum(isinstance(each, kind) for each in bench.operations)


async def test_a_row_that_calls_tools_keeps_the_contexts_place(
    bench: StoreBench, shard: MemoryShard
) -> None:
    """The append itself is the evidence: no request is made for it, and nothing is read."""
    call = {"id": "t1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    rows = [{"role": "assistant", "content": None, "tool_calls": [call]}]
    async with bench.client() as client:
        body = {"id": "chat", "messages": [{"role": "user", "content": TEXT}]}
        assert (await client.post("/v1/contexts", json=body)).status_code == 201
        added = await client.post("/v1/contexts/chat/items", json={"messages": rows})
        assert added.status_code == 200
        assert shard.shard.upkeep._tiering.has_news()  # noqa: SLF001
        assert operations(bench, Append) == 1
        assert operations(bench, Prefetch) == operations(bench, ReadSince) == 0
