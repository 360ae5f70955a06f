"""Memory tiers: what lies in L1 and L2, what moves up, what must go; pure."""

from tierfold.memory.tiers import Level, LevelReport, Tiers, Touch
from tierfold.memory.victims import DiskBlock, disk_victims, excess_bytes

__all__ = [
    "DiskBlock",
    "Level",
    "LevelReport",
    "Tiers",
    "Touch",
    "disk_victims",
    "excess_bytes",
]
