"""`GET /v1/tiers`: what the memory tiers hold."""

from typing import Literal

from pydantic import BaseModel, Field


class LatencyModel(BaseModel):
    """Milliseconds of the reads that ended in a tier; null before the first one."""

    p50: float | None
    p99: float | None


class TierModel(BaseModel):
    """One tier of one shard, or of all together."""

    tier: Literal["L0", "L1", "L2", "L3", "L4"]
    size_bytes: int
    limit_bytes: int | None
    items: int = Field(
        description="contexts in L0 and L1, blocks in L2, segments in L3, objects in L4"
    )
    hits: int = Field(description="reads that ended here")
    misses: int | None = Field(default=None, description="reads that had to go further down")
    latency_ms: LatencyModel
    order: str = Field(default="", description="of L1 and L2: the order by which contexts go down")
    promotions: int = Field(default=0, description="contexts brought up to it, since the start")
    demotions: int = Field(default=0, description="contexts that went down from it")
    pinned_bytes: int = Field(default=0, description="held by pins, or read ahead and not read yet")
    tenant_bytes_max: int | None = Field(
        default=None, description="the most that one tenant holds of it; null: all"
    )
    problem: str = Field(
        default="", description="a policy that failed; since then recency alone decides"
    )


class BacklogModel(BaseModel):
    """What the object store does not have yet."""

    blocks: int
    contexts: int


class ObjectStoreModel(BaseModel):
    """Where L4 is, and why the last try failed if it did."""

    url: str
    problem: str


class PassModel(BaseModel):
    """One job of a shard's upkeep."""

    job: str
    is_running: bool
    pieces: int = Field(description="done of the present run")
    busy_ms: float = Field(description="of the present run, without the rests in between")
    last_pieces: int | None = Field(
        description="of the last whole run: about as many as the present one will have"
    )
    last_busy_ms: float | None
    ended_ms_ago: float | None


class ChoiceModel(BaseModel):
    """Why the present order decides in L1 and L2: what each would have cost."""

    order: str
    reason: Literal["start", "saving", "fallback", "failed"] = Field(
        description="start: nothing was better by enough; saving: its shadow saved what a change "
        "costs; fallback: the tiers cost more than recency would; failed: the last one raised"
    )
    since_window: int = Field(description="windows of requests that were compared before it came")
    windows: int
    changes: int
    cost_ms: dict[str, float] = Field(
        description="of a sampled request in each order's shadow: its slowest part and the sum, by "
        "the model's prices; older windows count less"
    )
    own_cost_ms: float = Field(description="of a sampled request in the tiers, in the last window")
    sampling: int = Field(description="one context in so many is seen by the shadows")
    problem: str


class PrefetchEvidenceModel(BaseModel):
    """What reading ahead on one kind of evidence has brought; keys are contexts."""

    is_on: bool
    batches: int
    keys: int
    size_bytes: int
    used_keys: int
    used_bytes: int
    wasted_keys: int
    wasted_bytes: int
    accuracy: float | None = Field(description="used of those whose fate is known")


class PrefetchFiguresModel(BaseModel):
    """What reading ahead has brought."""

    coverage: float | None = Field(
        description="of the reads that L1 did not have before, the share brought up in time"
    )
    evidence: dict[str, PrefetchEvidenceModel]


class ShardTiersModel(BaseModel):
    """The tiers of one shard."""

    shard: int
    tiers: list[TierModel]
    contexts: int
    search_bytes: int
    unsealed_bytes: int
    backlog: BacklogModel
    object_store: ObjectStoreModel
    problem: str = Field(
        default="", description="which jobs of the shard's upkeep failed the last time, and why"
    )
    upkeep: list[PassModel] = Field(
        default=[], description="how far each job of its upkeep is, and what its last run took"
    )
    choice: ChoiceModel | None = Field(default=None, description="null: the settings name an order")
    prefetch: PrefetchFiguresModel | None = None


class TiersModel(BaseModel):
    """All tiers: of each shard, of this serving process, and their sums."""

    shards: list[ShardTiersModel]
    l0: TierModel
    tiers: list[TierModel] = Field(description="sums; the latencies are those of the slowest shard")
