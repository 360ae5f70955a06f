"""Composition without Ray: one engine behind the Python functions, the CLI and the gateway."""

from tierfold.engine.clock import FakeClock, MonotonicClock
from tierfold.engine.engine import Engine
from tierfold.engine.fold import afold, fold

__all__ = ["Engine", "FakeClock", "MonotonicClock", "afold", "fold"]
