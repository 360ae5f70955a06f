"""Prefetch: brings contexts up to L1 that somebody says will be asked, behind the requests' back."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Lock

from tierfold.context import Tokenizer
from tierfold.context.identity import ContextKey
from tierfold.context.stored import ContextInfo
from tierfold.engine.shard.operations import Prefetch, Prefetched, Skipped
from tierfold.engine.shard.upkeep.tiering import Contexts, Tiering
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
DEADLINE_MS = 30_000.0  # where the hint names none: whoever opened a session has asked by then
MADE_AT_ONCE = 4  # of what is asked for now, large ones wait for each other
TOKENIZERS_REMEMBERED = 4096  # contexts; half a megabyte
TOKENIZER_FIRST: Tokenizer = "o200k"  # of a context that nobody has asked yet

_KNOWN_MIN = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefetchParts:
    """What prefetching works on."""

    tiering: Tiering
    contexts: Contexts
    folder: SharedFolder | None  # None: there is no L1 to bring anything to
    room_bytes: int  # of L1, for one context
    clock: Clock


class Prefetching:
    """Takes hints from any thread; brings up in the one that works on the tiers."""

    def __init__(self, parts: PrefetchParts, waiting: WaitingContexts | None = None) -> None:
        self._parts = parts
        self._waiting = waiting or WaitingContexts()
        self._making: dict[Context, Wanted] = {}
        self._tokenizers: dict[Context, Tokenizer] = {}  # of the last question on a context
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
            self._waiting.read(context, 1, is_up=tier == "L1")

    def left(self, context: Context) -> None:
        """Note that what is up of a context is of an old version, or that it was deleted."""
        with self._lock:
            self._waiting.left([context])

    def has_work(self) -> bool:
        """Whether something waits to be brought up, or is being made."""
        return bool(self._making) or len(self._waiting) > 0

    def one_pass(self) -> Iterator[None]:
        """Bring up what waits; pauses after each context."""
        self._settle()
        self._notice_what_left()
        while len(self._making) < MADE_AT_ONCE:
            with self._lock:
                wanted = self._waiting.take(self._parts.clock.now_ms())
            if wanted is None:
                break
            self._making[wanted.context] = wanted
            self._parts.tiering.bring_up(wanted.context, _tokenizer(wanted))
            self._settle()
            yield

    def figures(self) -> dict[Evidence, PrefetchFigures]:
        """Return what came of each kind of evidence; counted in contexts."""
        with self._lock:
            return self._waiting.figures()

    def _asked(self, key: ContextKey, asked: Prefetch, ready: list[str]) -> SkipReason | None:
        context = (key.tenant, key.digest)
        try:
            info = self._parts.contexts.info(*context)
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
        return folder.find(wanted.context[1], _tokenizer(wanted), info) is not None

    def _settle(self) -> None:
        """Find out what became of what is being made: a large one takes seconds, in a process."""
        now_ms = self._parts.clock.now_ms()
        for wanted in list(self._making.values()):
            is_up = self._was_made(wanted)
            if is_up or wanted.until_ms < now_ms or not self._parts.tiering.is_making(wanted.context):
                del self._making[wanted.context]
                with self._lock:
                    self._waiting.ended(wanted.context, is_up=is_up)

    def _was_made(self, wanted: Wanted) -> bool:
        try:
            return self._is_up(wanted, self._parts.contexts.info(*wanted.context))
        except TierfoldError:  # gone, or damaged and named by whoever reads it
            return False

    def _notice_what_left(self) -> None:
        """Note what went down before anybody read it: it was brought up in vain."""
        with self._lock:
            unread = self._waiting.unread()
        if not unread or self._parts.folder is None:
            return
        there = {file.digest for file in self._parts.folder.files()}
        gone = [each for each in unread if each[1] not in there and each not in self._making]
        with self._lock:
            self._waiting.left(each for each in gone if not self._waiting.is_waiting(each))

    def _remember(self, context: Context, tokenizer: Tokenizer) -> None:
        self._tokenizers.pop(context, None)
        self._tokenizers[context] = tokenizer
        if len(self._tokenizers) > TOKENIZERS_REMEMBERED:
            del self._tokenizers[next(iter(self._tokenizers))]


def _tokenizer(wanted: Wanted) -> Tokenizer:
    return "cl100k" if wanted.tokenizer == "cl100k" else "o200k"
