"""A trace of whole contexts through the tiers of a process and its shard, as both decide there.

L0 holds working sets by recency; below it is the shard's own `Tiers`, and every move it decides is
made at once. A server under the same questions shows the same figures in `/v1/tiers`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tierfold.config import TierSettings
from tierfold.memory.policies import Lru
from tierfold.memory.tiers import Key, Level, Tiers, Touch
from tierfold.sim.trace import Trace

TENANT = "simulated"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextSizes:
    """What a context takes beside the blocks whose bytes the trace has."""

    set_bytes: Callable[[int, Level], int]  # in L0, as it was found in a level
    file_bytes: Callable[[int], int]  # in L1


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextHits:
    """Where questions were answered from, and what moved."""

    l0: int
    l1: int
    l2: int
    below: int
    promotions: tuple[int, int]  # to L1, to L2
    demotions: tuple[int, int]  # from L1, from L2
    order: str  # that decides in the end


def replay_contexts(trace: Trace, settings: TierSettings, sizes: ContextSizes) -> ContextHits:
    """Return what the trace finds where."""
    l0, tiers = Lru(settings.l0_bytes_max), Tiers(settings)
    hits = {**dict.fromkeys(Level, 0)}
    l0_hits = 0
    columns = (trace.time.tolist(), trace.key.tolist(), trace.size.tolist())
    for now_ms, key, size_bytes in zip(*columns, strict=True):
        if key in l0:
            l0.access(key, l0.residents[key])
            l0_hits += 1
            continue
        found = tiers.lies(_context(key))
        hits[found] += 1
        l0.access(key, sizes.set_bytes(key, found))
        tiers.touch(Touch(key=_context(key), size_bytes=size_bytes), now_ms)
        _settle(tiers, sizes)
    levels = tiers.report()
    return ContextHits(
        l0=l0_hits,
        l1=hits[Level.L1],
        l2=hits[Level.L2],
        below=hits[Level.BELOW],
        promotions=(levels[Level.L1].promotions, levels[Level.L2].promotions),
        demotions=(levels[Level.L1].demotions, levels[Level.L2].demotions),
        order=levels[Level.L1].order,
    )


def _settle(tiers: Tiers, sizes: ContextSizes) -> None:
    """Make all moves that are due."""
    while (move := tiers.take()) is not None:
        if move.target == Level.L1:
            tiers.confirm(move, bytes_here=sizes.file_bytes(_number(move.key)))
        else:
            tiers.confirm(move)


def _context(key: int) -> Key:
    return TENANT, key.to_bytes(8, "big")


def _number(context: object) -> int:
    assert isinstance(context, tuple), "all keys here are contexts"
    return int.from_bytes(context[1], "big")
