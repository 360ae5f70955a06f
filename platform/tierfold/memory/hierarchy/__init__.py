"""The hierarchy: exclusive levels under one order, decided here and carried out by their owner."""

from tierfold.memory.hierarchy.adaptive import (
    ORDERS,
    ORDERS_OF_WHOLES,
    AdaptiveHierarchy,
)
from tierfold.memory.hierarchy.hierarchy import Hierarchy
from tierfold.memory.hierarchy.ledger import Ledger
from tierfold.memory.hierarchy.moves import LevelState, Move, Problem, Request
from tierfold.memory.hierarchy.settings import (
    HierarchySettings,
    LevelSettings,
    Prices,
    Promotion,
    RankSettings,
    WriteBudget,
)

__all__ = [
    "ORDERS",
    "ORDERS_OF_WHOLES",
    "AdaptiveHierarchy",
    "Hierarchy",
    "HierarchySettings",
    "Ledger",
    "LevelSettings",
    "LevelState",
    "Move",
    "Prices",
    "Problem",
    "Promotion",
    "RankSettings",
    "Request",
    "WriteBudget",
]
