"""The gateway's ways to one shard: what waits for it travels together.

A lane has a bounded number of calls under way; what arrives meanwhile goes with the next one. So
a hundred operations cost little more than one, and a lone one goes at once.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from tierfold.context.identity import ContextKey
from tierfold.context.manifest import CHANGES_KEPT
from tierfold.engine.shard.operations import (
    Append,
    Audit,
    Compact,
    Create,
    Delete,
    GetVersion,
    Operation,
    Patch,
    ReadHandle,
    ReadItems,
    ReadNewest,
    ReadSince,
    Replace,
    Result,
)
from tierfold.errors import OverloadError, ShardUnavailableError

Send = Callable[[tuple[Operation, ...]], Awaitable[list[Result]]]

# Between tries: a shard that died is back after a second or two.
PAUSES_S = (0.2, 0.8, 2.0)

_MIB = 1024 * 1024
_LIGHT_BYTES = 256 * 1024  # packed within a millisecond
_OPERATION_BYTES = 256  # of one without items: keys, names, the frame around them


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneLimits:
    """What one lane may have under way, in one call, and waiting."""

    calls_max: int  # under way at once
    operations_max: int  # in one call
    of_context_max: int = 1024  # in one call, of one context
    bytes_max: int = 16 * _MIB  # in one call; a larger operation goes alone
    waiting_max: int = 4096
    timeout_s: float = 30.0  # of one call: then it is sent again, or has failed
    wait_s_max: float = 30.0  # of one operation, all its calls and rests together


_WRITE_CALLS = 2

# A shard has five threads for reads: one stays free for versions and one for whoever is in a hurry,
# so that neither a question on a context that is held nor one with a deadline waits behind
# somebody's megabytes.
#
# A shard that hangs is said to be away while whoever asked still listens: clients give up after
# half a minute.
READS = LaneLimits(calls_max=1, operations_max=64, timeout_s=8.0, wait_s_max=10.0)
# Results are as large as what is read.
BODIES = LaneLimits(calls_max=2, operations_max=8, timeout_s=18.0, wait_s_max=20.0)
NEWEST = LaneLimits(  # of a megabyte or two each
    calls_max=1, operations_max=4, timeout_s=8.0, wait_s_max=10.0
)
# Coalesced: one at a time.
VERSIONS = LaneLimits(calls_max=1, operations_max=1024, timeout_s=3.0, wait_s_max=10.0)
# A context remembers so many keys: no more changes of it may be under way, or one that is sent
# again could be forgotten by then.
WRITES = LaneLimits(
    calls_max=_WRITE_CALLS,
    operations_max=256,
    of_context_max=CHANGES_KEPT // _WRITE_CALLS,
    timeout_s=20.0,
    wait_s_max=25.0,
)
UPKEEP = LaneLimits(
    calls_max=1, operations_max=1, waiting_max=4, timeout_s=3600.0, wait_s_max=3600.0
)


@dataclass(slots=True, eq=False)
class _Waiting:
    operation: Operation
    size_bytes: int
    result: asyncio.Future[Result]
    failures: int = 0  # of calls that carried it


class CallLane:
    """Operations of one kind on their way to one shard; lives in one event loop.

    When the shard is away, what may be done twice goes back to the head of the queue and the lane
    rests a moment. So nothing overtakes a change that is sent again.
    """

    def __init__(
        self, send: Send, limits: LaneLimits, *, pauses_s: tuple[float, ...] = PAUSES_S
    ) -> None:
        self._send = send
        self._limits = limits
        self._pauses_s = pauses_s
        self._waiting: deque[_Waiting] = deque()
        self._calls: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None

    async def ask(self, operation: Operation, timeout_s: float | None = None) -> Result:
        """Return the operation's result; raises ShardUnavailableError or OverloadError.

        Nobody waits longer than `timeout_s`, nor than the lane's own limit. A change that was on
        its way by then may be made all the same.
        """
        if len(self._waiting) >= self._limits.waiting_max:
            raise OverloadError(retry_after_s=1)
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(operation, size_bytes_of(operation), future))
        self._send_what_may_go()
        limit_s = self._limits.wait_s_max
        try:
            async with asyncio.timeout(limit_s if timeout_s is None else min(timeout_s, limit_s)):
                return await future
        except TimeoutError:
            raise ShardUnavailableError from None

    def _send_what_may_go(self) -> None:
        while (
            self._pause is None
            and len(self._calls) < self._limits.calls_max
            and (together := self._next())
        ):
            call = asyncio.create_task(self._carry(together))
            self._calls.add(call)
            call.add_done_callback(self._returned)

    def _returned(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        self._send_what_may_go()

    def _next(self) -> list[_Waiting]:
        """Take what goes with the next call; whoever has left meanwhile is left out."""
        together: list[_Waiting] = []
        size_bytes = 0
        of_context: Counter[str] = Counter()
        while self._waiting and len(together) < self._limits.operations_max:
            first = self._waiting[0]
            context = _context_of(first.operation)
            is_full = size_bytes + first.size_bytes > self._limits.bytes_max
            if together and (is_full or of_context[context] >= self._limits.of_context_max):
                break
            self._waiting.popleft()
            if not first.result.done():
                together.append(first)
                size_bytes += first.size_bytes
                of_context[context] += 1
        return together

    async def _carry(self, together: list[_Waiting]) -> None:
        operations = tuple(each.operation for each in together)
        try:
            async with asyncio.timeout(self._limits.timeout_s):
                results = await self._send(operations)
        except (TimeoutError, ShardUnavailableError):
            self._send_again(together)
        except asyncio.CancelledError:  # the loop ends: nobody may wait for ever
            _fail_all(together, ShardUnavailableError())
            raise
        except Exception as error:  # noqa: BLE001  # each of those who wait must hear of it
            _fail_all(together, error)
        else:
            _deliver(together, results)

    def _send_again(self, together: list[_Waiting]) -> None:
        """Put back what may be done twice and was not tried too often; the rest has failed."""
        for each in reversed(together):
            each.failures += 1
            if each.failures <= len(self._pauses_s) and may_be_repeated(each.operation):
                self._waiting.appendleft(each)
            else:
                _fail(each, ShardUnavailableError())
        if self._waiting and self._pause is None:
            failures = min(self._waiting[0].failures, len(self._pauses_s))
            pause_s = self._pauses_s[max(failures, 1) - 1] if self._pauses_s else 0.0
            self._pause = asyncio.get_running_loop().call_later(pause_s, self._go_on)

    def _go_on(self) -> None:
        self._pause = None
        self._send_what_may_go()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sends:
    """How operations get to one shard, by the shard's own concurrency groups."""

    read: Send
    write: Send
    maintain: Send


class AsyncShardLink:
    """One shard as the gateway sees it: a lane for each kind of operation."""

    def __init__(self, sends: Sends, *, pauses_s: tuple[float, ...] = PAUSES_S) -> None:
        self._reads = CallLane(sends.read, READS, pauses_s=pauses_s)
        self._bodies = CallLane(sends.read, BODIES, pauses_s=pauses_s)
        self._newest = CallLane(sends.read, NEWEST, pauses_s=pauses_s)
        self._versions = CallLane(sends.read, VERSIONS, pauses_s=pauses_s)
        self._writes = CallLane(sends.write, WRITES, pauses_s=pauses_s)
        self._upkeep = CallLane(sends.maintain, UPKEEP, pauses_s=pauses_s)

    async def ask(self, operation: Operation, timeout_s: float | None = None) -> Result:
        """Return the operation's result, sent again where that changes nothing twice.

        Raises ShardUnavailableError when the shard does not answer in time.
        """
        return await self._lane(operation).ask(operation, timeout_s)

    def _lane(self, operation: Operation) -> CallLane:
        match operation:
            case GetVersion():
                return self._versions
            case ReadNewest():
                return self._newest
            case ReadItems() | ReadSince() | ReadHandle():
                return self._bodies
            case Create() | Append() | Replace() | Patch() | Delete():
                return self._writes
            case Audit() | Compact():
                return self._upkeep
            case _:
                return self._reads


def may_be_repeated(operation: Operation) -> bool:
    """Return whether doing it twice is doing it once: reads, and changes under a key."""
    match operation:
        case Create() | Append() | Replace() | Patch():
            return operation.keyed is not None
        case Delete() | Audit() | Compact():
            return False
        case _:
            return True


def size_bytes_of(operation: Operation) -> int:
    """Return about how many bytes travel with an operation."""
    match operation:
        case Create(items=items) | Append(items=items):
            return _OPERATION_BYTES + sum(item.size_bytes for item in items)
        case Replace(items=items, names=names):
            return _OPERATION_BYTES + sum(i.size_bytes for i in items) + sum(map(len, names))
        case _:
            return _OPERATION_BYTES


def is_heavy(operations: Sequence[Operation]) -> bool:
    """Return whether packing a call for another process would hold up an event loop."""
    items = (
        item
        for operation in operations
        if isinstance(operation, Create | Append | Replace)
        for item in operation.items
    )
    sizes = accumulate(_OPERATION_BYTES + item.size_bytes for item in items)
    return any(size > _LIGHT_BYTES for size in sizes)


def _context_of(operation: Operation) -> str:
    """Return what tells the context apart in its shard, "" where the operation has none."""
    context: ContextKey | None = getattr(operation, "context", None)
    return "" if context is None else f"{context.tenant} {context.id}"


def _deliver(together: list[_Waiting], results: list[Result]) -> None:
    for each, result in zip(together, results, strict=True):
        if not each.result.done():
            each.result.set_result(result)


def _fail_all(together: list[_Waiting], error: Exception) -> None:
    for each in together:
        _fail(each, error)


def _fail(waiting: _Waiting, error: Exception) -> None:
    if not waiting.result.done():
        waiting.result.set_exception(error)
