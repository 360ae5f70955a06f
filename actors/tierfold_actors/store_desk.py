"""The gateway's side of a store: its verbs, its working sets, and the ways to the shards."""

import random
from collections.abc import Sequence
from typing import Any

from tierfold.config import Settings
from tierfold.context.identity import ID_RANDOM_BITS, id_at
from tierfold.engine import MonotonicClock
from tierfold.engine.clock import UnixClock
from tierfold.engine.verbs import Build, Compute, Verbs
from tierfold.engine.working import WorkingSets
from tierfold.replication import Placement
from tierfold_actors.async_driving import AsyncDriver, Link
from tierfold_actors.desk import StoreDesk
from tierfold_actors.store_plan import StorePlan
from tierfold_actors.work import Work


def store_desk(plan: StorePlan, links: Sequence[Link], work: Work, settings: Settings) -> StoreDesk:
    """Return the desk of a store whose shards are there."""

    async def compute(step: Compute | Build) -> Any:
        cost_ms = work.predict_building_ms(step.size_bytes)
        if isinstance(step, Build):
            return await work.build(step, cost_ms=cost_ms)
        return await work.make_ready(step.work, cost_ms=cost_ms)

    verbs = Verbs(
        working_sets=WorkingSets(settings.tiers.l0_bytes_max),
        clock=MonotonicClock(),
        limits=settings.limits,
        store_limits=settings.store,
    )
    wall, dice = UnixClock(), random.SystemRandom()
    return StoreDesk(
        verbs=verbs,
        driver=AsyncDriver(links, Placement(plan.shard_names), compute),
        wall=wall,
        new_id=lambda: id_at(wall.unix_ms(), dice.getrandbits(ID_RANDOM_BITS)),
    )
