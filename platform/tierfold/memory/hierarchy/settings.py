"""How a hierarchy behaves: one frozen tree; its defaults are what the bench `tiers` measures."""

from dataclasses import dataclass, field
from enum import StrEnum

from tierfold.errors import InvalidInputError


class Promotion(StrEnum):
    """When a read brings a key up."""

    ALWAYS = "always"
    SECOND_HIT = "second_hit"  # since it came to its level: less is written, the mean is worse
    SECOND_READ = "second_read"  # the same, but the read that brought it there counts
    WATERMARK = "watermark"  # only into room that is free: nothing is pushed down for it


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteBudget:
    """What may be written to a level that wears: a bucket that fills with time."""

    bytes_per_s: int
    burst_bytes: int  # what it holds when full; read keys may overdraw it by as much

    def __post_init__(self) -> None:
        """Check the signs."""
        if self.bytes_per_s < 0 or self.burst_bytes < 1:
            problem = "bytes_per_s must not be negative, burst_bytes must be at least 1"
            raise InvalidInputError(problem, path="write_budget")


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelSettings:
    """One level: what it holds, and what may be written to it."""

    name: str
    bytes_max: int
    expansion: float = 1.0  # bytes of a key here per byte of its size, until one was measured
    write_budget: WriteBudget | None = None  # None: written to without counting

    def __post_init__(self) -> None:
        """Check the limit."""
        if self.bytes_max < 0:
            problem = f"bytes_max is {self.bytes_max}: give 0 or more"
            raise InvalidInputError(problem, path=self.name)
        if self.expansion <= 0:
            problem = f"expansion is {self.expansion}: give more than 0"
            raise InvalidInputError(problem, path=self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class RankSettings:
    """The order that all levels share."""

    kappa: float = 6.0  # halvings of an old use while as many bytes pass as fit in all levels
    horizon_share: float = 0.5  # of those bytes: whoever is new and comes back within it, returns
    waiting_max: int = 4_096  # newcomers watched for that: in a scan they tell after as many
    units_max: int = 262_144  # contexts, and keys of none, whose uses are remembered
    counts_uses: bool = True  # else only the last one counts
    doubts_newcomers: bool = True  # else what is new ranks as what was just read
    size_weight: float = 0.0  # of keys of no group: twice the bytes rank so many halvings lower

    def __post_init__(self) -> None:
        """Check that each can be computed with."""
        if self.kappa <= 0 or not 0 < self.horizon_share <= 1:
            problem = "kappa must be above 0, horizon_share above 0 and at most 1"
            raise InvalidInputError(problem, path="ranks")
        if min(self.waiting_max, self.units_max) < 1:
            problem = "waiting_max and units_max must be at least 1"
            raise InvalidInputError(problem, path="ranks")


@dataclass(frozen=True, slots=True)
class Prices:
    """What reading one key costs in each level and, the last of each, below them all."""

    ms: tuple[float, ...]
    ms_per_kib: tuple[float, ...] = ()  # beside that; empty: size costs nothing

    def __post_init__(self) -> None:
        """Check that both are of the same levels."""
        if self.ms_per_kib and len(self.ms_per_kib) != len(self.ms):
            problem = "ms_per_kib must have as many numbers as ms, or none"
            raise InvalidInputError(problem, path="prices")


@dataclass(frozen=True, slots=True, kw_only=True)
class HierarchySettings:
    """The whole of it, the fastest level first."""

    levels: tuple[LevelSettings, ...]
    promotion: Promotion = Promotion.ALWAYS
    high_watermark: float = 0.90  # of a level's bytes: up to here reads fill free room
    pinned_bytes_max: int = 0  # of all levels together
    lifted_share_max: float = 0.5  # of a level: what was read ahead and waits to be read
    tenant_share_max: float = 1.0  # of each level; below 1 every tenant has an order of its own
    keys_max: int = 1_000_000  # however small: about 600 bytes of memory each
    ranks: RankSettings = field(default_factory=RankSettings)

    def __post_init__(self) -> None:
        """Check the relations."""
        if not self.levels:
            problem = "a hierarchy has at least one level"
            raise InvalidInputError(problem, path="levels")
        for name in ("tenant_share_max", "high_watermark", "lifted_share_max"):
            if not 0 < getattr(self, name) <= 1:
                problem = f"{name} is {getattr(self, name)}: above 0 and at most 1"
                raise InvalidInputError(problem, path="hierarchy")
        if self.keys_max < 1 or self.pinned_bytes_max < 0:
            problem = "keys_max must be at least 1, pinned_bytes_max must not be negative"
            raise InvalidInputError(problem, path="hierarchy")
