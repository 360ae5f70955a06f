"""The simulator and a server under the same questions: one mechanism, the same figures."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.actors import stored
from tests.unit.actors.stored import MemoryShard, StoreBench
from tierfold.config import Settings, TierSettings
from tierfold.context.identity import ContextKey
from tierfold.engine.clock import FakeClock
from tierfold.engine.shard.assembled import OpenShard, ShardParts
from tierfold.engine.working import SharedFolder
from tierfold.engine.working.loaded import Loaded
from tierfold.memory import Level
from tierfold.sim.contexts import ContextHits, ContextSizes, replay_contexts
from tierfold.sim.trace import Trace

CONTEXTS, QUESTIONS = 40, 300
ASK: dict[str, Any] = {
    "ask": "Where is the harbour?",
    "budget": {"max_tokens": 60},
    "consistency": "any",
}
TIERS = TierSettings(l0_bytes_max=150_000, l1_bytes_max=900_000, l2_bytes_max=60_000)


class WeighedFolder(SharedFolder):
    """Notes what each file takes, for it may be gone at once."""

    def __init__(self, path: Path, *, bytes_max: int) -> None:
        super().__init__(path, bytes_max=bytes_max)
        self.written_bytes: dict[bytes, int] = {}

    def write(self, digest: bytes, loaded: Loaded, bodies: Sequence[bytes]) -> Path | None:
        path = super().write(digest, loaded, bodies)
        assert path is not None
        self.written_bytes[digest] = path.stat().st_size
        return path

    def bytes_of(self, number: int) -> int:
        """Return what a context's file took."""
        return self.written_bytes[ContextKey("local", f"c{number}").digest]


@dataclass
class SteppedShard(MemoryShard):
    """A shard whose upkeep works when it is told to, and then until all is done."""

    settings: Settings = field(default_factory=Settings)

    def __post_init__(self) -> None:
        self.clock = FakeClock()
        self.shard = OpenShard(
            ShardParts(
                values=self.values,
                settings=self.settings,
                wall=self.wall,
                clock=self.clock,
                dice=random.Random(3),
                folder=self.folder,
                has_search=False,
            )
        )

    def settle(self) -> None:
        """Let upkeep make all moves; time stands still, or it would pack the blocks anew."""
        for _ in self.shard.upkeep._tiering.one_pass():  # noqa: SLF001  # one job of many
            pass


def text_of(dice: random.Random, number: int) -> str:
    """Return a text that hardly compresses, of 1 to 30 kB."""
    lines = [
        f"Line {at}: {dice.getrandbits(160):x} is the harbour of {dice.getrandbits(96):x}."
        for at in range(dice.choice((10, 20, 40, 80, 300)))
    ]
    return f"Context {number}.\n" + "\n".join(lines)


def questions(dice: random.Random) -> list[int]:
    """Return contexts in the order they are asked: some often, some once, a scan between."""
    often = [dice.randrange(8) if dice.random() < 0.6 else dice.randrange(24) for _ in range(150)]
    scan = list(range(24, CONTEXTS))
    late = [dice.randrange(4, 14) for _ in range(QUESTIONS - len(often) - len(scan))]
    return often + scan + late


@dataclass
class Served:
    """A server with its contexts, and what each takes in every tier."""

    bench: StoreBench
    shard: SteppedShard
    files: WeighedFolder
    block_bytes: dict[int, int] = field(default_factory=dict)
    set_bytes: dict[tuple[int, bool], int] = field(default_factory=dict)

    async def ask(self, client: httpx.AsyncClient, number: int) -> None:
        """Ask, let upkeep settle, and note sizes that show."""
        response = await client.post(f"/v1/contexts/c{number}/process", json=ASK)
        assert response.status_code == 200, response.text
        self.shard.settle()
        key = ContextKey("local", f"c{number}")
        tier = response.headers["x-tierfold-tier"]
        if tier != "L0":
            held = self.bench.store.verbs.working_sets.of(key)
            size = held[0][1].size_bytes if held else TIERS.l0_bytes_max + 1
            self.set_bytes[number, tier == "L1"] = size


async def served(folder: Path, tiers: TierSettings, monkeypatch: pytest.MonkeyPatch) -> Served:
    """Return a server whose contexts lie on its disk, each in blocks of its own."""
    settings = replace(stored.SETTINGS, tiers=tiers)
    monkeypatch.setattr(stored, "SETTINGS", settings)
    files = WeighedFolder(folder, bytes_max=tiers.l1_bytes_max)
    shard = SteppedShard(folder=files, settings=settings)
    server = Served(StoreBench(shards=[shard]), shard, files)
    dice = random.Random(5)
    async with server.bench.client() as client:
        for number in range(CONTEXTS):
            body = {"id": f"c{number}", "text": text_of(dice, number)}
            response = await client.post("/v1/contexts", json=body)
            assert response.status_code == 201
            shard.shard.upkeep.seal()
            digest = ContextKey("local", f"c{number}").digest
            blocks = shard.shard.core.reader.bring_up("local", digest)
            server.block_bytes[number] = sum(blocks.values())
    shard.settle()
    shard.shard.blocks.clear()
    return server


def hits_of(body: dict[str, Any]) -> ContextHits:
    """Return what `/v1/tiers` says."""
    tiers = {tier["tier"]: tier for tier in body["tiers"]}
    return ContextHits(
        l0=tiers["L0"]["hits"],
        l1=tiers["L1"]["hits"],
        l2=tiers["L2"]["hits"],
        below=tiers["L3"]["hits"],
        promotions=(tiers["L1"]["promotions"], tiers["L2"]["promotions"]),
        demotions=(tiers["L1"]["demotions"], tiers["L2"]["demotions"]),
        order=tiers["L1"]["order"],
    )


@pytest.mark.parametrize("order", ["adaptive", "s3fifo"])
async def test_the_simulator_says_what_the_server_shows(
    order: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same questions, settings and sizes: the same hits in each tier, the same moves."""
    tiers = replace(TIERS, order=order)
    server = await served(tmp_path / "l1", tiers, monkeypatch)
    asked = questions(random.Random(11))
    async with server.bench.client() as client:
        for number in asked:
            await server.ask(client, number)
        shown = hits_of((await client.get("/v1/tiers")).json())
    rows = [(at, number, server.block_bytes[number]) for at, number in enumerate(asked)]
    sizes = ContextSizes(
        set_bytes=lambda number, level: server.set_bytes[number, level is Level.L1],
        file_bytes=server.files.bytes_of,
    )
    simulated = replay_contexts(Trace.from_rows(rows), tiers, sizes)

    assert simulated == shown
    assert min(shown.l0, shown.l1, shown.l2, shown.below) > 10, "every tier has its share"
