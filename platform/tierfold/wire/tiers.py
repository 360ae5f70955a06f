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
    misses: int | None = Field(default=None, description="only of L0")
    latency_ms: LatencyModel


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


class TiersModel(BaseModel):
    """All tiers: of each shard, of this serving process, and their sums."""

    shards: list[ShardTiersModel]
    l0: TierModel
    tiers: list[TierModel] = Field(description="sums; the latencies are those of the slowest shard")
