"""L3 over its watermark: which blocks leave the disk because L4 has them for certain."""

from collections.abc import Iterable
from dataclasses import dataclass

from tierfold.config import TierSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskBlock:
    """A block on the disk, as a candidate to leave it."""

    tenant: str
    number: int
    size_bytes: int
    is_above: bool  # it also lies in L1 or L2: reading it costs nothing for now
    is_in_l4: bool  # its copy there was verified


def excess_bytes(settings: TierSettings, size_bytes: int) -> int:
    """Return how much must leave a disk that holds so much; 0 up to the high watermark."""
    limit = settings.l3_bytes_max
    if limit is None or size_bytes <= limit * settings.high_watermark:
        return 0
    return size_bytes - int(limit * settings.low_watermark)


def disk_victims(blocks: Iterable[DiskBlock], excess: int) -> list[DiskBlock]:
    """Return blocks worth so many bytes: first those that lie above too, then the oldest.

    A block without a verified copy in L4 is never among them, whatever the disk says.
    """
    verified = [block for block in blocks if block.is_in_l4]
    victims: list[DiskBlock] = []
    for block in sorted(verified, key=lambda each: (not each.is_above, each.number)):
        if excess <= 0:
            break
        victims.append(block)
        excess -= block.size_bytes
    return victims
