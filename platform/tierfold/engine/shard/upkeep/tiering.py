"""L1 and L2: carries out what `memory.Tiers` decides, behind the requests' back.

Working sets of large contexts are made in a process of their own, one after another, as a job of
upkeep that only waits for it. One that turns out not to fit is not made again, for as long as the
context does not get smaller.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tierfold.config import Settings
from tierfold.context import Tokenizer
from tierfold.context.manifest import Head
from tierfold.context.stored import About, ContextInfo
from tierfold.engine.shard.blocks import Blocks
from tierfold.engine.shard.keys import split_tenant
from tierfold.engine.shard.upkeep.sweeping import known, sound
from tierfold.engine.working import Build, Builder, SharedFolder
from tierfold.errors import TierfoldError, UnknownContextError
from tierfold.memory import Level, Move, MoveKind, Tiers, Touch
from tierfold.memory.order import Key
from tierfold.memory.prefetch import Evidence
from tierfold.ports import Family, KeyValues, WallClock

READS_WAITING_MAX = 16_384  # beyond them reads are forgotten: they only say what is in use
BLOCKS_PER_CONTEXT_MAX = 4096
BUILT_HERE_BYTES_MAX = 1024 * 1024  # of a context: .2 s, less than it takes to start a process
WANTED_MAX = 8  # large contexts that wait to be built; the oldest are forgotten
UNFIT_MAX = 1024  # contexts remembered that have no room in L1
_BUILDER_WAIT_S = 0.01

# A context's state now and the bodies of its items.
Load = Callable[[str, bytes], tuple[ContextInfo, Sequence[bytes]]]
LoadInfo = Callable[[str, bytes], ContextInfo]  # the state alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Contexts:
    """How working sets come to their contexts."""

    load: Load
    info: LoadInfo
    is_there: Callable[[Key], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class WasRead:
    """One read, as the shard tells it."""

    key: Key
    blocks: Mapping[int, int] = field(repr=False)  # number -> bytes as packed
    tokenizer: Tokenizer | None = None  # of the working set the reader could have mapped
    pinned_until_ms: int = 0
    is_partial: bool = False  # its reader had no time for all


class Tiering:
    """Promotes and demotes; told of reads and changes by any thread, works in one."""

    def __init__(
        self,
        *,
        tiers: Tiers,
        blocks: Blocks,
        folder: SharedFolder | None,
        contexts: Contexts,
        settings: Settings,
        wall: WallClock,
    ) -> None:
        self._tiers = tiers
        self._blocks = blocks
        self._folder = folder
        self._contexts = contexts
        self._limits = settings.limits
        tier = settings.tiers
        self._fit_bytes_max = int(tier.l1_bytes_max * tier.high_watermark)
        self._builder = Builder()
        self._wanted: OrderedDict[Key, Tokenizer] = OrderedDict()  # to be built elsewhere
        self._building: Key | None = None
        self._unfit: OrderedDict[Key, int] = OrderedDict()  # bytes of contexts without room in L1
        self._wall = wall
        self._reads: deque[WasRead] = deque(maxlen=READS_WAITING_MAX)
        self._changes: deque[Key] = deque(maxlen=READS_WAITING_MAX)
        self._deletions: deque[Key] = deque(maxlen=READS_WAITING_MAX)
        self._hints: deque[Key] = deque(maxlen=READS_WAITING_MAX)
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

    def hint(self, keys: Sequence[Key], evidence: Evidence) -> None:
        """Note that contexts will be read soon: where they lie above, they keep their place."""
        assert evidence is not Evidence.FIRST_BLOCK, "a read brings up what it reads"
        self._hints.extend(keys)

    def bring_up(self, key: Key, tokenizer: Tokenizer) -> None:
        """Make a working set before anybody asks for it; for the thread that works here.

        A large one waits for its turn; not where questions would wait behind too many.
        """
        try:
            pinned_until_ms = self._contexts.info(*key).head.pinned_until_ms
        except TierfoldError:  # gone, or damaged and named by whoever reads it
            return
        self._tokenizers[key] = tokenizer
        touch = Touch(key=key, size_bytes=0, pinned_until_ms=pinned_until_ms, may_rise=False)
        self._tiers.touch(touch)
        if len(self._wanted) < WANTED_MAX // 2:
            self._promote(key)

    def is_making(self, key: Key) -> bool:
        """Whether a large context's working set is being made, or waits for that."""
        return key in self._wanted or key == self._building

    def has_news(self) -> bool:
        """Whether there is anything to decide."""
        return bool(self._reads or self._changes or self._deletions or self._hints)

    def one_pass(self) -> Iterator[None]:
        """Take in the news and carry out what is decided; pauses after every move."""
        self._take_in()
        for move in self._tiers.decide(self._wall.unix_ms()):
            self._carry_out(move)
            yield

    def wants_builds(self) -> bool:
        """Whether a large context waits for its working set."""
        return bool(self._wanted)

    def build_pass(self) -> Iterator[None]:
        """Make the working sets of large contexts, one after another; pauses while they are made.

        Stopped in the middle, it begins the same one anew.
        """
        while self._wanted:
            key, tokenizer = self._wanted.popitem(last=False)
            self._building = key
            try:
                yield from self._build_elsewhere(key, tokenizer)
            except GeneratorExit:
                self._wanted[key] = tokenizer
                raise
            finally:
                self._building = None

    def close(self) -> None:
        """Stop what is being built."""
        self._builder.close()

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
        while self._hints:
            self._tiers.keep(self._hints.popleft())
        while self._deletions:
            key = self._deletions.popleft()
            self._unfit.pop(key, None)
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
        if read.is_partial and may_rise:
            self._want(read.key)

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
            if self._contexts.info(*key).head.size_bytes > BUILT_HERE_BYTES_MAX:
                self._want(key)
                return
            job = self._job(key, tokenizer)
            path = self._folder.write(key[1], job.here(), job.bodies)
        except TierfoldError:  # gone, or damaged and named by whoever reads it
            self._forget(key)
            return
        self._settle(key, path)

    def _want(self, key: Key) -> None:
        """Have a working set built elsewhere; the one that waits longest is given up for it."""
        tokenizer = self._tokenizers.get(key)
        if tokenizer is None or key in self._wanted or key == self._building:
            return
        self._wanted[key] = tokenizer
        if len(self._wanted) > WANTED_MAX:
            self._wanted.popitem(last=False)

    def _build_elsewhere(self, key: Key, tokenizer: Tokenizer) -> Iterator[None]:
        assert self._folder is not None, "without L1 nothing is wanted"
        try:
            info = self._contexts.info(*key)
        except TierfoldError:  # gone, or damaged
            self._forget(key)
            return
        if self._folder.find(key[1], tokenizer, info) is not None:
            return
        path = None
        if info.head.size_bytes < self._unfit.get(key, info.head.size_bytes + 1):
            path = yield from self._built_elsewhere(key, tokenizer)
        self._settle(key, path)

    def _built_elsewhere(
        self, key: Key, tokenizer: Tokenizer
    ) -> Generator[None, None, Path | None]:
        """Return the file of a working set, None where there is none to have."""
        assert self._folder is not None, "without L1 nothing is wanted"
        begun = self._folder.begun(key[1])
        try:
            job = self._job(key, tokenizer)
        except TierfoldError:
            return None
        try:
            if job.size_bytes <= BUILT_HERE_BYTES_MAX:
                return self._folder.write(key[1], job.here(), job.bodies)
            yield from self._builder.building(job, begun, wait_s=_BUILDER_WAIT_S)
            if self._contexts.info(*key) != job.info:
                return None  # changed meanwhile: whoever asks next has it built again
            path = self._folder.take_in(begun, job, bytes_max=self._fit_bytes_max)
        except UnknownContextError:
            return None
        except (TierfoldError, OSError):  # more than the limits, or than the memory there is
            path = None
        finally:
            begun.unlink(missing_ok=True)
        if path is None:
            self._note_unfit(key, job.size_bytes)
        return path

    def _note_unfit(self, key: Key, size_bytes: int) -> None:
        self._unfit[key] = size_bytes
        if len(self._unfit) > UNFIT_MAX:
            self._unfit.popitem(last=False)

    def _job(self, key: Key, tokenizer: Tokenizer) -> Build:
        info, bodies = self._contexts.load(*key)
        return Build(
            info=info,
            bodies=tuple(bodies),
            tokenizer=tokenizer,
            digest=key[1],
            limits=self._limits,
        )

    def _settle(self, key: Key, path: Path | None) -> None:
        """Note where a context lies after its working set was built, or was not."""
        assert self._folder is not None, "without L1 nothing is built"
        if not self._contexts.is_there(key):  # deleted meanwhile: nothing else removes the file
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
