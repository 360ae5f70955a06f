"""Prefetch by hint: decides what to read ahead, and whether it is worth it; pure."""

from tierfold.memory.prefetch.prefetcher import Batch, Hint, Prefetcher
from tierfold.memory.prefetch.record import PrefetchFigures
from tierfold.memory.prefetch.settings import Evidence, PrefetchSettings
from tierfold.memory.prefetch.waiting import Context, SkipReason, WaitingContexts, Wanted

__all__ = [
    "Batch",
    "Context",
    "Evidence",
    "Hint",
    "PrefetchFigures",
    "PrefetchSettings",
    "Prefetcher",
    "SkipReason",
    "WaitingContexts",
    "Wanted",
]
