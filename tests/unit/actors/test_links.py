import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from tierfold.context.identity import ContextKey
from tierfold.context.manifest import CHANGES_KEPT, Shape
from tierfold.engine.contents import chat_contents
from tierfold.engine.shard.operations import (
    Append,
    Audit,
    Delete,
    Done,
    GetInfo,
    GetVersion,
    Keyed,
    Operation,
    ReadItems,
    Result,
)
from tierfold.errors import OverloadError, ShardUnavailableError
from tierfold.wire import parse_messages
from tierfold_actors.links import (
    BODIES,
    NEWEST,
    READS,
    VERSIONS,
    WRITES,
    AsyncShardLink,
    CallLane,
    LaneLimits,
    Sends,
    is_heavy,
    may_be_repeated,
    size_bytes_of,
)
from tierfold_actors.shard_actor import CONCURRENCY

KEY = ContextKey("local", "trip")
ONE_CALL = LaneLimits(calls_max=1, operations_max=3, bytes_max=10_000, waiting_max=8, timeout_s=5)


def append(text: str = "", keyed: Keyed | None = None) -> Append:
    items = chat_contents(parse_messages([{"role": "user", "content": text}])).items
    return Append(context=KEY, shape=Shape.MESSAGES, items=items, keyed=keyed)


@dataclass
class Shard:
    """Notes each call, and answers when it is let."""

    calls: list[tuple[Operation, ...]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    failures: list[BaseException] = field(default_factory=list)

    async def send(self, operations: tuple[Operation, ...]) -> list[Result]:
        self.calls.append(operations)
        await self.gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        return [Done() for _ in operations]

    @property
    def sizes(self) -> list[int]:
        return [len(call) for call in self.calls]


async def asked(lane: CallLane, *operations: Operation) -> list[asyncio.Task[Result]]:
    """Ask them all and let every question reach the lane."""
    tasks = [asyncio.create_task(lane.ask(operation)) for operation in operations]
    await asyncio.sleep(0.01)
    return tasks


async def test_a_lone_operation_goes_at_once() -> None:
    """Waiting for company would only cost time."""
    shard = Shard()
    lane = CallLane(shard.send, ONE_CALL)

    (task,) = await asked(lane, GetInfo(context=KEY))
    assert shard.sizes == [1]
    shard.gate.set()

    assert await task == Done()


async def test_what_arrives_during_a_call_travels_together() -> None:
    """A hundred operations cost little more than one; a call has no more than its limit."""
    shard = Shard()
    lane = CallLane(shard.send, ONE_CALL)

    tasks = await asked(lane, *[GetInfo(context=KEY)] * 6)
    shard.gate.set()
    await asyncio.gather(*tasks)

    assert shard.sizes == [1, 3, 2]


async def test_a_call_carries_no_more_bytes_than_its_limit() -> None:
    """What is larger than the limit goes alone."""
    shard = Shard()
    lane = CallLane(shard.send, ONE_CALL)

    tasks = await asked(lane, append(), append("x" * 9_000), append("x" * 9_000), append())
    shard.gate.set()
    await asyncio.gather(*tasks)

    assert shard.sizes == [1, 1, 2]
    assert all(sum(map(size_bytes_of, call)) <= 10_000 for call in shard.calls)


async def test_whoever_left_is_left_out() -> None:
    """Nobody waits for its result any more."""
    shard = Shard()
    lane = CallLane(shard.send, ONE_CALL)

    tasks = await asked(lane, *[GetInfo(context=KEY)] * 3)
    tasks[1].cancel()
    tasks[0].cancel()
    shard.gate.set()

    assert await tasks[2] == Done()
    assert shard.sizes == [1, 1]


async def test_no_more_waits_than_the_limit() -> None:
    """The next one hears so instead of waiting."""
    shard = Shard()
    lane = CallLane(shard.send, ONE_CALL)

    tasks = await asked(lane, *[GetInfo(context=KEY)] * 9)
    with pytest.raises(OverloadError):
        await lane.ask(GetInfo(context=KEY))
    shard.gate.set()

    assert len(await asyncio.gather(*tasks)) == 9


async def test_a_shard_that_is_silent_is_unavailable() -> None:
    """After the time limit, and the next call may go."""
    shard = Shard()
    limits = LaneLimits(calls_max=1, operations_max=1, timeout_s=0.01)
    lane = CallLane(shard.send, limits, pauses_s=())

    with pytest.raises(ShardUnavailableError, match="retry in"):
        await lane.ask(GetInfo(context=KEY))
    shard.gate.set()

    assert await lane.ask(GetInfo(context=KEY)) == Done()


async def test_nobody_waits_longer_than_was_said() -> None:
    """However often a lane tries again, and whether the call is on its way or waits for one."""
    shard = Shard()
    lane = CallLane(
        shard.send, replace(ONE_CALL, timeout_s=0.02, wait_s_max=0.1), pauses_s=(0.0,) * 99
    )

    async with asyncio.timeout(1):
        under_way = asyncio.create_task(lane.ask(GetInfo(context=KEY)))
        with pytest.raises(ShardUnavailableError, match="retry in 1 s"):
            await lane.ask(GetVersion(context=KEY), 0.01)
        with pytest.raises(ShardUnavailableError):
            await under_way
    shard.gate.set()

    assert await lane.ask(Audit()) == Done()


async def test_whoever_has_left_is_not_asked_for() -> None:
    """What waited behind a call that hangs is no longer wanted when the lane is free again."""
    shard = Shard()
    lane = CallLane(shard.send, ONE_CALL)

    (first,) = await asked(lane, GetInfo(context=KEY))
    with pytest.raises(ShardUnavailableError):
        await lane.ask(GetVersion(context=KEY), 0.01)
    shard.gate.set()
    await first

    assert shard.calls == [(GetInfo(context=KEY),)]


@pytest.mark.parametrize("limits", [READS, BODIES, NEWEST, VERSIONS, WRITES])
def test_a_lane_gives_up_before_its_callers_do(limits: LaneLimits) -> None:
    """A client listens for half a minute; one call has ended before the wait for it has."""
    assert limits.timeout_s < limits.wait_s_max < 30


async def test_every_operation_of_a_failed_call_hears_of_it() -> None:
    """None may wait for ever."""
    shard = Shard(failures=[ValueError("broken")])
    lane = CallLane(shard.send, READS)
    shard.gate.set()

    with pytest.raises(ValueError, match="broken"):
        await lane.ask(GetInfo(context=KEY))


def link_to(shard: Shard, pauses_s: tuple[float, ...] = (0.0,)) -> AsyncShardLink:
    sends = Sends(read=shard.send, write=shard.send, maintain=shard.send)
    return AsyncShardLink(sends, pauses_s=pauses_s)


async def test_a_read_is_asked_again_when_the_shard_died() -> None:
    """Reading twice is reading once."""
    shard = Shard(failures=[ShardUnavailableError()])
    shard.gate.set()

    assert await link_to(shard).ask(ReadItems(context=KEY)) == Done()
    assert shard.sizes == [1, 1]


@pytest.mark.parametrize("operation", [append(), Delete(context=KEY), Audit()])
async def test_a_change_without_a_key_is_never_sent_twice(operation: Operation) -> None:
    """It may have been made before the shard died."""
    shard = Shard(failures=[ShardUnavailableError()])
    shard.gate.set()

    with pytest.raises(ShardUnavailableError):
        await link_to(shard).ask(operation)
    assert shard.sizes == [1]


async def test_a_change_under_a_key_is_sent_again() -> None:
    """The shard knows the key if it was made."""
    operation = append(keyed=Keyed(key=b"k" * 8, fingerprint=b"f" * 8))
    shard = Shard(failures=[ShardUnavailableError(), ShardUnavailableError()])
    shard.gate.set()

    assert may_be_repeated(operation)
    with pytest.raises(ShardUnavailableError):
        await link_to(shard).ask(operation)
    assert await link_to(shard).ask(operation) == Done()


async def test_nothing_overtakes_a_change_that_is_sent_again() -> None:
    """A context remembers 32 keys: one that is overtaken by more could be made twice."""
    shard = Shard(failures=[ShardUnavailableError(), ShardUnavailableError()])
    link = link_to(shard, pauses_s=(0.02, 0.02))
    changes = [append(str(n), Keyed(key=bytes([n]) * 8, fingerprint=b"f" * 8)) for n in range(50)]
    tasks = [asyncio.create_task(link.ask(change)) for change in changes]
    await asyncio.sleep(0.01)
    shard.gate.set()
    await asyncio.gather(*tasks)

    lost, made = shard.calls[:2], [each for call in shard.calls[2:] for each in call]
    sent_again = {change for call in lost for change in call}
    assert set(made[: len(sent_again)]) == sent_again
    assert len(made) == len(changes) == len(set(made))
    assert sum(map(len, lost)) <= CHANGES_KEPT


async def test_a_call_carries_no_more_changes_of_a_context_than_it_remembers() -> None:
    """What is under way may all have to be sent again."""
    shard = Shard()
    lane = CallLane(shard.send, WRITES)
    tasks = await asked(lane, *(append(str(n)) for n in range(100)))
    shard.gate.set()
    await asyncio.gather(*tasks)

    assert max(shard.sizes) * WRITES.calls_max <= CHANGES_KEPT


async def test_a_lane_that_rests_says_so_to_no_more_than_its_limit() -> None:
    """What cannot be sent twice fails at once, what comes meanwhile waits its turn."""
    shard = Shard(failures=[ShardUnavailableError()])
    lane = CallLane(shard.send, ONE_CALL, pauses_s=(0.02,))
    shard.gate.set()
    read = asyncio.create_task(lane.ask(GetInfo(context=KEY)))
    await asyncio.sleep(0.005)
    late = asyncio.create_task(lane.ask(Delete(context=KEY)))
    await asyncio.sleep(0.005)
    assert shard.sizes == [1]

    assert [await read, await late] == [Done(), Done()]
    assert shard.sizes == [1, 2]


async def test_versions_are_asked_in_one_call_at_a_time() -> None:
    """However many questions wait for one, one call carries them all."""
    shard = Shard()
    link = link_to(shard)
    tasks = [asyncio.create_task(link.ask(GetVersion(context=KEY))) for _ in range(50)]
    await asyncio.sleep(0.01)
    reads = asyncio.create_task(link.ask(GetInfo(context=KEY)))
    await asyncio.sleep(0.01)
    assert shard.sizes == [1, 1]  # a read does not wait behind them
    shard.gate.set()
    await asyncio.gather(*tasks, reads)

    assert shard.sizes == [1, 1, 49]
    assert VERSIONS.calls_max == 1


@pytest.mark.parametrize("size", [0, 100_000])
def test_the_size_of_an_operation_is_that_of_its_items(size: int) -> None:
    """Names and frames are small beside it."""
    weigh: Callable[[Operation], int] = size_bytes_of

    assert size <= weigh(append("x" * size)) <= size + 1_000


async def test_nothing_waits_behind_somebodys_megabytes() -> None:
    """Bodies have a lane of their own, and few of them travel in one answer."""
    shard = Shard()
    link = link_to(shard)
    tasks = [asyncio.create_task(link.ask(ReadItems(context=KEY))) for _ in range(40)]
    await asyncio.sleep(0.01)
    version = asyncio.create_task(link.ask(GetVersion(context=KEY)))
    info = asyncio.create_task(link.ask(GetInfo(context=KEY)))
    await asyncio.sleep(0.01)
    under_way = list(shard.calls)
    shard.gate.set()
    await asyncio.gather(*tasks, version, info)

    assert [type(call[0]) for call in under_way[-2:]] == [GetVersion, GetInfo]
    assert BODIES.calls_max + READS.calls_max + VERSIONS.calls_max <= CONCURRENCY["read"]
    assert max(shard.sizes) <= BODIES.operations_max


async def test_a_call_that_is_cancelled_leaves_nobody_waiting() -> None:
    """Whoever cancelled it, those it carried hear that there is no answer."""
    shard = Shard(failures=[asyncio.CancelledError()])
    (task,) = await asked(CallLane(shard.send, ONE_CALL), Delete(context=KEY))
    shard.gate.set()

    with pytest.raises(ShardUnavailableError):
        await asyncio.wait_for(task, 1)


@pytest.mark.parametrize(
    ("operations", "heavy"),
    [
        ((GetInfo(context=KEY), ReadItems(context=KEY)), False),
        ((append("x" * 1000),) * 100, False),
        ((append("x" * 1000),) * 300, True),
        ((append("x" * 300_000),), True),
    ],
)
def test_what_takes_long_to_pack_is_heavy(operations: tuple[Operation, ...], heavy: bool) -> None:  # noqa: FBT001
    """It is packed in a thread."""
    assert is_heavy(operations) is heavy
