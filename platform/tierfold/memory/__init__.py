"""Memory tiers: what lies in L1 and L2, what moves up, what must go; pure."""

from tierfold.memory.order import Lrfu, Order, Recency
from tierfold.memory.tiers import Level, Move, MoveKind, Tiers, Touch
from tierfold.memory.victims import DiskBlock, disk_victims, excess_bytes

__all__ = [
    "DiskBlock",
    "Level",
    "Lrfu",
    "Move",
    "MoveKind",
    "Order",
    "Recency",
    "Tiers",
    "Touch",
    "disk_victims",
    "excess_bytes",
]
