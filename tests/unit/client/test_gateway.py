"""The client against the real gateway: both sides speak the same shapes."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.unit.actors.stored import StoreBench
from tierfold import errors
from tierfold.client import AsyncClient
from tierfold.context import Budget
from tierfold_actors.gateway import create_api

ROWS: list[dict[str, Any]] = [
    {"role": "user", "content": f"Row {i} is about the weather, and so on."} for i in range(150)
]
ROWS[70]["content"] = "The flight to Oslo leaves at 9:15, gate 17."


@pytest.fixture
async def client() -> AsyncIterator[AsyncClient]:
    api = create_api(StoreBench().desk)
    transport = httpx.ASGITransport(app=api, raise_app_exceptions=False)
    async with AsyncClient("http://localhost:8000", transport=transport) as client:
        yield client


async def test_the_life_of_a_context_through_the_gateway(client: AsyncClient) -> None:
    """Every method finds its route, and every reply its reader."""
    made = await client.create("trip", messages=ROWS[:100], title="Oslo", ttl_s=60)
    assert (made.items, made.title, made.ttl_s, made.version) == (100, "Oslo", 60.0, 1)
    grown = await client.append("trip", messages=ROWS[100:], if_version=1)
    assert (await client.put("trip", messages=ROWS)).items == grown.items == 150
    assert [item async for item in client.items("trip", 1, -1)] == ROWS[1:-1]
    assert [context.id async for context in client.list()] == ["trip"]
    assert (await client.update("trip", metadata={"k": 1}, ttl_s=0, pinned_s=5)).ttl_s == 0

    answer = await client.process(
        "trip", ask="When does the flight leave?", budget=Budget(max_tokens=80)
    )
    left_out = answer["left_out"][0]
    assert "9:15" in str(answer["sources"])
    assert ROWS[left_out["message"]]["content"] in str(await client.handle(left_out["handle"]))
    assert {tier["tier"] for tier in (await client.tiers())["tiers"]} >= {"L1", "L2", "L3"}

    await client.delete("trip")
    with pytest.raises(errors.UnknownContextError):
        await client.get("trip")


async def test_texts_and_documents_through_the_gateway(client: AsyncClient) -> None:
    """All shapes come back as they were sent."""
    parts = [{"text": "a", "role": "user"}, {"text": "b"}]
    await client.create("doc", document={"title": "D", "parts": parts})
    await client.append("doc", parts=[{"text": "c"}])
    await client.put("text", text="one \u00fc")
    await client.append("text", text=" two")

    assert (await client.get("doc")).title == "D"
    assert [item async for item in client.items("doc")] == [*parts, {"text": "c"}]
    assert "".join([item["text"] async for item in client.items("text")]) == "one \u00fc two"


async def test_refusals_through_the_gateway(client: AsyncClient) -> None:
    """Each is the error that a store in this process raises, with what it carries."""
    await client.create("c", messages=ROWS[:2])
    with pytest.raises(errors.ContextExistsError):
        await client.create("c", text="x")
    with pytest.raises(errors.VersionConflictError) as conflict:
        await client.append("c", messages=ROWS[:1], if_version=7)
    assert (conflict.value.asked, conflict.value.current) == (7, 1)
    with pytest.raises(errors.InvalidInputError):
        await client.append("c", text="another shape")
    await client.append("c", messages=ROWS[:1], idempotency_key="k")
    with pytest.raises(errors.KeyReusedError):
        await client.append("c", messages=ROWS[:2], idempotency_key="k")
    with pytest.raises(errors.UnknownHandleError):
        await client.handle("h_nothing")
    with pytest.raises(errors.InvalidInputError):
        await client.get("no id of ours")
    await client.create("s", messages=[{"role": "system", "content": "rules " * 50}])
    with pytest.raises(errors.BudgetTooSmallError) as small:
        await client.process("s", ask="x", budget=Budget(max_tokens=5))
    assert (small.value.asked, small.value.minimum > 5) == (5, True)
