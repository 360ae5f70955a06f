import random
import time
from collections.abc import Iterator
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.engine.shard.upkeep.worlds import World, message
from tierfold.config import TierSettings
from tierfold.engine.clock import FakeClock
from tierfold.engine.shard.upkeep import thread as upkeep_thread
from tierfold.engine.shard.upkeep.backoff import FIRST_MS, LONGEST_MS, Backoff
from tierfold.engine.shard.upkeep.open_rows import OpenRows
from tierfold.engine.shard.upkeep.rota import Job, Rota
from tierfold.engine.shard.upkeep.thread import UpkeepThread
from tierfold.errors import CorruptError, OverloadError, SetupError, ShardUnavailableError
from tierfold.ports import Family


def test_jobs_take_turns_and_stop_when_time_is_over() -> None:
    """No job keeps the others waiting for longer than one of its pieces."""
    clock = FakeClock()
    done: list[str] = []

    def work(name: str) -> Iterator[None]:
        for _ in range(3):
            clock.advance(1)
            done.append(name)
            yield

    jobs = [Job(name=name, start=lambda name=name: work(name), every_ms=10) for name in "ab"]  # type: ignore[misc]  # defaults bind early
    rota = Rota(clock, jobs)

    assert rota.step(3)
    assert done == ["a", "b", "a", "b"]
    assert not rota.step(100)
    assert done == ["a", "b"] * 3
    assert not rota.step(100)
    clock.advance(10)
    assert rota.step(0)


def test_a_job_that_fails_is_named_and_tried_again() -> None:
    """Others go on, and when it goes well again the problem is forgotten."""
    clock = FakeClock()
    problems = [CorruptError(what="a block", problem="torn"), OverloadError(retry_after_s=1), None]
    told: list[str] = []

    def work() -> Iterator[None]:
        problem = problems.pop(0)
        if problem is not None:
            raise problem
        yield

    job = Job(name="x", start=work, every_ms=5, failed=lambda error: told.append(str(error)))
    rota = Rota(clock, [job])
    rota.step(1)
    assert rota.problems == {"x": "a block: torn"}
    clock.advance(5)
    rota.step(1)
    assert len(told) == 2
    clock.advance(5)
    rota.step(1)

    assert rota.problems == {}


def test_a_job_that_nobody_foresaw_to_fail_holds_up_no_other() -> None:
    """It is named without its text, rests longer each time, and is forgotten when it goes well."""
    clock = FakeClock()
    done: list[str] = []
    surprises: list[BaseException] = [ZeroDivisionError("a user's text"), Panic("again")]

    def broken() -> Iterator[None]:
        if surprises:
            raise surprises.pop(0)
        yield

    def sound() -> Iterator[None]:
        done.append("x")
        yield

    rota = Rota(
        clock,
        [
            Job(name="broken", start=broken, every_ms=5),
            Job(name="sound", start=sound, every_ms=5),
        ],
    )
    rota.step(1)
    assert rota.problems["broken"].startswith("unforeseen ZeroDivisionError in test_rota.py:")
    assert "user" not in rota.problems["broken"]
    clock.advance(999)
    rota.step(1)
    assert len(surprises) == 1
    assert len(done) == 2
    clock.advance(1)
    rota.step(1)
    assert "Panic" in rota.problems["broken"]
    clock.advance(1999)
    rota.step(1)
    assert "broken" in rota.problems
    clock.advance(1)
    rota.step(1)

    assert rota.problems == {}


def test_who_stops_the_process_is_not_held_up() -> None:
    """A keyboard interrupt is no failure of a job."""

    def work() -> Iterator[None]:
        yield
        raise KeyboardInterrupt

    rota = Rota(FakeClock(step_ms=0.1), [Job(name="x", start=work, every_ms=5)])
    with pytest.raises(KeyboardInterrupt):
        rota.step(10)


def test_work_that_nobody_waits_for_rests_after_it_took_long() -> None:
    """A job with a share of a tenth rests nine times as long as it took."""
    clock = FakeClock()

    def work() -> Iterator[None]:
        clock.advance(100)
        yield

    rota = Rota(clock, [Job(name="x", start=work, every_ms=10, share_max=0.1)])
    rota.step(1000)
    clock.advance(899)
    assert not rota.step(0)
    clock.advance(1)

    assert rota.step(0)


def test_half_done_work_can_be_abandoned() -> None:
    """Whoever does all of it now does not want it continued later."""
    clock = FakeClock()
    begun: list[int] = []

    def work() -> Iterator[None]:
        begun.append(1)
        clock.advance(1)
        yield
        yield

    rota = Rota(clock, [Job(name="x", start=work, every_ms=5)])
    rota.step(1)
    rota.abandon()
    assert not rota.step(1)
    clock.advance(5)
    rota.step(1)

    assert len(begun) == 2


def test_the_wait_doubles_up_to_a_minute() -> None:
    """A store that is down is asked less and less often, at times of chance."""
    backoff = Backoff(random.Random(1))
    waits = []
    now_ms = 0
    for _ in range(20):
        backoff.failed("down", now_ms)
        wait = next(ms for ms in range(LONGEST_MS + 1) if backoff.may_try(now_ms + ms))
        waits.append(wait)
        now_ms += wait

    assert FIRST_MS / 2 <= waits[0] <= FIRST_MS
    assert all(wait <= LONGEST_MS for wait in waits)
    assert waits[-1] >= LONGEST_MS / 2
    assert backoff.problem == "down"
    backoff.succeeded()
    assert backoff.may_try(0)


def test_rows_are_due_by_size_or_age() -> None:
    """The change that fills a block is told so, once."""
    rows = OpenRows(TierSettings(seal_bytes=100, seal_age_ms=50))

    assert not rows.add("t", 60, 0)
    assert rows.add("t", 60, 10)
    assert not rows.add("t", 60, 20)
    assert rows.due(20) == ["t"]
    rows.forget("t")
    assert rows.due(1000) == []
    rows.add("u", 1, 1000)
    assert rows.due(1049) == []
    assert rows.due(1050) == ["u"]
    assert rows.size_bytes == 1
    rows.clear()
    assert rows.size_bytes == 0


def test_the_thread_works_until_it_is_stopped() -> None:
    """It wakes when told to, and stopping it waits for its last piece."""
    world = World(objects=None, tiers=TierSettings(seal_bytes=1))
    thread = UpkeepThread(world.upkeep)
    thread.stop()
    thread = UpkeepThread(world.upkeep)
    thread.start()
    world.put("a", [message("a sentence")])
    world.clock.advance(1000)
    thread.wake()
    until = time.monotonic() + 10
    while world.count(Family.BODY) and time.monotonic() < until:
        time.sleep(0.01)
    thread.stop()
    thread.stop()

    assert world.count(Family.BODY) == 0


class Panic(BaseException):
    """What a library written in another language raises when it gives up."""


class Failing:
    """Upkeep that goes wrong each time."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.steps = 0

    def step(self, budget_ms: float) -> bool:
        """Fail."""
        assert budget_ms > 0
        self.steps += 1
        raise self.error


@pytest.mark.parametrize("error", [ShardUnavailableError(), ZeroDivisionError("x"), Panic()])
def test_the_thread_outlives_whatever_goes_wrong(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A shard without upkeep fills up: the thread tries again, counts, and says what it was."""
    monkeypatch.setattr(upkeep_thread, "pause_ms", float)
    failing = Failing(error)
    thread = UpkeepThread(failing)
    thread.start()
    until = time.monotonic() + 10
    while failing.steps < 3 and time.monotonic() < until:
        thread.wake()
        time.sleep(0.005)
    assert thread.stop()

    assert failing.steps >= 3
    is_foreseen = isinstance(error, ShardUnavailableError)
    assert (thread.failures == 0) == is_foreseen
    assert (thread.problem == "") == is_foreseen
    assert type(error).__name__ in thread.problem or is_foreseen
    assert (caplog.text == "") == is_foreseen


class Endless:
    """Upkeep that never runs out of work."""

    def __init__(self) -> None:
        self.steps = 0

    def step(self, budget_ms: float) -> bool:
        """Work for no time at all."""
        assert budget_ms > 0
        self.steps += 1
        return True


def test_the_thread_rests_between_steps_and_stops_at_once() -> None:
    """However much there is to do, callers get the processor in between."""
    endless = Endless()
    thread = UpkeepThread(endless, rest_ms=lambda worked_ms: 60_000 + worked_ms)
    thread.start()
    thread.wake()
    time.sleep(0.02)
    thread.stop()

    assert endless.steps <= 1


@given(
    costs_ms=st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=6), min_size=1, max_size=6),
    budgets_ms=st.lists(st.integers(1, 30), min_size=8, max_size=12),
)
def test_no_job_starves_whatever_the_others_take(
    costs_ms: list[list[int]], budgets_ms: list[int]
) -> None:
    """Every job that is due gets a piece in every step, however little time there is."""
    clock = FakeClock()
    done = [0] * len(costs_ms)

    def work(job: int) -> Iterator[None]:
        while True:
            for cost_ms in costs_ms[job]:
                clock.advance(cost_ms or 1)
                done[job] += 1
                yield

    jobs = [
        Job(name=str(job), start=partial(work, job), every_ms=5) for job in range(len(costs_ms))
    ]
    rota = Rota(clock, jobs)
    for steps, budget_ms in enumerate(budgets_ms, start=1):
        assert rota.step(budget_ms)
        assert min(done) >= steps
        assert max(done) - min(done) <= 0


def test_a_report_says_how_far_a_job_is_and_what_its_last_whole_run_took() -> None:
    """Rests between pieces do not count; a run that failed is no whole one."""
    clock = FakeClock()
    fails: list[int] = []

    def work() -> Iterator[None]:
        for _ in range(3):
            clock.advance(10)
            yield
            if fails:
                raise SetupError(problem)

    problem = "no"
    rota = Rota(clock, [Job(name="x", start=work, every_ms=100)])
    rota.step(10)
    (report,) = rota.reports()
    assert (report.is_running, report.pieces, report.busy_ms) == (True, 1, 10)
    assert report.last_busy_ms is None
    clock.advance(1000)
    rota.step(1000)
    clock.advance(50)
    (report,) = rota.reports()
    assert (report.is_running, report.pieces, report.last_pieces) == (False, 0, 4)
    assert (report.last_busy_ms, report.ended_ms_ago) == (30, 50)
    fails.append(1)
    clock.advance(50)
    rota.step(1000)
    (report,) = rota.reports()

    assert (report.last_pieces, report.last_busy_ms) == (4, 30)
