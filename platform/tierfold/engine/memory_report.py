"""What the memory pools of a process hold, as a value and as a document."""

from dataclasses import asdict, dataclass
from typing import Any

from tierfold.engine.allocator import resident_bytes
from tierfold.engine.pool_keeper import PoolKeeper
from tierfold.memory.pools import NeedReport, PoolsReport


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryReport:
    """The pools of one process, what requests were predicted to need, and what is resident."""

    pools: PoolsReport
    needs: tuple[NeedReport, ...]
    resident_bytes: int  # of the whole process, what it idles at included; 0 where nobody says
    idle_bytes: int  # of it when the pools were made


def memory_report(keeper: PoolKeeper) -> MemoryReport:
    """Return the report of this process's pools."""
    return MemoryReport(
        pools=keeper.report(),
        needs=keeper.needs(),
        resident_bytes=resident_bytes(),
        idle_bytes=keeper.idle_bytes,
    )


def memory_body(report: MemoryReport) -> dict[str, Any]:
    """Return a report as a document."""
    pools = report.pools
    return {
        "limit_bytes": pools.limit_bytes,
        "used_bytes": pools.used_bytes,
        "excess_bytes": pools.excess_bytes,
        "degraded_share": round(pools.degraded_share, 4),
        "resident_bytes": report.resident_bytes,
        "idle_bytes": report.idle_bytes,
        "pools": [{**asdict(each), "pool": each.pool.value} for each in pools.pools],
        "needs": [asdict(each) for each in report.needs],
    }
