"""Packing as a job that can be done anywhere: bodies in, blocks out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from tierfold.compression.lossless import Codec, Dictionary, plan, row_of
from tierfold.context.segment import Name

_CODECS_KEPT = 16  # with a tenant's dictionaries each


@dataclass(frozen=True, slots=True, kw_only=True)
class PackJob:
    """Bodies of one tenant that are sealed together, in the order of their contexts."""

    bodies: tuple[bytes, ...] = field(repr=False)
    trained: tuple[Dictionary, ...] = field(default=(), repr=False)
    is_cpu_pressed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedBlock:
    """A block, and which of the job's bodies its entries are."""

    data: bytes = field(repr=False)
    entries: tuple[int, ...] = field(repr=False)


Pack = Callable[[PackJob], tuple[PackedBlock, ...]]


def packed(job: PackJob) -> tuple[PackedBlock, ...]:
    """Return the blocks of a job; pure, and all the CPU that sealing takes."""
    codec = _codec(job.trained)
    # The plan knows bodies by name; here their places in the job serve as names.
    rows = [row_of(Name(at.to_bytes(4, "big")), body, at) for at, body in enumerate(job.bodies)]
    blocks = []
    for block in plan(rows):
        entries = tuple(int.from_bytes(name, "big") for name in block.names)
        bodies = [job.bodies[at] for at in entries]
        data = codec.pack(bodies, block.kind, is_cpu_pressed=job.is_cpu_pressed)
        blocks.append(PackedBlock(data=data, entries=entries))
    return tuple(blocks)


@lru_cache(maxsize=_CODECS_KEPT)
def _codec(trained: tuple[Dictionary, ...]) -> Codec:
    return Codec(trained)
