"""One trace, several cache sizes, several policies: the results side by side."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from tierfold.sim import belady
from tierfold.sim.cells import Cell
from tierfold.sim.replay import Replay
from tierfold.sim.scores import gap_closed
from tierfold.sim.trace import Trace

FLOOR = "lru"
REFERENCES = (FLOOR, belady.NAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What all policies made of one cell, the one that missed least first."""

    cell: Cell
    replays: tuple[Replay, ...]

    @classmethod
    def of(cls, cell: Cell, replays: Iterable[Replay]) -> "Comparison":
        """Return the replays in their order of merit."""
        ranked = sorted(replays, key=lambda each: (each.misses, each.bytes_missed, each.policy))
        return cls(cell=cell, replays=tuple(ranked))

    def miss_ratios(self) -> dict[str, float]:
        """Return the object miss ratio of each policy."""
        return {each.policy: each.object_miss_ratio for each in self.replays}

    def gap_closed(self, policy: str) -> float:
        """Return which share of the way from LRU to the bound it goes; not a number without one."""
        return gap_closed([self.miss_ratios()], policy, floor=FLOOR, bound=belady.NAME)

    def body(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "share": self.cell.share,
            "bytes_max": self.cell.bytes_max,
            "objects": self.cell.objects,
            "policies": [self._policy(each) for each in self.replays],
        }

    def _policy(self, found: Replay) -> dict[str, Any]:
        gap = self.gap_closed(found.policy)
        return {
            "policy": found.policy,
            "object_miss_ratio": found.object_miss_ratio,
            "byte_miss_ratio": found.byte_miss_ratio,
            "gap_closed": gap if isfinite(gap) else None,
            "evicted_bytes": found.evicted_bytes,
            "accesses_per_s": found.accesses_per_s,
            "metadata_bytes_per_object": found.metadata_bytes,
            "problem": found.problem,
        }


def body(trace: Trace, comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Return a whole simulation as JSON has it."""
    return {
        "object": "simulation",
        "trace": {
            "name": trace.name,
            "accesses": len(trace),
            "objects": trace.objects,
            "footprint_bytes": trace.footprint_bytes,
            "compulsory_miss_ratio": trace.compulsory_miss_ratio,
        },
        "cells": [each.body() for each in comparisons],
    }
