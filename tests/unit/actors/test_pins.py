"""Pins over HTTP: what is kept above the disk has a budget."""

from dataclasses import replace

import httpx
import pytest

from tests.unit.actors import stored
from tests.unit.actors.stored import StoreBench
from tierfold.config import TierSettings

TEXT = "Parcels leave the house at noon. The ferry is at one. " * 400  # 21 kB


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> StoreBench:
    """A store of which 10 kB of blocks may be pinned."""
    tiers = TierSettings(l2_bytes_max=20_000, low_watermark=0.8, high_watermark=0.9)
    settings = replace(stored.SETTINGS, tiers=replace(tiers, pinned_share_max=0.6))
    monkeypatch.setattr(stored, "SETTINGS", settings)
    return StoreBench()


async def made(client: httpx.AsyncClient, name: str) -> None:
    response = await client.post("/v1/contexts", json={"id": name, "text": TEXT})
    assert response.status_code == 201


async def test_a_pin_beyond_the_budget_is_refused_with_what_is_left(bench: StoreBench) -> None:
    """409, nothing is changed, and it says what to do; an unpin makes room."""
    async with bench.client() as client:
        await made(client, "a")
        await made(client, "b")
        first = await client.patch("/v1/contexts/a", json={"pinned_s": 60})
        refused = await client.patch("/v1/contexts/b", json={"pinned_s": 60, "title": "B"})
        after = (await client.get("/v1/contexts/b")).json()
        await client.patch("/v1/contexts/a", json={"pinned_s": 0})
        again = await client.patch("/v1/contexts/b", json={"pinned_s": 60})

    assert (first.status_code, refused.status_code, again.status_code) == (200, 409, 200)
    assert "can be pinned at most now" in refused.json()["detail"]
    assert (after["version"], after["title"], after["pinned_until"]) == (1, "", None)


async def test_a_change_that_fails_gives_its_pin_back(bench: StoreBench) -> None:
    """Room that a refused change would have taken is there for the next one."""
    async with bench.client() as client:
        await made(client, "a")
        await made(client, "b")
        failed = await client.patch(
            "/v1/contexts/a", json={"pinned_s": 60}, headers={"if-match": '"7"'}
        )
        unknown = await client.patch("/v1/contexts/none", json={"pinned_s": 60})
        other = await client.patch("/v1/contexts/b", json={"pinned_s": 60})
        longer = await client.patch("/v1/contexts/b", json={"pinned_s": 90})

    assert (failed.status_code, unknown.status_code) == (412, 404)
    assert (other.status_code, longer.status_code) == (200, 200)
