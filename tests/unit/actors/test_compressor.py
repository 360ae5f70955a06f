from typing import Any

import pytest
import ray

from tierfold.context.segment import SegmentKind, segment
from tierfold.engine.shard.upkeep.packing import PackJob, packed
from tierfold_actors.compressor_actor import packed_elsewhere

JOB = PackJob(bodies=tuple(segment(SegmentKind.TEXT, b"text %d" % n * 50).body for n in range(9)))


class Method:
    """A method of an actor that has died, or one that answers."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error
        self.jobs: list[PackJob] = []

    def remote(self, job: PackJob) -> Any:
        self.jobs.append(job)
        return job


def actor_with(method: Method, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Ray find an actor with this method."""
    actor = type("Actor", (), {"pack": method})()

    def get(job: PackJob, *, timeout: float) -> Any:
        assert timeout > 0
        if method.error is not None:
            raise method.error
        return packed(job)

    monkeypatch.setattr(ray, "get_actor", lambda _name, namespace: actor if namespace else None)
    monkeypatch.setattr(ray, "get", get)


def test_a_job_is_packed_by_the_compressor(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of its own."""
    method = Method(None)
    actor_with(method, monkeypatch)

    assert packed_elsewhere(JOB) == packed(JOB)
    assert method.jobs == [JOB]


@pytest.mark.parametrize(
    "error",
    [ray.exceptions.ActorUnavailableError("away", b"1" * 16), ray.exceptions.GetTimeoutError()],
)
def test_a_job_is_packed_here_where_the_compressor_is_away(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sealing goes on, in the shard's own process."""
    actor_with(Method(error), monkeypatch)

    assert packed_elsewhere(JOB) == packed(JOB)


def test_a_job_is_packed_here_where_there_is_no_compressor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No name, no detour."""

    def nobody(name: str, namespace: str) -> Any:
        raise ValueError(name, namespace)

    monkeypatch.setattr(ray, "get_actor", nobody)

    assert packed_elsewhere(JOB) == packed(JOB)
