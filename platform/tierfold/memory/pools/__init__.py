"""Memory pools: leases of bytes from shares of one limit, and what requests will need; pure."""

from tierfold.memory.pools.asking import Ask, Pool, Priority, Worth
from tierfold.memory.pools.decision import (
    Decision,
    Degraded,
    Granted,
    LeaseId,
    MustFree,
    Refused,
)
from tierfold.memory.pools.need import Need, NeedCurve, NeedModel, NeedReport
from tierfold.memory.pools.pools import Pools
from tierfold.memory.pools.report import PoolReport, PoolsReport

__all__ = [
    "Ask",
    "Decision",
    "Degraded",
    "Granted",
    "LeaseId",
    "MustFree",
    "Need",
    "NeedCurve",
    "NeedModel",
    "NeedReport",
    "Pool",
    "PoolReport",
    "Pools",
    "PoolsReport",
    "Priority",
    "Refused",
    "Worth",
]
