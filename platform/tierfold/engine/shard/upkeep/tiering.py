"""L1 and L2: carries out what `memory.Tiers` decides, behind the requests' back.

Working sets of large contexts are made in a process of their own, one after another, as a job of
upkeep that only waits for it. One that turns out not to fit is not made again, for as long as the
context does not get smaller.
"""

from collections import OrderedDict, deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import RLock
from typing import Any

from tierfold.config import Settings
from tierfold.context import Tokenizer
from tierfold.context.stored import ContextInfo
from tierfold.engine.shard.blocks import Blocks
from tierfold.engine.shard.operations import TierReport
from tierfold.engine.shard.upkeep.held_blocks import HeldBlocks
from tierfold.engine.shard.upkeep.read_contexts import Contexts, WasRead
from tierfold.engine.working import Build, Builder, SharedFolder
from tierfold.errors import PinBudgetError, TierfoldError, UnknownContextError
from tierfold.memory.adaptive import Explanation
from tierfold.memory.hierarchy import Move
from tierfold.memory.prefetch import Evidence
from tierfold.memory.tiers import Key, Level, Tiers, Touch
from tierfold.ports import WallClock

READS_WAITING_MAX = 16_384  # beyond them reads are forgotten: they only say what is in use
BUILT_HERE_BYTES_MAX = 1024 * 1024  # of a context: .2 s, less than it takes to start a process
WANTED_MAX = 8  # large contexts that wait to be built; the oldest are forgotten
UNFIT_MAX = 1024  # contexts remembered that have no room in L1
HOLD_MS = 60_000  # that a set which nobody has asked for yet keeps its place
PACKED_SHARE = 0.3  # of a context's bytes, until its blocks were read
_BUILDER_WAIT_S = 0.01


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
        self._held = HeldBlocks(blocks)
        self._folder = folder
        self._contexts = contexts
        self._limits = settings.limits
        tier = settings.tiers
        self._low_watermark = tier.low_watermark
        self._tenant_share_max = tier.tenant_share_max
        self._limit_bytes = {Level.L1: tier.l1_bytes_max, Level.L2: tier.l2_bytes_max}
        self._builder = Builder()
        self._wanted: OrderedDict[Key, Move] = OrderedDict()  # to be built elsewhere
        self._building: Key | None = None
        self._unfit: OrderedDict[Key, int] = OrderedDict()  # bytes of contexts without room in L1
        self._wall = wall
        self._reads: deque[WasRead] = deque(maxlen=READS_WAITING_MAX)
        self._changes: deque[Key] = deque(maxlen=READS_WAITING_MAX)
        self._deletions: deque[Key] = deque(maxlen=READS_WAITING_MAX)
        self._hints: deque[Key] = deque(maxlen=READS_WAITING_MAX)
        self._tokenizers: dict[Key, Tokenizer] = {}
        self._lacking: list[Key] = []  # in L2 but for the blocks that had no room at once
        self._is_asked = False
        self._deciding = RLock()  # pins and limits come from other threads

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
        self._take_in()  # or what is made now would go as an old version
        try:
            info = self._contexts.info(*key)
        except TierfoldError:  # gone, or damaged and named by whoever reads it
            return
        self._tokenizers[key] = tokenizer
        with self._deciding:
            self._lift(key, info)
            move = self._tiers.take_of(key)
        if move is None:
            return
        if move.target == Level.L1 and len(self._wanted) >= WANTED_MAX // 2:
            self._confirm(move, is_done=False)
            return
        self._carry_out(move)

    def is_making(self, key: Key) -> bool:
        """Whether a large context's working set is being made, or waits for that."""
        return key in self._wanted or key == self._building

    def pin(self, key: Key, size_bytes: int, until_ms: int) -> None:
        """Keep a context of so many bytes above the disk until then; for any thread.

        Raises PinBudgetError, and pins nothing, where too much is pinned already.
        """
        with self._deciding:
            size = self._held.size_bytes(key) or int(size_bytes * PACKED_SHARE)
            self._tiers.pin(key, size, until_ms=until_ms, now_ms=self._wall.unix_ms())
            self._is_asked = True

    def unpin(self, key: Key) -> None:
        """End a pin before its time; for any thread."""
        with self._deciding:
            self._tiers.unpin(key)
            self._is_asked = True

    def is_pinned(self, key: Key) -> bool:
        """Whether a context is kept above the disk; for any thread."""
        with self._deciding:
            return self._tiers.is_pinned(key)

    def resize(self, level: Level, bytes_max: int) -> None:
        """Change the limit of a level while it works; for any thread."""
        with self._deciding:
            self._tiers.resize(level, bytes_max)
            self._limit_bytes[level] = bytes_max
            self._is_asked = True
        if level is Level.L2:
            self._blocks.resize(bytes_max)

    def has_news(self) -> bool:
        """Whether there is anything to decide."""
        return bool(
            self._is_asked or self._reads or self._changes or self._deletions or self._hints
        )

    def one_pass(self) -> Iterator[None]:
        """Take in the news and carry out what is decided; pauses after every move."""
        self._is_asked = False
        self._take_in()
        while (move := self._next()) is not None:
            self._carry_out(move)
            yield
        lacking, self._lacking = self._lacking, []
        for key in lacking:
            self._fetch_again(key)
            yield

    def wants_builds(self) -> bool:
        """Whether a large context waits for its working set."""
        return bool(self._wanted)

    def build_pass(self) -> Iterator[None]:
        """Make the working sets of large contexts, one after another; pauses while they are made.

        Stopped in the middle, it begins the same one anew.
        """
        while self._wanted:
            key, move = self._wanted.popitem(last=False)
            self._building = key
            try:
                yield from self._build_elsewhere(move)
            except GeneratorExit:
                self._wanted[key] = move
                raise
            finally:
                self._building = None

    def close(self) -> None:
        """Stop what is being built."""
        self._builder.close()

    def explain(self) -> Explanation | None:
        """Return who decides and the costs that say why; None where an order is set."""
        with self._deciding:
            return self._tiers.explain()

    def described(self, report: TierReport) -> TierReport:
        """Return the report of a tier with what was decided in it; only L1 and L2 have any."""
        with self._deciding:
            levels = {level.name: each for level, each in self._tiers.report().items()}
        if report.tier not in levels:
            return report
        level = levels[report.tier]
        problem, share = level.state.problem, self._tenant_share_max
        return replace(
            report,
            limit_bytes=self._limit_bytes[Level[report.tier]],
            order=level.order,
            promotions=level.promotions,
            demotions=level.demotions,
            pinned_bytes=level.state.held_bytes,
            tenant_bytes_max=None if share == 1 else int(level.state.bytes_max * share),
            problem=f"{problem.policy}: {problem.error}" if problem else "",
        )

    def size_bytes(self, level: Level) -> int:
        """Return the bytes in a level."""
        if level is Level.L2:
            return self._blocks.size_bytes
        return 0 if self._folder is None else self._folder.size_bytes()

    def is_above(self, tenant: str, number: int) -> bool:
        """Whether a block lies in L2, or a context that was read through it in L1.

        Of what the process before mapped it is not known.
        """
        return self._held.is_above(tenant, number)

    def adopt(self, contexts: Mapping[bytes, tuple[str, ContextInfo]]) -> None:
        """Take over the files of the process before, by digest; old versions and strangers go."""
        if self._folder is None:
            return
        self._folder.sweep()
        self._is_asked = True  # what was left may be more than there is room for now
        for file in self._folder.files():
            tenant, info = contexts.get(file.digest, ("", None))
            tokenizer: Any = file.path.name.split("-")[1]
            is_known = (
                info is not None
                and self._folder.find(file.digest, tokenizer, info) == file.path
                and self._tiers.adopt((tenant, file.digest), file.size_bytes)
            )
            if is_known:
                self._tokenizers[tenant, file.digest] = tokenizer
            else:
                file.path.unlink(missing_ok=True)

    def _take_in(self) -> None:
        while self._changes:
            self._take_in_change(self._changes.popleft())
        while self._reads:
            self._take_in_read(self._reads.popleft())
        while self._hints:
            with self._deciding:
                self._tiers.keep(self._hints.popleft())
        while self._deletions:
            key = self._deletions.popleft()
            self._unfit.pop(key, None)
            self._forget(key)

    def _take_in_change(self, key: Key) -> None:
        with self._deciding:
            move = self._tiers.changed(key)
        self._held.outdated(key)
        if move is not None:
            self._carry_out(move)

    def _take_in_read(self, read: WasRead) -> None:
        key = read.key
        is_whole = read.tokenizer is not None and not read.is_partial
        if read.blocks or key not in self._held:
            self._held.note(key, read.blocks, is_whole=is_whole and bool(read.blocks))
        if read.tokenizer is not None:
            self._tokenizers[key] = read.tokenizer
        may_rise = self._folder is not None and read.tokenizer is not None
        size = self._held.size_bytes(key) or self._tiers.size_of(key)
        with self._deciding:
            self._tiers.touch(
                Touch(key=key, size_bytes=size, may_rise=may_rise), self._wall.unix_ms()
            )
            self._pin_again(key, size, read.pinned_until_ms)
            if read.is_partial and may_rise:
                self._lift_partial(key)
            lies, belongs = self._tiers.lies(key), self._tiers.belongs(key)
        if lies is Level.L2:
            self._held.keep(key)
        elif belongs is Level.BELOW:
            self._forget_blocks(key)
        elif lies is Level.L1:
            self._held.drop(key)

    def _pin_again(self, key: Key, size_bytes: int, until_ms: int) -> None:
        """Pin what was pinned when it changed, or by the process before, if there is room."""
        if until_ms > self._wall.unix_ms() and not self._tiers.is_pinned(key):
            try:
                self._tiers.pin(key, size_bytes, until_ms=until_ms, now_ms=self._wall.unix_ms())
            except PinBudgetError:
                return  # it was promised as far as there is room

    def _lift_partial(self, key: Key) -> None:
        """Have a whole working set made, for whoever asks next."""
        try:
            self._lift(key, self._contexts.info(*key))
        except TierfoldError:  # gone, or damaged and named by whoever reads it
            return

    def _lift(self, key: Key, info: ContextInfo) -> None:
        if info.head.size_bytes >= self._unfit.get(key, info.head.size_bytes + 1):
            return
        size = self._held.size_bytes(key) or int(info.head.size_bytes * PACKED_SHARE)
        self._tiers.lift(key, size, until_ms=self._wall.unix_ms() + HOLD_MS)

    def _next(self) -> Move | None:
        with self._deciding:
            return self._tiers.take()

    def _confirm(self, move: Move, *, is_done: bool = True, bytes_here: int | None = None) -> None:
        with self._deciding:
            self._tiers.confirm(move, is_done=is_done, bytes_here=bytes_here)

    def _carry_out(self, move: Move) -> None:
        if move.target == Level.L1:
            self._promote(move)
            return
        key: Any = move.key
        if move.source == Level.L1:
            self._remove_file(key)
        if move.target == Level.L2:
            self._fetch(move)
            return
        self._confirm(move)
        self._forget_blocks(key)

    def _fetch(self, move: Move) -> None:
        """Bring a context's blocks to L2; where that fails, it is not above any more."""
        key: Any = move.key
        try:
            if not self._held.is_whole(key):
                self._held.note(key, self._contexts.blocks(*key), is_whole=True)
        except TierfoldError:  # gone, damaged, or the object store is away
            self._confirm(move)
            with self._deciding:
                self._tiers.drop(key)
            self._held.drop(key)
            return
        self._confirm(move)
        self._held.keep(key)
        if not self._held.is_whole(key):
            self._lacking.append(key)

    def _fetch_again(self, key: Key) -> None:
        """Fetch what found no room while others were still on their way up; once."""
        if self._tiers.lies(key) is not Level.L2 or self._held.is_whole(key):
            return
        try:
            self._held.note(key, self._contexts.blocks(*key), is_whole=True)
        except TierfoldError:  # gone, damaged, or the object store is away: reads find out
            return
        self._held.keep(key)

    def _promote(self, move: Move) -> None:
        """Build a working set in L1; what cannot be built stays where it is."""
        key: Any = move.key
        tokenizer = self._tokenizers.get(key)
        if self._folder is None or tokenizer is None:
            self._stays(move)
            return
        try:
            if self._contexts.info(*key).head.size_bytes > BUILT_HERE_BYTES_MAX:
                self._want(move)
                return
            job = self._job(key, tokenizer)
            path = self._folder.write(key[1], job.here(), job.bodies)
        except TierfoldError:  # gone, or damaged and named by whoever reads it
            self._forget(key)
            return
        self._settle(move, path)

    def _want(self, move: Move) -> None:
        """Have a working set built elsewhere; the one that waits longest is given up for it."""
        key: Any = move.key
        self._wanted[key] = move
        if len(self._wanted) > WANTED_MAX:
            _, oldest = self._wanted.popitem(last=False)
            self._stays(oldest)

    def _build_elsewhere(self, move: Move) -> Iterator[None]:
        assert self._folder is not None, "without L1 nothing is wanted"
        key: Any = move.key
        tokenizer = self._tokenizers.get(key)
        try:
            info = self._contexts.info(*key)
        except TierfoldError:  # gone, or damaged
            self._forget(key)
            return
        path = None
        if tokenizer is not None:
            path = self._folder.find(key[1], tokenizer, info)
            is_unfit = info.head.size_bytes >= self._unfit.get(key, info.head.size_bytes + 1)
            if path is None and not is_unfit:
                path = yield from self._built_elsewhere(key, tokenizer)
        self._settle(move, path)

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
            path = self._folder.take_in(
                begun, job, bytes_max=int(self._limit_bytes[Level.L1] * self._low_watermark)
            )
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

    def _settle(self, move: Move, path: Path | None) -> None:
        """Note where a context lies after its working set was built, or was not."""
        assert self._folder is not None, "without L1 nothing is built"
        key: Any = move.key
        if not self._contexts.is_there(key):  # deleted meanwhile: nothing else removes the file
            self._folder.remove(key[1])
            self._forget(key)
            return
        if path is None:
            self._stays(move)
            return
        self._held.map(key)
        self._confirm(move, bytes_here=path.stat().st_size)

    def _stays(self, move: Move) -> None:
        """Leave a context where it was: what would lie in L1 was not made."""
        key: Any = move.key
        self._confirm(move, is_done=False)
        with self._deciding:
            lies = self._tiers.lies(key)
        if lies is Level.BELOW:
            self._forget_blocks(key)

    def _remove_file(self, key: Key) -> None:
        self._held.unmap(key)
        if self._folder is not None:
            self._folder.remove(key[1])

    def _forget_blocks(self, key: Key) -> None:
        """Let go of blocks and of all that is known of a context that is not above any more."""
        self._held.forget(key)
        if key not in self._wanted and key != self._building:
            self._tokenizers.pop(key, None)

    def _forget(self, key: Key) -> None:
        """Drop all memory of a context that is gone, or cannot be read."""
        with self._deciding:
            self._tiers.forget(key)
        self._remove_file(key)
        self._wanted.pop(key, None)
        self._held.forget(key)
        self._tokenizers.pop(key, None)
