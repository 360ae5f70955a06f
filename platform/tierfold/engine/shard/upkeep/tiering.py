"""L1 and L2: carries out what `memory.Tiers` decides, behind the requests' back."""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from tierfold.config import Limits
from tierfold.context import Tokenizer
from tierfold.context.manifest import Head
from tierfold.context.stored import About, ContextInfo
from tierfold.engine.shard.blocks import Blocks
from tierfold.engine.shard.keys import split_tenant
from tierfold.engine.shard.upkeep.sweeping import known, sound
from tierfold.engine.working import SharedFolder, build
from tierfold.errors import TierfoldError
from tierfold.memory import Level, Move, MoveKind, Tiers, Touch
from tierfold.memory.order import Key
from tierfold.ports import Family, KeyValues, WallClock

READS_WAITING_MAX = 16_384  # beyond them reads are forgotten: they only say what is in use
BLOCKS_PER_CONTEXT_MAX = 4096

# A context's state now and the bodies of its items.
Load = Callable[[str, bytes], tuple[ContextInfo, Sequence[bytes]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contexts:
    """How working sets come to their contexts."""

    load: Load
    is_there: Callable[[Key], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class WasRead:
    """One read, as the shard tells it."""

    key: Key
    blocks: Mapping[int, int] = field(repr=False)  # number -> bytes as packed
    tokenizer: Tokenizer | None = None  # of the working set the reader could have mapped
    pinned_until_ms: int = 0


class Tiering:
    """Promotes and demotes; told of reads and changes by any thread, works in one."""

    def __init__(
        self,
        *,
        tiers: Tiers,
        blocks: Blocks,
        folder: SharedFolder | None,
        contexts: Contexts,
        limits: Limits,
        wall: WallClock,
    ) -> None:
        self._tiers = tiers
        self._blocks = blocks
        self._folder = folder
        self._contexts = contexts
        self._limits = limits
        self._wall = wall
        self._reads: deque[WasRead] = deque(maxlen=READS_WAITING_MAX)
        self._changes: deque[Key] = deque(maxlen=READS_WAITING_MAX)
        self._deletions: deque[Key] = deque(maxlen=READS_WAITING_MAX)
        self._held: dict[Key, set[int]] = {}  # blocks in L2 by context
        self._tokenizers: dict[Key, Tokenizer] = {}
        self._mapped: dict[Key, set[int]] = {}  # blocks that contexts in L1 were built from
        self._above: Counter[tuple[str, int]] = Counter()  # how many of those need a block

    def was_read(self, read: WasRead) -> None:
        """Note a read; costs next to nothing."""
        self._reads.append(read)

    def was_changed(self, key: Key) -> None:
        """Note that what lies in L1 is an old version."""
        self._changes.append(key)

    def was_deleted(self, key: Key) -> None:
        """Remove a context from L1 at once, and from all memory of it."""
        if self._folder is not None:
            self._folder.remove(key[1])
        self._deletions.append(key)

    def has_news(self) -> bool:
        """Whether there is anything to decide."""
        return bool(self._reads or self._changes or self._deletions)

    def one_pass(self) -> Iterator[None]:
        """Take in the news and carry out what is decided; pauses after every move."""
        self._take_in()
        for move in self._tiers.decide(self._wall.unix_ms()):
            self._carry_out(move)
            yield

    def count(self, level: Level) -> int:
        """Return the contexts in a level."""
        return self._tiers.count(level)

    def size_bytes(self, level: Level) -> int:
        """Return the bytes in a level."""
        if level is Level.L2:
            return self._blocks.size_bytes
        return 0 if self._folder is None else self._folder.size_bytes()

    def is_above(self, tenant: str, number: int) -> bool:
        """Whether a block lies in L2, or a context that was read through it in L1.

        Of what the process before mapped it is not known.
        """
        return self._above[tenant, number] > 0 or self._blocks.size_of(tenant, number) > 0

    def adopt(self, contexts: Mapping[bytes, tuple[str, ContextInfo]]) -> None:
        """Take over the files of the process before, by digest; old versions and strangers go."""
        if self._folder is None:
            return
        self._folder.sweep()
        for file in self._folder.files():
            tenant, info = contexts.get(file.digest, ("", None))
            tokenizer: Any = file.path.name.split("-")[1]
            if info is None or self._folder.find(file.digest, tokenizer, info) != file.path:
                file.path.unlink(missing_ok=True)
                continue
            self._tokenizers[tenant, file.digest] = tokenizer
            self._tiers.promoted((tenant, file.digest), file.size_bytes)

    def _take_in(self) -> None:
        while self._changes:
            key = self._changes.popleft()
            if self._tiers.level(key) is Level.L1:
                self._remove_file(key)
                self._tiers.demoted(key, 0)
        while self._reads:
            self._take_in_read(self._reads.popleft())
        while self._deletions:
            key = self._deletions.popleft()
            self._evict_blocks(key)
            self._forget(key)

    def _take_in_read(self, read: WasRead) -> None:
        held = self._held.setdefault(read.key, set())
        if len(held) < BLOCKS_PER_CONTEXT_MAX:
            held.update(read.blocks)
        may_rise = self._folder is not None and read.tokenizer is not None
        if read.tokenizer is not None:
            self._tokenizers[read.key] = read.tokenizer
        self._tiers.touch(
            Touch(
                key=read.key,
                size_bytes=sum(read.blocks.values()),
                pinned_until_ms=read.pinned_until_ms,
                may_rise=may_rise,
            )
        )

    def _carry_out(self, move: Move) -> None:
        match move.kind:
            case MoveKind.DEMOTE:
                self._remove_file(move.key)
                self._tiers.demoted(move.key, self._in_l2(move.key))
            case MoveKind.DROP:
                self._evict_blocks(move.key)
                self._forget(move.key)
            case MoveKind.PROMOTE:
                self._promote(move.key)

    def _promote(self, key: Key) -> None:
        """Build a working set in L1; what cannot be built stays where it is."""
        tokenizer = self._tokenizers.get(key)
        if self._folder is None or tokenizer is None:
            return
        try:
            info, bodies = self._contexts.load(*key)
            loaded = build(info, bodies, tokenizer=tokenizer, digest=key[1], limits=self._limits)
        except TierfoldError:  # gone, or damaged and named by whoever reads it
            self._forget(key)
            return
        path = self._folder.write(key[1], loaded, bodies)
        if not self._contexts.is_there(
            key
        ):  # deleted while it was built: then nothing else removes it
            self._folder.remove(key[1])
            self._forget(key)
            return
        if path is None:
            self._tiers.demoted(key, self._in_l2(key))  # it does not fit: not again at once
            return
        self._tiers.promoted(key, path.stat().st_size)
        self._note_mapped(key)
        self._evict_blocks(key)

    def _note_mapped(self, key: Key) -> None:
        self._forget_mapped(key)
        numbers = self._mapped[key] = set(self._held.get(key, ()))
        self._above.update((key[0], number) for number in numbers)

    def _forget_mapped(self, key: Key) -> None:
        for number in self._mapped.pop(key, ()):
            self._above[key[0], number] -= 1
            if not self._above[key[0], number]:
                del self._above[key[0], number]

    def _remove_file(self, key: Key) -> None:
        self._forget_mapped(key)
        if self._folder is not None:
            self._folder.remove(key[1])

    def _in_l2(self, key: Key) -> int:
        return sum(self._blocks.size_of(key[0], each) for each in self._held.get(key, ()))

    def _evict_blocks(self, key: Key) -> None:
        for number in self._held.pop(key, ()):
            self._blocks.evict(key[0], number)

    def _forget(self, key: Key) -> None:
        self._forget_mapped(key)
        self._tiers.left(key)
        self._held.pop(key, None)
        self._tokenizers.pop(key, None)


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
