import asyncio
import contextlib
import itertools
import threading

import pytest

from tests.unit.actors.fakes import Bench, FakeEngine, call
from tierfold.errors import OverloadError
from tierfold_actors.answering import Call, Reply
from tierfold_actors.work import Turns, Work, WorkLimits
from tierfold_actors.writes import Write, unpacked_write

MAIN = "MainThread"


async def final(work: Work, one: Call) -> Reply:
    async with contextlib.aclosing(work.replies(one)) as replies:
        return [reply async for reply in replies][-1]


async def settle() -> None:
    """Let everything that can run in the event loop run."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_short_work_runs_in_the_event_loop() -> None:
    """A hop to a thread would cost more than the work itself."""
    bench = Bench()

    reply = await final(bench.work, call())

    assert reply.status == 200
    assert {MAIN} == {thread for _, _, thread in bench.engine.steps}


async def test_long_work_runs_in_the_pool() -> None:
    """The event loop stays free for health checks."""
    bench = Bench(engine=FakeEngine(predicted_ms=3.1))

    await final(bench.work, call())

    assert {"pool_0"} == {thread for _, _, thread in bench.engine.steps}


async def test_large_bodies_go_to_the_worker_process() -> None:
    """Parsing holds the GIL, wherever it runs in this process."""
    bench = Bench()

    await final(bench.work, call(size=2048))

    assert len(bench.worker.calls) == 1


async def test_one_piece_of_inline_work_per_turn() -> None:
    """Whatever else is ready runs between two requests, a health check for instance."""
    bench = Bench()
    seen: list[int] = []

    async def watch() -> None:
        while len(seen) < 8:
            seen.append(len(bench.engine.requests))
            await asyncio.sleep(0)

    calls = [asyncio.create_task(final(bench.work, call(str(n)))) for n in range(4)]
    await asyncio.gather(watch(), *calls)

    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(seen))


async def test_inline_work_keeps_the_order_of_arrival() -> None:
    """Nobody overtakes."""
    bench = Bench()

    await asyncio.gather(*(final(bench.work, call(str(n))) for n in range(9)))

    assert [str(n) for n in range(9)] == [request.ask for request in bench.engine.requests]


async def test_all_work_goes_to_the_pool_when_more_than_32_wait() -> None:
    """A long queue of inline work would keep the event loop busy turn after turn."""
    bench = Bench()

    await asyncio.gather(*(final(bench.work, call(str(n))) for n in range(40)))

    by_place = {MAIN: 0, "pool_0": 0}
    for _, _, thread in bench.engine.steps[::2]:
        by_place[thread] += 1
    assert by_place[MAIN] == 34  # one runs, 33 found at most 32 waiting
    assert by_place["pool_0"] == 6


async def test_a_full_queue_refuses_and_says_when_to_come_back() -> None:
    """Waiting longer than the caller would is worse than a quick no."""
    engine = FakeEngine(predicted_ms=900.0)
    bench = Bench(engine=engine, limits=WorkLimits(waiting_max=2))
    engine.gate.clear()
    calls = [asyncio.create_task(final(bench.work, call(str(n)))) for n in range(3)]
    await settle()

    with pytest.raises(OverloadError) as refused:
        await final(bench.work, call("one too many"))
    is_full = bench.work.is_full
    engine.gate.set()
    await asyncio.gather(*calls)

    assert refused.value.retry_after_s == 3  # three of .9 s are here
    assert is_full
    assert not bench.work.is_full
    assert bench.work.waiting == 0


async def test_queued_work_of_a_caller_who_left_never_starts() -> None:
    """Work for nobody only delays the others."""
    engine = FakeEngine(predicted_ms=10.0)
    bench = Bench(engine=engine)
    engine.gate.clear()
    first = asyncio.create_task(final(bench.work, call("first")))
    second = asyncio.create_task(final(bench.work, call("second")))
    await settle()

    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    engine.gate.set()
    await first

    assert [request.ask for request in engine.requests] == ["first"]


async def test_running_work_of_a_caller_who_left_stops_after_its_step() -> None:
    """The engine's generator is closed between two stages."""
    engine = FakeEngine(predicted_ms=10.0)
    bench = Bench(engine=engine)
    engine.gate.clear()
    task = asyncio.create_task(final(bench.work, call("gone", is_stream=True)))
    await settle()

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    engine.gate.set()
    await final(bench.work, call("next"))  # the one thread is free again

    assert [stage for _, stage, _ in engine.steps] == ["fast", "fast", "balanced"]
    assert engine.closed == 2


async def test_a_waiting_inline_caller_who_leaves_gives_the_turn_on() -> None:
    """A cancelled waiter must not keep the lock."""
    turns = Turns()
    await turns.take()
    waiter = asyncio.create_task(turns.take())
    await asyncio.sleep(0)
    waiter.cancel()
    await asyncio.gather(waiter, return_exceptions=True)

    await asyncio.wait_for(turns.take(), 1)

    assert turns.waiting == 0


async def test_a_stream_shows_every_stage_wherever_it_runs() -> None:
    """Streams are the same in the event loop and in the pool."""
    for predicted_ms in (1.0, 10.0):
        bench = Bench(engine=FakeEngine(predicted_ms=predicted_ms))
        async with contextlib.aclosing(bench.work.replies(call(is_stream=True))) as replies:
            shown = [reply.is_final async for reply in replies if reply.body]

        assert shown == [False, False, True]


async def test_a_bug_in_the_lane_is_a_reply_too() -> None:
    """Whatever happens, nobody waits for ever."""
    bench = Bench()
    bench.worker.replies = _broken  # type: ignore[method-assign, assignment]

    reply = await final(Work(bench.answering, bench.worker, bench.limits), call(size=4000))

    assert reply.status == 500


def _broken(*_: object) -> object:
    raise ZeroDivisionError


async def test_close_stops_the_worker_and_the_threads() -> None:
    """Nothing outlives the server."""
    bench = Bench()

    bench.work.close()

    assert bench.worker.is_closed


@pytest.mark.parametrize(
    ("cost_ms", "is_here"), [(0.1, True), (3.0, True), (3.1, False), (50.0, False)]
)
async def test_computing_is_done_where_it_disturbs_nobody(cost_ms: float, is_here: bool) -> None:  # noqa: FBT001
    """Short work in the event loop, the rest in the thread."""
    bench = Bench()
    name = await bench.work.compute(lambda: threading.current_thread().name, cost_ms=cost_ms)
    bench.work.close()

    assert (name == threading.current_thread().name) is is_here


async def test_no_more_computing_waits_than_the_limit() -> None:
    """It shares the thread's queue with the calls."""
    bench = Bench(limits=WorkLimits(waiting_max=1))
    gate = threading.Event()
    waiting = [
        asyncio.create_task(bench.work.compute(lambda: gate.wait(10), cost_ms=9.0))
        for _ in range(2)
    ]
    await asyncio.sleep(0)
    with pytest.raises(OverloadError):
        await bench.work.compute(lambda: True, cost_ms=9.0)
    gate.set()

    assert await asyncio.gather(*waiting) == [True, True]
    bench.work.close()


async def test_work_that_raises_raises_here() -> None:
    """Wherever it was done."""
    bench = Bench()

    def fail() -> None:
        problem = "trip"
        raise KeyError(problem)

    for cost_ms in (0.1, 9.0):
        with pytest.raises(KeyError, match="trip"):
            await bench.work.compute(fail, cost_ms=cost_ms)
    bench.work.close()


async def test_a_large_change_is_unpacked_outside_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its items may be a hundred thousand."""
    threads: list[str] = []

    def unpacked(packed: bytes) -> Write:
        threads.append(threading.current_thread().name)
        return unpacked_write(packed)

    monkeypatch.setattr("tierfold_actors.work.unpacked_write", unpacked)
    body = b'{"text": "%b"}' % (b"x" * 2048)
    reply = await final(
        Bench().work, Call(route="append", body=body, request_id="r", started_ms=0.0)
    )

    assert threads == ["large_0"]
    assert reply.write is not None
    assert reply.write.contents.size_bytes == 2048
