"""What a shard is asked and what it answers; plain values that travel between processes.

Many operations travel in one call; each has its own result, in the same order, and an expected
failure is a result too: a TierfoldError.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tierfold.context import Tokenizer
from tierfold.context.identity import ContextKey
from tierfold.context.manifest import Change, Head, Shape
from tierfold.context.segment import Item, Name, Segment
from tierfold.context.stored import ContextInfo
from tierfold.errors import TierfoldError
from tierfold.memory.adaptive import Explanation
from tierfold.memory.prefetch import Evidence, PrefetchFigures, SkipReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyed:
    """An idempotency key and the request it came with, as hashes of 64 bit."""

    key: bytes
    fingerprint: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """Make a context; ContextExistsError where there is one. Answers Changed.

    With `replaces` it takes the place of that version, which must be there, as one change.
    """

    context: ContextKey
    shape: Shape
    items: tuple[Item, ...] = ()
    about: Segment | None = None
    ttl_ms: int = 0
    pinned_until_ms: int = 0
    keyed: Keyed | None = None
    replaces: int | None = None
    restored: "Restored | None" = None  # a context that was before, out of a backup


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a context that comes back had: clients may remember its version."""

    version: int  # it comes back with this one at the least
    created_ms: int
    updated_ms: int  # its life is counted from here


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """Add items at the end; InvalidInputError for a context of another shape. Answers Changed."""

    context: ContextKey
    shape: Shape
    items: tuple[Item, ...]
    if_version: int | None = None
    keyed: Keyed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replace:
    """Make the list these names, of which `items` are believed to be new here.

    InvalidInputError for a context of another shape.

    Where the present list is a beginning of the new one, this is an append. Answers Changed, or
    Need when bodies are missing: then the same operation is sent again with those items.
    """

    context: ContextKey
    shape: Shape
    names: tuple[Name, ...]
    items: tuple[Item, ...]
    size_bytes: int  # of all items that the names stand for
    if_version: int | None = None
    keyed: Keyed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """Change what is kept besides the items; None leaves a field as it is. Answers Changed."""

    context: ContextKey
    about: Segment | None = None
    ttl_ms: int | None = None
    pinned_until_ms: int | None = None
    if_version: int | None = None
    keyed: Keyed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """Remove the context from every tier and index. Answers Deleted.

    One whose head is damaged can be removed too, but not on a condition: its version is lost.
    """

    context: ContextKey
    if_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GetInfo:
    """Answers ContextInfo."""

    context: ContextKey


@dataclass(frozen=True, slots=True, kw_only=True)
class GetVersion:
    """Answers Version; the cheapest of all: one read of the head. UnknownContextError too."""

    context: ContextKey


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadItems:
    """Read a range of items and no more than that. Answers Items."""

    context: ContextKey
    start: int = 0
    stop: int | None = None  # None is the end
    bytes_max: int | None = None  # the range ends before what would pass it, behind one item


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSince:
    """Bring a reader that has `items` items with this chain up to date. Answers Items.

    `start` of the answer is `items` where what the reader has is still the beginning, else 0.
    With `shared`, the answer may name a file in the node's shared memory instead of bodies.
    """

    context: ContextKey
    items: int = 0
    chain: bytes = b""
    shared: str = ""  # the tokenizer whose working set the reader could map; "" maps none


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadNewest:
    """Like ReadSince, for who is in a hurry. Answers Items where what it lacks is within the bytes.

    Else it answers NewestItems, and makes the whole working set behind the requests' back where
    there is room for it: asked again, there is a file. TooLargeError beyond `items_max`.
    """

    context: ContextKey
    items: int = 0
    chain: bytes = b""
    size_bytes: int = 0  # of the items that the reader has
    shared: str  # as in ReadSince
    bytes_max: int
    items_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadHandle:
    """Bring back what a handle names. Answers Items: `start` is where they stand now.

    With a limit the first of its items, one at least, and the check over the names behind them.
    """

    tenant: str
    handle: str
    items_max: int | None = None
    bytes_max: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListContexts:
    """List a tenant's contexts in the order of their ids. Answers Listed."""

    tenant: str
    after: str = ""
    limit: int = 20
    descending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Find segments by the words of a query. Answers Hits."""

    tenant: str
    query: str
    limit: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefetch:
    """Bring contexts up to L1, since somebody says they will be asked. Answers Prefetched.

    They are brought up later, behind the requests' back; so nothing is waited for.
    """

    contexts: tuple[ContextKey, ...]
    evidence: Evidence
    tokenizer: Tokenizer | None = None  # of the working sets; None is that of the last question
    deadline_ms: float | None = None  # from now; what is not begun by then is left


@dataclass(frozen=True, slots=True, kw_only=True)
class GetTiers:
    """Answers TiersReport."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Check every reference and every checksum. Answers AuditReport; may take minutes.

    With `repair`, what can be mended is, and the report has what is left.
    """

    repair: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Compact:
    """Seal, defragment and give disk space back now. Answers Done."""


Changing = Create | Append | Replace | Patch | Delete
Reading = (
    GetInfo
    | GetVersion
    | ReadItems
    | ReadSince
    | ReadNewest
    | ReadHandle
    | ListContexts
    | Search
    | Prefetch
    | GetTiers
)
Upkeep = Audit | Compact
Operation = Changing | Reading | Upkeep


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """The context after a change."""

    info: ContextInfo
    was_made_before: bool = False  # the idempotency key is known: nothing was done again


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Bodies the shard lacks."""

    names: tuple[Name, ...]


@dataclass(frozen=True, slots=True)
class Deleted:
    """It is gone."""


@dataclass(frozen=True, slots=True)
class Done:
    """The upkeep is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """Which state a context is in; two states of one context never share all of it.

    Deleted and made again, it can have the same version and the same items.
    """

    version: int
    chain: bytes
    items: int
    created_ms: int
    about: Name | None

    @classmethod
    def of(cls, head: Head) -> "Version":
        """Return the state that a head is."""
        return cls(
            version=head.version,
            chain=head.chain,
            items=head.items,
            created_ms=head.created_ms,
            about=head.about,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """Some items of a context as whole bodies, split ones joined."""

    info: ContextInfo
    start: int
    bodies: tuple[bytes, ...] = field(repr=False)
    tier: str  # the lowest tier that was read: "L2", "L3" or "L4"
    shared: str = ""  # path of a mapped working set of this version; then there are no bodies
    rest_check: bytes = b""  # over the names of a handle's items behind these, where there are any


@dataclass(frozen=True, slots=True, kw_only=True)
class NewestItems:
    """The newest items of a context, and the rows of a chat that stay; the rest is not read."""

    info: ContextInfo
    names: bytes = field(repr=False)  # of all items in order
    indexes: tuple[int, ...]  # of the items read, in order
    bodies: tuple[bytes, ...] = field(repr=False)
    tier: str  # as in Items


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A context that is not brought up."""

    id: str
    reason: SkipReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefetched:
    """What becomes of hints: every context is accepted or skipped."""

    accepted: tuple[str, ...]  # ids of what is brought up, or is up
    ready: tuple[str, ...] = ()  # those of them that are up already
    skipped: tuple[Skipped, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One page of a listing."""

    contexts: tuple[ContextInfo, ...]
    has_more: bool
    damaged: tuple[str, ...] = ()  # ids in the page's range of contexts that cannot be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One segment found."""

    context: str  # id
    item: int  # index in that context now
    score: float
    text: str = field(repr=False)  # the item's text, cut to what a person reads
    handle: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """What was found, the best first, and what is not searched yet."""

    hits: tuple[Hit, ...]
    segments_waiting: int  # written, not in the index yet


@dataclass(frozen=True, slots=True, kw_only=True)
class TierReport:
    """One tier of one shard."""

    tier: str  # L1 to L4
    size_bytes: int
    limit_bytes: int | None
    items: int  # contexts in L1; blocks in L2; segments in L3; objects in L4
    hits: int  # reads that ended here
    latency_ms_p50: float | None  # of those reads
    latency_ms_p99: float | None
    misses: int = 0  # reads that had to go further down
    order: str = ""  # who goes first; "" where nothing is chosen
    promotions: int = 0  # contexts that were brought up to it
    demotions: int = 0  # that went down from it
    pinned_bytes: int = 0  # kept whatever is read, or read ahead and not read yet
    tenant_bytes_max: int | None = None  # the most that one tenant holds; None: all
    problem: str = ""  # a policy that failed: since then it is the longest unread that goes


@dataclass(frozen=True, slots=True, kw_only=True)
class PassReport:
    """One job of a shard's upkeep: how far its present run is, what its last whole one took."""

    job: str
    is_running: bool
    pieces: int  # done of the present run
    busy_ms: float  # of the present run, without rests
    last_pieces: int | None  # of the last whole run: about as many as the present one will have
    last_busy_ms: float | None
    ended_ms_ago: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TiersReport:
    """The tiers of one shard, and what waits to move down."""

    tiers: tuple[TierReport, ...]
    contexts: int
    search_bytes: int  # of the search index, a cache
    backlog_blocks: int  # not in L4 yet
    backlog_contexts: int  # changed since L4 has them
    unsealed_bytes: int  # in rows, not in a block yet
    object_store: str  # URL, "" where there is none
    object_store_problem: str  # why the last try failed, "" where it did not
    upkeep_problem: str = ""  # which jobs failed the last time, and why
    passes: tuple[PassReport, ...] = ()
    choice: Explanation | None = None  # of the order in L1 and L2; None where one is set
    prefetch: Mapping[str, PrefetchFigures] = field(default_factory=dict)  # by evidence
    prefetch_coverage: float | None = None  # of the reads that L1 did not have before


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something an audit found."""

    kind: str  # corrupt | missing | garbage | dangling | unchecked
    what: str  # the key or name, in hex
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What was checked and what is wrong."""

    contexts: int
    references: int
    segments: int
    blocks: int
    findings: tuple[Finding, ...]


Result = (
    Changed
    | Need
    | Deleted
    | Done
    | Version
    | Items
    | NewestItems
    | ContextInfo
    | Listed
    | Prefetched
    | Hits
    | TiersReport
    | AuditReport
    | TierfoldError
)


class ShardLink(Protocol):
    """A way to one shard, in this process or another."""

    def call(self, operations: Sequence[Operation]) -> list[Result]:
        """Return one result per operation, in order."""
        ...


def change_made(keyed: Keyed, version: int, *, was_made: bool = True) -> Change:
    """Return what the head remembers of a change under a key."""
    return Change(key=keyed.key, fingerprint=keyed.fingerprint, version=version, was_made=was_made)
