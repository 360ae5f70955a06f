"""A trace through a hierarchy, block by block: the very decisions that a shard makes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from tierfold.memory.hierarchy import (
    AdaptiveHierarchy,
    Hierarchy,
    HierarchySettings,
    LevelSettings,
    Move,
    Prices,
    Request,
)
from tierfold.memory.prefetch import Evidence, Hint, Prefetcher, PrefetchSettings
from tierfold.sim.tier_baseline import InclusiveLru
from tierfold.sim.tier_model import COSTS_MS, LARGE, NAMES, TierCosts, TierShares, Written, costs
from tierfold.sim.trace import Trace

READ_AHEAD_LEVEL = 1  # batches come up to L1: L0 belongs to what is being read
Progress = Callable[[int], None]  # is told how many accesses were replayed since the last time


@dataclass(slots=True)
class _Account:
    """What a replay finds and moves."""

    found: NDArray[np.int8]
    waited: NDArray[np.int8]
    tier_bytes: list[int] = field(default_factory=lambda: [0] * (len(NAMES) + 1))
    moves: int = 0

    def count(self, moved: list[Move]) -> None:
        """Count moves as they are decided: into every tier they pass through."""
        for move in moved:
            self.tier_bytes[move.target] += move.size_bytes
        self.moves += len(moved)

    @property
    def written(self) -> Written:
        """All moves, but for those that let a key go."""
        return Written(tier_bytes=self.tier_bytes[:-1], moves=self.moves)


def replay_inclusive(
    trace: Trace, shares: TierShares = LARGE, *, progress: Progress | None = None
) -> TierCosts:
    """Return what the trace costs where every tier has a copy: the baseline."""
    tiers = InclusiveLru(shares.limits_bytes(trace.footprint_bytes))
    found = np.zeros(len(trace), np.int8)
    sizes = trace.largest.tolist()
    for at, key in enumerate(trace.key.tolist()):
        found[at] = tiers.access(key, sizes[at])
        if progress is not None and not at % _STEP:
            progress(min(_STEP, len(trace) - at))
    written = Written(tier_bytes=tiers.written_bytes, moves=tiers.writes)
    return costs(trace, "inclusive LRU", found=found, waited=found, written=written)


def replay_tiers(
    trace: Trace,
    hierarchy: Hierarchy,
    *,
    name: str = "tierfold",
    prefetcher: Prefetcher | None = None,
    progress: Progress | None = None,
) -> TierCosts:
    """Return what the trace costs in a hierarchy of four levels, with reading ahead or without."""
    account = _Account(np.zeros(len(trace), np.int8), np.zeros(len(trace), np.int8))
    for start, now_ms, request in requests(trace):
        ahead = {} if prefetcher is None else _read_ahead(hierarchy, prefetcher, request, now_ms)
        found = hierarchy.access(request, now_ms)
        stop = start + len(found)
        account.found[start:stop] = found
        account.waited[start:stop] = _waited(request, found, ahead) if ahead else found
        moved = hierarchy.take_moves()
        account.count(moved)
        if prefetcher is not None:
            _tell(prefetcher, request, found, moved)
        if progress is not None:
            progress(len(found))
    result = costs(trace, name, found=account.found, waited=account.waited, written=account.written)
    problems = (level.problem for level in hierarchy.state())
    result = replace(result, problems=tuple(f"{p.policy}: {p.error}" for p in problems if p))
    return result if prefetcher is None else _with_prefetch(result, prefetcher)


def hierarchy_for(
    trace: Trace, shares: TierShares = LARGE, *, template: HierarchySettings | None = None
) -> Hierarchy:
    """Return an empty hierarchy for a trace: its levels are shares of the footprint."""
    limits = shares.limits_bytes(trace.footprint_bytes)
    levels = tuple(
        LevelSettings(name=name, bytes_max=limit) for name, limit in zip(NAMES, limits, strict=True)
    )
    settings = HierarchySettings(levels=levels)
    settings = settings if template is None else replace(template, levels=levels)
    return AdaptiveHierarchy(settings, prices=Prices(COSTS_MS))


def read_ahead(settings: PrefetchSettings | None = None) -> Prefetcher:
    """Return a prefetcher for the replay of one trace."""
    return Prefetcher(settings or PrefetchSettings(), level=READ_AHEAD_LEVEL)


def requests(trace: Trace) -> Iterator[tuple[int, float, Request]]:
    """Yield each request with the place of its first access and its time.

    Where every request is a conversation of its own, there are none: keys stand for themselves.
    """
    starts = np.flatnonzero(np.diff(trace.request, prepend=trace.request[0] - 1)).tolist()
    is_grouped = bool((trace.session != trace.request).any())
    keys, sizes = trace.key.tolist(), trace.largest.tolist()
    news, times = trace.is_first.tolist(), trace.time.tolist()
    sessions = trace.session.tolist()
    for start, stop in zip(starts, [*starts[1:], len(trace)], strict=True):
        request = Request(
            keys=keys[start:stop],
            sizes=sizes[start:stop],
            is_new=news[start:stop],
            group=("session", sessions[start]) if is_grouped else None,
        )
        yield start, times[start], request


_STEP = 65_536


def _read_ahead(
    hierarchy: Hierarchy, prefetcher: Prefetcher, request: Request, now_ms: float
) -> dict[object, int]:
    """Fetch a batch, if there is one; returns the level that each of its keys came from."""
    if request.group is None:
        return {}
    hint = Hint(
        evidence=Evidence.FIRST_BLOCK,
        context=request.group,
        read_already=frozenset(request.keys[:1]),
    )
    batch = prefetcher.plan(hint, hierarchy.place, now_ms)
    if batch is None:
        return {}
    came_from: dict[object, int] = {key: hierarchy.place(key) for key in batch.keys}
    lifted = hierarchy.lift(
        batch.keys,
        batch.sizes,
        level=prefetcher.level,
        group=request.group,
        until_ms=batch.deadline_ms,
    )
    prefetcher.ended(batch, failed=set(batch.keys).difference(lifted))
    return came_from


def _waited(request: Request, found: list[int], came_from: dict[object, int]) -> list[int]:
    """Return the level each key waited for: in a batch, the one it came from."""
    return [
        max(level, came_from.get(key, 0)) for key, level in zip(request.keys, found, strict=True)
    ]


def _tell(prefetcher: Prefetcher, request: Request, found: list[int], moved: list[Move]) -> None:
    """Tell the prefetcher what was read and what went below its level."""
    prefetcher.read(request.group, request.keys, request.sizes, found, request.is_new)
    level = prefetcher.level
    prefetcher.left(move.key for move in moved if move.source <= level < move.target)


def _with_prefetch(result: TierCosts, prefetcher: Prefetcher) -> TierCosts:
    figures = prefetcher.figures()[Evidence.FIRST_BLOCK]
    return replace(
        result,
        accuracy=figures.accuracy,
        coverage=prefetcher.coverage,
        wasted_bytes=figures.wasted_bytes,
    )
