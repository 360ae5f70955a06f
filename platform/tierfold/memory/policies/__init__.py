"""Eviction policies: each decides for one bounded cache, holds no content, and reads no clock."""

from tierfold.memory.policies.arc import Arc
from tierfold.memory.policies.bounded import Bounded, require_limit
from tierfold.memory.policies.gdsf import Gdsf
from tierfold.memory.policies.ghosts import Ghosts
from tierfold.memory.policies.lfu import Lfu
from tierfold.memory.policies.lirs import Lirs
from tierfold.memory.policies.lrfu import Lrfu
from tierfold.memory.policies.lru import Lru
from tierfold.memory.policies.policy import Key, Policy
from tierfold.memory.policies.ranked import Ranked
from tierfold.memory.policies.registry import POLICIES, policy
from tierfold.memory.policies.s3fifo import S3Fifo
from tierfold.memory.policies.semantic import Semantic
from tierfold.memory.policies.value_density import ValueDensity

__all__ = [
    "POLICIES",
    "Arc",
    "Bounded",
    "Gdsf",
    "Ghosts",
    "Key",
    "Lfu",
    "Lirs",
    "Lrfu",
    "Lru",
    "Policy",
    "Ranked",
    "S3Fifo",
    "Semantic",
    "ValueDensity",
    "policy",
    "require_limit",
]
