"""What tells the tiers of contexts: who was read, and how their states and bodies are come by."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from tierfold.context import Tokenizer
from tierfold.context.manifest import Head
from tierfold.context.stored import About, ContextInfo
from tierfold.engine.shard.keys import split_tenant
from tierfold.engine.shard.upkeep.sweeping import known, sound
from tierfold.memory.tiers import Key
from tierfold.ports import Family, KeyValues

# A context's state now and the bodies of its items.
Load = Callable[[str, bytes], tuple[ContextInfo, Sequence[bytes]]]
LoadInfo = Callable[[str, bytes], ContextInfo]  # the state alone
LoadBlocks = Callable[[str, bytes], Mapping[int, int]]  # reads all: number -> bytes as packed


@dataclass(frozen=True, slots=True, kw_only=True)
class Contexts:
    """How working sets and blocks come to their contexts."""

    load: Load
    info: LoadInfo
    blocks: LoadBlocks
    is_there: Callable[[Key], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class WasRead:
    """One read, as the shard tells it."""

    key: Key
    blocks: Mapping[int, int] = field(repr=False)  # number -> bytes as packed
    tokenizer: Tokenizer | None = None  # of the working set the reader could have mapped
    pinned_until_ms: int = 0
    is_partial: bool = False  # its reader had no time for all
    tier: str = ""  # the lowest that was read


def heads_of(
    values: KeyValues, digests: AbstractSet[bytes]
) -> dict[bytes, tuple[str, ContextInfo]]:
    """Return tenant and state of the contexts with these digests, without what is said of them."""
    found: dict[bytes, tuple[str, ContextInfo]] = {}
    if not digests:
        return found
    for key, value in known(sound(values, Family.HEAD)):
        tenant, digest = split_tenant(key)
        if digest in digests:
            found[digest] = (tenant, ContextInfo(head=Head.decode(value), about=About()))
    return found
