"""Prefetch: brings contexts up to L1 that somebody says will be asked, behind the requests' back.

For as long as the hint counts, one that changes before it is asked is made again.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock

from tierfold.context import Tokenizer
from tierfold.context.identity import ContextKey
from tierfold.context.stored import ContextInfo
from tierfold.engine.shard.operations import Prefetch, Prefetched, Skipped
from tierfold.engine.shard.upkeep.read_contexts import LoadInfo
from tierfold.engine.shard.upkeep.tiering import Tiering
from tierfold.engine.working import SharedFolder
from tierfold.errors import CorruptError, TierfoldError, UnknownContextError
from tierfold.memory.prefetch import (
    Context,
    Evidence,
    PrefetchFigures,
    SkipReason,
    WaitingContexts,
    Wanted,
)
from tierfold.ports import Clock

SET_BYTES_PER_BYTE = 7  # of a working set, for each byte of the context
DEADLINE_MS = 30_000.0  # that a hint counts where it names none: by then a session has asked
MADE_AT_ONCE = 4  # of what is asked for now, large ones wait for each other
TOKENIZERS_REMEMBERED = 4096  # contexts; half a megabyte
TOKENIZER_FIRST: Tokenizer = "o200k"  # of a context that nobody has asked yet
CHANGES_WAITING_MAX = 4096
NOTICED_EVERY_MS = 2_000.0  # what has gone down: a look at all files of L1


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefetchParts:
    """What prefetching works on."""

    tiering: Tiering
    info: LoadInfo
    folder: SharedFolder | None  # None: there is no L1 to bring anything to
    room_bytes: int  # of L1, for one context
    clock: Clock


class Prefetching:
    """Takes hints from any thread; brings up in the one that works on the tiers."""

    def __init__(self, parts: PrefetchParts, waiting: WaitingContexts | None = None) -> None:
        self._parts = parts
        self._waiting = waiting or WaitingContexts()
        self._making: dict[Context, Wanted] = {}
        self._made: dict[Context, Wanted] = {}  # up, and not read yet
        self._changes: deque[Context] = deque(maxlen=CHANGES_WAITING_MAX)  # of those
        self._tokenizers: dict[Context, Tokenizer] = {}  # of the last question on a context
        self._noticed_ms = -NOTICED_EVERY_MS
        self._lock = Lock()

    def ask(self, operation: Prefetch) -> Prefetched:
        """Take hints; what is brought up later is accepted, of the rest it is said why not."""
        accepted: list[str] = []
        ready: list[str] = []
        skipped: list[Skipped] = []
        for key in operation.contexts:
            reason = self._asked(key, operation, ready)
            if reason is None:
                accepted.append(key.id)
            else:
                skipped.append(Skipped(id=key.id, reason=reason))
        return Prefetched(accepted=tuple(accepted), ready=tuple(ready), skipped=tuple(skipped))

    def was_read(self, context: Context, tokenizer: Tokenizer | None, tier: str) -> None:
        """Note a read of a whole context: `tokenizer` is that of the set its reader could map."""
        if tokenizer is None:
            return
        with self._lock:
            if self._tokenizers.get(context) != tokenizer:
                self._remember(context, tokenizer)
            self._waiting.read(context, is_up=tier == "L1")
            self._made.pop(context, None)

    def was_changed(self, context: Context) -> None:
        """Note that what is up of a context is of an old version."""
        if context in self._made or context in self._making:
            with self._lock:
                self._changes.append(context)

    def was_deleted(self, context: Context) -> None:
        """Forget a context."""
        with self._lock:
            self._made.pop(context, None)
            self._tokenizers.pop(context, None)
            self._waiting.ended(context, is_up=False)
            self._waiting.left([context])

    def has_work(self) -> bool:
        """Whether something waits to be brought up, or is being made."""
        return bool(self._making or self._changes) or len(self._waiting) > 0

    def one_pass(self) -> Iterator[None]:
        """Bring up what waits; pauses after each context."""
        self._settle()
        self._notice_what_left()
        while len(self._making) < MADE_AT_ONCE and (wanted := self._next()) is not None:
            self._making[wanted.context] = wanted
            self._parts.tiering.bring_up(wanted.context, wanted.tokenizer)
            self._settle()
            yield

    def figures(self) -> dict[Evidence, PrefetchFigures]:
        """Return what came of each kind of evidence; counted in contexts."""
        with self._lock:
            return self._waiting.figures()

    def coverage(self) -> float | None:
        """Return of the reads that L1 did not have before, the share that was brought up."""
        with self._lock:
            return self._waiting.coverage

    def _asked(self, key: ContextKey, asked: Prefetch, ready: list[str]) -> SkipReason | None:
        context = (key.tenant, key.digest)
        try:
            info = self._parts.info(*context)
        except UnknownContextError:
            return SkipReason.UNKNOWN
        except CorruptError:
            return SkipReason.DAMAGED
        if info.id != key.id:
            return SkipReason.UNKNOWN
        size_bytes = info.head.size_bytes
        needed = size_bytes * SET_BYTES_PER_BYTE
        if self._parts.folder is None or needed > self._parts.room_bytes:
            return SkipReason.NO_ROOM
        now_ms = self._parts.clock.now_ms()
        tokenizer = asked.tokenizer or self._tokenizers.get(context, TOKENIZER_FIRST)
        deadline_ms = DEADLINE_MS if asked.deadline_ms is None else asked.deadline_ms
        wanted = Wanted(
            context=context,
            tokenizer=tokenizer,
            size_bytes=size_bytes,
            evidence=asked.evidence,
            until_ms=now_ms + deadline_ms,
        )
        is_up = self._is_up(wanted, info)
        if is_up:
            ready.append(key.id)
        with self._lock:
            return self._waiting.hint(wanted, is_up=is_up, now_ms=now_ms)

    def _is_up(self, wanted: Wanted, info: ContextInfo) -> bool:
        folder = self._parts.folder
        assert folder is not None, "without L1 nothing is wanted"
        return folder.find(wanted.context[1], wanted.tokenizer, info) is not None

    def _next(self) -> Wanted | None:
        """Return what to bring up: first what was up and has changed, while its hint counts."""
        now_ms = self._parts.clock.now_ms()
        with self._lock:
            while self._changes:
                wanted = self._made.get(self._changes.popleft())
                if wanted is None:
                    continue
                if wanted.until_ms >= now_ms:
                    return wanted
                self._waiting.ended(wanted.context, is_up=False)
            return self._waiting.take(now_ms)

    def _settle(self) -> None:
        """Find out what became of what is being made: a large one takes seconds, in a process."""
        now_ms = self._parts.clock.now_ms()
        for wanted in list(self._making.values()):
            context, is_up = wanted.context, self._was_made(wanted)
            is_late = wanted.until_ms < now_ms
            if is_up or is_late or not self._parts.tiering.is_making(context):
                with self._lock:
                    self._end(wanted, is_up=is_up, is_late=is_late)

    def _end(self, wanted: Wanted, *, is_up: bool, is_late: bool) -> None:
        context = wanted.context
        del self._making[context]
        is_again = not (is_up or is_late) and context in self._changes
        if not is_again:
            self._waiting.ended(context, is_up=is_up)
        if is_again or (is_up and self._waiting.is_unread(context)):
            self._made[context] = wanted

    def _was_made(self, wanted: Wanted) -> bool:
        try:
            return self._is_up(wanted, self._parts.info(*wanted.context))
        except TierfoldError:  # gone, or damaged and named by whoever reads it
            return False

    def _notice_what_left(self) -> None:
        """Note what went down before anybody read it: it was brought up in vain."""
        now_ms = self._parts.clock.now_ms()
        if now_ms - self._noticed_ms < NOTICED_EVERY_MS or self._parts.folder is None:
            return
        self._noticed_ms = now_ms
        with self._lock:
            made = [each for each in self._made if each not in self._making]
            is_changing = set(self._changes)
        there = {file.digest for file in self._parts.folder.files()}
        with self._lock:
            for each in made:
                if each[1] not in there and each not in is_changing:
                    self._made.pop(each, None)
                    self._waiting.ended(each, is_up=False)
                    self._waiting.left([each])

    def _remember(self, context: Context, tokenizer: Tokenizer) -> None:
        self._tokenizers.pop(context, None)
        self._tokenizers[context] = tokenizer
        if len(self._tokenizers) > TOKENIZERS_REMEMBERED:
            del self._tokenizers[next(iter(self._tokenizers))]
