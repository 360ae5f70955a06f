import sys

import pytest

from tierfold.cli import checks
from tierfold.engine import cgroup
from tierfold.engine.cgroup import MemoryBound
from tierfold.errors import SetupError


def test_it_says_how_much_and_by_whom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever wonders about the limit finds the file to change."""
    bound = MemoryBound(3 * 1024**3, "60% of the cgroup's /sys/fs/cgroup/memory.max")
    monkeypatch.setattr(cgroup, "pool_bound", lambda _: bound)
    check = checks.memory_limit()

    assert check.state == "ok"
    assert check.detail == (
        "3.0 GiB for one process, 60% of the cgroup's /sys/fs/cgroup/memory.max"
    )


def test_too_little_memory_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would refuse to start is no warning."""

    def refuse(_: object) -> MemoryBound:
        problem = "too little"
        raise SetupError(problem)

    monkeypatch.setattr(cgroup, "pool_bound", refuse)

    assert checks.memory_limit().state == "fail"


def test_a_missing_package_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor also looks at machines where half is missing."""
    monkeypatch.setitem(sys.modules, "tierfold.engine.cgroup", None)

    assert checks.memory_limit().state == "warn"
