"""Settings: one frozen tree, read once at the edge and passed down."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from tierfold.errors import InvalidInputError

_MIB = 1024 * 1024
_SHARES_OFF_MAX = 1e-6  # of a sum of shares, for rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request may be; each number is refused by name when passed."""

    body_bytes_max: int = 64 * _MIB  # 16M tokens of English; parsing it takes about .3 s
    messages_max: int = 100_000  # as many one-word rows as fit a body in practice
    sources_max: int = 1_000
    depth_max: int = 200  # of nested JSON around and inside messages
    question_characters_max: int = 100_000
    inline_body_bytes_max: int = 1 * _MIB  # larger bodies are parsed in a worker process

    def __post_init__(self) -> None:
        """Check the relations between the limits."""
        if self.inline_body_bytes_max > self.body_bytes_max:
            msg = "inline_body_bytes_max must not be above body_bytes_max"
            raise InvalidInputError(msg, path="limits")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPrice:
    """Dollars per million input tokens of one model."""

    fresh_usd: float
    cache_read_usd: float
    cache_write_usd: float


def _list_prices() -> MappingProxyType[str, ModelPrice]:
    return MappingProxyType(
        {
            "none": ModelPrice(fresh_usd=0.0, cache_read_usd=0.0, cache_write_usd=0.0),
            "small": ModelPrice(fresh_usd=0.25, cache_read_usd=0.025, cache_write_usd=0.3125),
            "medium": ModelPrice(fresh_usd=3.0, cache_read_usd=0.3, cache_write_usd=3.75),
            "large": ModelPrice(fresh_usd=15.0, cache_read_usd=1.5, cache_write_usd=18.75),
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What tokens and CPU seconds cost; replace the table by your contract's figures."""

    dated: str = "2026-11-22"
    models: MappingProxyType[str, ModelPrice] = field(default_factory=_list_prices)
    cpu_second_usd: float = 0.04 / 3600  # one on-demand vCPU hour

    def model(self, name: str) -> ModelPrice:
        """Return the price of the model; raises InvalidInputError when it is not in the table."""
        if name not in self.models:
            known = ", ".join(self.models)
            msg = f"no price for model {name!r}; the table of {self.dated} has: {known}"
            raise InvalidInputError(msg, path="model")
        return self.models[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class TierSettings:
    """How much each memory tier may hold, and when what moves; per process or per shard."""

    l0_bytes_max: int = 256 * _MIB  # working sets in one serving process
    l1_bytes_max: int = 256 * _MIB  # mapped working sets of one shard
    l2_bytes_max: int = 128 * _MIB  # compressed blocks in one shard's memory
    l3_bytes_max: int | None = None  # of one shard's disk; None leaves it to the disk
    high_watermark: float = 0.90  # of a tier's bytes: above it, victims move down
    low_watermark: float = 0.85  # down to here
    order: str = "adaptive"  # who goes first: that, or an order or a policy by name
    pinned_share_max: float = 0.5  # of L1 and L2 together, that pins may hold
    tenant_share_max: float = 1.0  # of each; below 1 tenants push out none but their own
    seal_bytes: int = 64 * 1024  # of open rows of one tenant: a block's worth is sealed at once
    seal_age_ms: int = 30_000  # open rows that have not changed for so long are sealed too
    free_disk_bytes_min: int = 256 * _MIB  # writes are refused before the disk is really full

    def __post_init__(self) -> None:
        """Check the relations between the marks."""
        if not 0 < self.low_watermark < self.high_watermark <= 1:
            msg = "low_watermark must be below high_watermark, both between 0 and 1"
            raise InvalidInputError(msg, path="tiers")
        if not (0 <= self.pinned_share_max <= 1 and 0 < self.tenant_share_max <= 1):
            msg = "pinned_share_max and tenant_share_max are shares: at most 1, the latter above 0"
            raise InvalidInputError(msg, path="tiers")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreLimits:
    """What may be stored and what may wait; each number is refused by name when passed."""

    item_bytes_max: int = 32 * _MIB  # of one item's canonical content, split from 64 KiB on
    items_max: int = 4_000_000  # of one context: its spine is 16 KiB by then
    rows_max: int = 100_000  # of one chat: no question reads more (`Limits.messages_max`)
    metadata_bytes_max: int = 16 * 1024  # of title and metadata together
    page_max: int = 100  # contexts in one page of a listing, hits of a search
    page_bytes_max: int = 16 * _MIB  # of items in one page, or of what a handle names
    session_age_ms_max: float = 1000.0  # since home confirmed a version, for `session`
    changes_waiting_max: int = 4096  # in a shard's write queue
    round_bytes_max: int = 8 * _MIB  # written with one fsync


MEMORY_BYTES_MIN = 64 * _MIB  # below it one request of a megabyte of chat fills all pools


@dataclass(frozen=True, slots=True, kw_only=True)
class MemorySettings:
    """How much memory one process may take above what it idles at, and how pools share it."""

    memory_bytes_max: int | None = None  # None: a share of what the cgroup or the machine allows
    share_of_machine: float = 0.6  # the rest is the idle process, the system and other processes
    active_share: float = 0.4  # contexts that requests are working with
    processing_share: float = 0.3  # what stages need while they run
    cache_share: float = 0.2  # what could be made again
    overhead_share: float = 0.1  # blocks, database buffers, bodies on their way
    lease_ms_max: int = 600_000  # a lease that is held longer was forgotten: it is taken back
    leases_max: int = 65_536  # some 30 MB of accounts
    wait_ms_max: int = 2_000  # for what others return; then less is read, or the ask is refused

    def __post_init__(self) -> None:
        """Check the shares, and that the limit is one to work with."""
        shares = self.shares
        if any(not 0 <= share <= 1 for share in shares) or abs(sum(shares) - 1) > _SHARES_OFF_MAX:
            listed = ", ".join(f"{share:g}" for share in shares)
            msg = f"the shares of the pools must be at least 0 and add up to 1, not {listed}"
            raise InvalidInputError(msg, path="memory")
        if not 0 < self.share_of_machine <= 1:
            msg = f"must be above 0 and at most 1, not {self.share_of_machine:g}"
            raise InvalidInputError(msg, path="memory.share_of_machine")
        if self.memory_bytes_max is not None and self.memory_bytes_max < MEMORY_BYTES_MIN:
            msg = f"must be at least {MEMORY_BYTES_MIN:,}, not {self.memory_bytes_max:,}"
            raise InvalidInputError(msg, path="memory.memory_bytes_max")
        if self.lease_ms_max < 1 or self.leases_max < 1 or self.wait_ms_max < 0:
            msg = "lease_ms_max and leases_max must be at least 1, wait_ms_max at least 0"
            raise InvalidInputError(msg, path="memory")

    @property
    def shares(self) -> tuple[float, float, float, float]:
        """The shares of the pools active, processing, cache and overhead."""
        return self.active_share, self.processing_share, self.cache_share, self.overhead_share


_SHAPES = frozenset({"", "messages", "parts", "text"})
_RULE_NAME_CHARACTERS_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRule:
    """How long some contexts are kept, or how many of them: those that are idle longest go first.

    It is for contexts that match all of `tenant`, `title_prefix`, `metadata` and `shape`; what is
    left out matches every one. A context goes when it is past any of the limits, but never before
    its pin ends.
    """

    name: str
    action: Literal["delete", "archive"] = "delete"  # archive: only L4 keeps it, still answerable
    tenant: str = ""
    title_prefix: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)  # these names have these values
    shape: str = ""  # messages, parts or text
    idle_ms_max: int | None = None  # since the last change
    age_ms_max: int | None = None  # since creation
    contexts_max: int | None = None  # of one tenant
    bytes_max: int | None = None  # of one tenant's contexts, as they were sent

    def __post_init__(self) -> None:
        """Refuse what is no rule."""
        if not 0 < len(self.name) <= _RULE_NAME_CHARACTERS_MAX:
            problem = f"a rule needs a name of 1 to {_RULE_NAME_CHARACTERS_MAX} characters"
            raise InvalidInputError(problem, path="retention")
        if self.action not in {"delete", "archive"}:
            problem = f"action must be delete or archive, not {self.action!r}"
            raise InvalidInputError(problem, path=self._path)
        if self.shape not in _SHAPES:
            problem = f"shape must be messages, parts or text, not {self.shape!r}"
            raise InvalidInputError(problem, path=self._path)
        limits = (self.idle_ms_max, self.age_ms_max, self.contexts_max, self.bytes_max)
        if all(limit is None for limit in limits):
            problem = "give at least one limit: idle, age, contexts_max or bytes_max"
            raise InvalidInputError(problem, path=self._path)
        if any(limit is not None and limit < 1 for limit in limits):
            problem = "each limit must be above 0; `tierfold rm` deletes at once"
            raise InvalidInputError(problem, path=self._path)

    @property
    def _path(self) -> str:
        return f"retention rule {self.name!r}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole tree."""

    limits: Limits = field(default_factory=Limits)
    prices: Prices = field(default_factory=Prices)
    store: StoreLimits = field(default_factory=StoreLimits)
    tiers: TierSettings = field(default_factory=TierSettings)
    memory: MemorySettings = field(default_factory=MemorySettings)
    retention: tuple[RetentionRule, ...] = ()
