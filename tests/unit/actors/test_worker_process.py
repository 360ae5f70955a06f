import io
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.unit.actors.fakes import Bench, call
from tierfold_actors.worker_process import (
    LostError,
    WorkerProcess,
    read_frame,
    serve,
    write_frame,
)

# A child with the fake engine; `sleep` and `die` as questions do what they say.
CHILD = f"""
import os, sys, time
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from tests.unit.actors.fakes import Bench
from tierfold_actors import worker_process

class Engine(type(Bench().engine)):
    def _work(self, request, stage):
        if request.ask == "sleep":
            time.sleep(60)
        if request.ask == "die":
            os._exit(9)

bench = Bench(engine=Engine())
worker_process.serve(open(0, "rb", 0), open(1, "wb", 0), bench.answering)
"""


@dataclass
class Caller:
    is_cancelled: bool = False


@pytest.fixture(scope="module")
def worker() -> Iterator[WorkerProcess]:
    worker = WorkerProcess(("-c", CHILD))
    yield worker
    worker.close()


def test_a_frame_comes_out_as_it_went_in() -> None:
    """Header and body, and the end of the stream is told apart from an empty frame."""
    pipe = io.BytesIO()
    write_frame(pipe, {"a": 1}, b"\x00body")
    write_frame(pipe, {}, b"")
    pipe.seek(0)

    assert read_frame(pipe) == ({"a": 1}, b"\x00body")
    assert read_frame(pipe) == ({}, b"")
    with pytest.raises(LostError):
        read_frame(pipe)


def test_the_child_answers_until_its_input_ends() -> None:
    """First it says that it is ready, then come the replies of each call."""
    requests, replies = io.BytesIO(), io.BytesIO()
    header = {"route": "process", "request_id": "r", "started_ms": 0.0}
    write_frame(requests, header, call().body)
    requests.seek(0)

    serve(requests, replies, Bench().answering)

    replies.seek(0)
    frames = list(iter_frames(replies))
    assert frames[0][0] == {"ready": True}
    assert frames[-1][0]["is_final"]
    assert b"It was me." in frames[-1][1]


def iter_frames(stream: io.BytesIO) -> Iterator[tuple[dict[str, object], bytes]]:
    while True:
        try:
            yield read_frame(stream)
        except LostError:
            return


def test_replies_of_a_real_child_arrive_one_by_one(worker: WorkerProcess) -> None:
    """Streams work for large bodies too."""
    shown = [r for r in worker.replies(call(size=3_000, is_stream=True), Caller()) if r.body]

    assert [reply.is_final for reply in shown] == [False, False, True]
    assert b"event: result" in shown[-1].body


def test_a_child_that_dies_is_a_503_and_is_replaced(worker: WorkerProcess) -> None:
    """One request that eats all the memory must not end the service."""
    before = worker.pid

    died = list(worker.replies(call("die"), Caller()))
    after = list(worker.replies(call("who?"), Caller()))

    assert [reply.status for reply in died if reply.is_final] == [503]
    assert "retry-after" in died[-1].headers
    assert after[-1].status == 200
    assert before != worker.pid


def test_a_child_that_was_killed_between_calls_is_replaced(worker: WorkerProcess) -> None:
    """The next caller never notices."""
    os.kill(worker.pid, signal.SIGKILL)
    time.sleep(0.1)

    assert list(worker.replies(call(), Caller()))[-1].status == 200


def test_work_of_a_caller_who_left_is_killed(worker: WorkerProcess) -> None:
    """A step of many seconds is not waited for."""
    list(worker.replies(call(), Caller()))
    before, caller = worker.pid, Caller()
    replies = worker.replies(call("sleep"), caller)
    next(replies)  # parsed
    caller.is_cancelled = True

    began = time.monotonic()
    rest = list(replies)

    assert rest == []
    assert time.monotonic() - began < 2
    assert before != worker.pid


def test_a_closed_iterator_frees_the_child(worker: WorkerProcess) -> None:
    """Half-read replies must not be taken for those of the next call."""
    replies = worker.replies(call(is_stream=True), Caller())
    next(replies)
    replies.close()  # type: ignore[attr-defined]  # it is a generator

    assert list(worker.replies(call(), Caller()))[-1].status == 200


def test_a_child_is_renewed_after_many_calls(
    worker: WorkerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory that large bodies have fragmented goes back to the machine."""
    list(worker.replies(call(), Caller()))
    before = worker.pid
    monkeypatch.setattr("tierfold_actors.worker_process._CALLS_MAX", 1)

    list(worker.replies(call(), Caller()))

    assert before != worker.pid
