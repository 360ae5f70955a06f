"""What is asked of the pools: so many bytes, from which pool, for whom."""

import math
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Pool(StrEnum):
    """What memory is for."""

    ACTIVE = "active"
    PROCESSING = "processing"
    CACHE = "cache"
    OVERHEAD = "overhead"


class Priority(IntEnum):
    """Who comes first when there is not enough."""

    LOW = 1
    NORMAL = 2
    HIGH = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """Why something that could be made again is kept; what is worth least goes first."""

    utility: float = 1.0  # of one use, for instance what making it again would take
    frequency: float = 1.0  # of uses
    cost: float = 1.0  # of keeping it, which is mostly its bytes

    def __post_init__(self) -> None:
        """Check that densities can be compared."""
        if not self.cost > 0 or not math.isfinite(self.density):
            raise ValueError(self)

    @property
    def density(self) -> float:
        """Utility x frequency / cost."""
        return self.utility * self.frequency / self.cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One lease that is asked for.

    With a worth it can be evicted, belongs to nobody and lasts until it is released; without one it
    is taken back when its owner ends or its time is over, unless it is lasting.
    """

    pool: Pool
    size_bytes: int
    size_bytes_min: int | None = None  # a smaller lease that still helps; None: all or nothing
    priority: Priority = Priority.NORMAL
    owner: str = ""  # the request; what it has not returned when it ends is taken back
    worth: Worth | None = None
    lease_ms: float | None = None  # None: as long as the settings allow
    is_lasting: bool = False  # until it is released: what a process stands on, what a caller keeps

    def __post_init__(self) -> None:
        """Check the sizes."""
        if not 0 <= self.least_bytes <= self.size_bytes:
            raise ValueError((self.size_bytes_min, self.size_bytes))
        if self.lease_ms is not None and not self.lease_ms > 0:
            raise ValueError(self.lease_ms)
        is_lasting = self.is_lasting or self.worth is not None
        if is_lasting and (self.owner or self.lease_ms is not None):
            raise ValueError((self.owner, self.lease_ms))

    @property
    def least_bytes(self) -> int:
        """The smallest lease that helps."""
        return self.size_bytes if self.size_bytes_min is None else self.size_bytes_min
