import threading
from collections.abc import Callable
from functools import partial

import pytest

from tierfold.engine.shard import committer as committing
from tierfold.engine.shard.committer import Committer
from tierfold.engine.shard.view import View
from tierfold.errors import (
    InvalidInputError,
    OverloadError,
    ShardUnavailableError,
    StorageFullError,
)
from tierfold.ports import Batch, Family
from tierfold.storage.faults import FaultyKeyValues
from tierfold.storage.memory import MemoryKeyValues

META = Family.META


class Disk(MemoryKeyValues):
    """Counts writes, and holds them up while a test wants that."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[int] = []
        self.begins = threading.Event()
        self.goes_on = threading.Event()
        self.goes_on.set()

    def write(self, batch: Batch, *, durable: bool = True) -> None:
        self.begins.set()
        assert self.goes_on.wait(10)
        self.writes.append(len(batch))
        super().write(batch, durable=durable)


def committer(values: MemoryKeyValues | FaultyKeyValues, **limits: int) -> Committer:
    return Committer(values, **{"steps_max": 100, "round_bytes_max": 1000, **limits})


def put(key: bytes, value: bytes = b"1") -> Callable[[View, Batch], bytes | None]:
    def step(view: View, batch: Batch) -> bytes | None:
        batch.put(META, key, value)
        return view.get(META, key)

    return step


def started(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_a_step_returns_when_its_changes_are_written() -> None:
    """The result is the step's own, and the disk has the batch by then."""
    disk = Disk()
    assert committer(disk).run(put(b"a")) is None
    assert committer(disk).run(put(b"a", b"2")) == b"1"
    assert disk.get(META, b"a") == b"2"


def test_steps_of_a_round_see_what_those_before_them_changed() -> None:
    """One write for all of them, and each finds the state its turn has."""
    disk = Disk()
    outcomes = committer(disk).run_all([put(b"a", b"1"), put(b"a", b"2"), put(b"a", b"3")])

    assert outcomes == [None, b"1", b"2"]
    assert disk.writes == [1]


def test_a_step_that_fails_leaves_nothing_and_hinders_nobody() -> None:
    """Its exception is its result; the changes of the others are made."""
    disk = Disk()

    def fails(_: View, batch: Batch) -> None:
        batch.put(META, b"half", b"1")
        problem = "no"
        raise InvalidInputError(problem)

    first, second, third = committer(disk).run_all([put(b"a"), fails, put(b"b")])

    assert (first, third) == (None, None)
    assert isinstance(second, InvalidInputError)
    assert [key for key, _ in disk.scan(META, b"")] == [b"a", b"b"]
    with pytest.raises(InvalidInputError):
        committer(disk).run(fails)


def test_a_round_without_changes_writes_nothing() -> None:
    """Looking at the state costs no fsync."""
    disk = Disk()
    assert committer(disk).run(lambda view, _: view.get(META, b"a")) is None
    assert disk.writes == []


def test_a_full_disk_fails_the_whole_round_and_no_other() -> None:
    """Nothing is half written, and what comes when there is room is made."""
    disk = FaultyKeyValues(MemoryKeyValues(), room_bytes=0)
    commits = committer(disk)
    more = bytes(1000)  # than a note that a nearly full disk still takes
    outcomes = commits.run_all([put(b"a", more), lambda view, _: view.get(META, b"a")])
    disk.room_bytes = None

    assert [type(each) for each in outcomes] == [StorageFullError] * 2
    assert commits.run(put(b"b")) is None
    assert [key for key, _ in disk.scan(META, b"")] == [b"b"]


def held_up(disk: Disk, commits: Committer, waiting: int) -> list[threading.Thread]:
    """Start one write that does not end, and callers that wait behind it."""
    disk.goes_on.clear()
    threads = [started(lambda: commits.run(put(b"first")))]
    assert disk.begins.wait(10)
    steps = [put(b"%d" % n) for n in range(waiting)]
    threads += [started(partial(commits.run, step)) for step in steps]
    while len(commits) < waiting:
        pass
    return threads


def end(disk: Disk, threads: list[threading.Thread]) -> None:
    disk.goes_on.set()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_all_that_wait_for_the_disk_share_the_next_write() -> None:
    """While one write waits for the disk the next round gathers: one more write for all."""
    disk = Disk()
    end(disk, held_up(disk, committer(disk), 30))

    assert disk.writes == [1, 30]


def test_a_round_ends_at_its_bytes() -> None:
    """A round is written in bounded time; one change that is larger is a round of its own."""
    disk = Disk()
    commits = committer(disk, round_bytes_max=10)
    threads = held_up(disk, commits, 0)
    for key, size_bytes in ((b"1", 5), (b"2", 5), (b"3", 5), (b"4", 5), (b"5", 99)):
        threads.append(started(partial(commits.run_all, [put(key)], size_bytes=size_bytes)))
    while len(commits) < 5:
        pass
    end(disk, threads)

    assert sorted(disk.writes[1:]) == [1, 2, 2]


def test_what_waits_is_bounded() -> None:
    """A caller beyond the limit is told to come back, and nothing of it is done."""
    disk = Disk()
    commits = committer(disk, steps_max=3)
    threads = held_up(disk, commits, 3)
    with pytest.raises(OverloadError):
        commits.run(put(b"one too many"))
    end(disk, threads)

    assert disk.get(META, b"one too many") is None
    assert commits.run_all([put(b"x")] * 9) == [None, *[b"1"] * 8]


def test_closing_finishes_what_waits_and_refuses_the_rest() -> None:
    """Nobody who was let in is left without an answer."""
    disk = Disk()
    commits = committer(disk)
    threads = held_up(disk, commits, 5)
    closing = started(commits.close)
    while not commits.is_closed:
        pass
    with pytest.raises(ShardUnavailableError):
        commits.run(put(b"late"))
    end(disk, [*threads, closing])

    assert disk.writes == [1, 5]
    commits.close()


def test_a_broken_disk_leaves_nobody_waiting() -> None:
    """What nobody foresaw is raised where it happened; the others learn that it is not known."""
    disk = Disk()
    commits = committer(disk)
    threads = held_up(disk, commits, 0)
    found: list[BaseException] = []

    def failing() -> None:
        try:
            commits.run(put(b"x"))
        except (OSError, ShardUnavailableError) as error:
            found.append(error)

    threads += [started(failing) for _ in range(3)]
    while len(commits) < 3:
        pass

    def broken(batch: Batch, *, durable: bool = True) -> None:
        assert durable
        assert len(batch)
        raise OSError

    disk.goes_on.clear()
    original, disk.write = disk.write, broken  # type: ignore[method-assign]
    end(disk, threads)
    disk.write = original  # type: ignore[method-assign]

    assert sorted(type(each).__name__ for each in found) == [
        "OSError",
        "ShardUnavailableError",
        "ShardUnavailableError",
    ]
    assert commits.run(put(b"y")) is None


class Interrupted(BaseException):
    """What a signal raises in a thread that waits."""


@pytest.mark.parametrize("is_handed_the_lead", [False, True])
def test_a_caller_that_is_interrupted_leaves_the_queue(is_handed_the_lead: bool) -> None:  # noqa: FBT001
    """Its change is not made, and those behind it do not wait for it."""
    disk = Disk()
    commits = committer(disk)
    threads = held_up(disk, commits, 0)
    lock = InterruptedLock(waits=is_handed_the_lead)
    caught = threading.Event()

    def interrupted() -> None:
        try:
            commits.run(put(b"x"))
        except Interrupted:
            caught.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(committing, "Lock", lambda: lock)
        threads.append(started(interrupted))
        assert lock.is_awaited.wait(10)
    threads.append(started(lambda: commits.run(put(b"y"))))
    while len(commits) < 1 + is_handed_the_lead:
        pass
    end(disk, threads)

    assert caught.is_set()
    assert [key for key, _ in disk.scan(META, b"")] == [b"first", b"y"]


class InterruptedLock:
    """A lock whose waiter is interrupted: at once, or when it is woken."""

    def __init__(self, *, waits: bool) -> None:
        self.is_awaited = threading.Event()
        self._lock = threading.Lock()
        self._waits = waits

    def acquire(self) -> bool:
        if self._lock.acquire(blocking=False):
            return True
        self.is_awaited.set()
        if self._waits:
            self._lock.acquire()
        raise Interrupted

    def release(self) -> None:
        self._lock.release()

    def locked(self) -> bool:
        return self._lock.locked()
