"""Packing blocks in a process of its own, so that a shard answers while it is done."""

import ray
from ray.actor import ActorProxy

from tierfold.engine.shard.upkeep.packing import PackedBlock, PackJob, packed
from tierfold_actors.store_plan import NAMESPACE

COMPRESSOR = "compressor-00"

_PACK_WAIT_S = 30.0  # a job of some MB takes a second


class CompressorActor:
    """A worker that knows nothing: bodies in, blocks out."""

    @ray.method
    def pack(self, job: PackJob) -> tuple[PackedBlock, ...]:
        """Return the blocks of a job."""
        return packed(job)

    @ray.method
    def ready(self) -> bool:
        """Say that it is there."""
        return True


def packed_elsewhere(job: PackJob) -> tuple[PackedBlock, ...]:
    """Return the blocks of a job, packed by the compressor, or here where it is away."""
    try:
        compressor: ActorProxy[CompressorActor] = ray.get_actor(COMPRESSOR, namespace=NAMESPACE)
        return ray.get(compressor.pack.remote(job), timeout=_PACK_WAIT_S)
    except (ValueError, ray.exceptions.RayError):  # no such name, or dead, or slow
        return packed(job)
