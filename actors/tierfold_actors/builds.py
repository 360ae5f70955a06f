"""Working sets that take long to make, one after another, in a process of their own."""

import asyncio
import contextlib
import math
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tierfold.engine.working import Build, Builder, Loaded, map_shared
from tierfold.errors import OverloadError

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # a folder of our own in it, for us alone
_PREFIX = f"tierfold-build-{os.getuid()}-"
_KEPT_BYTES_MAX = 4 << 20  # starting a child takes half a second, as long as building 3 MB
_CHECK_S = 0.05  # between looks whether the caller is still there


@dataclass(slots=True)
class _Waiting:
    """A caller who may have gone."""

    is_cancelled: bool = False


class BuildLane:
    """One thread that hands builds to a child and maps what that wrote."""

    def __init__(self, *, waiting_max: int, builder: Builder | None = None) -> None:
        self._waiting_max = waiting_max
        self._builder = builder or Builder(kept_bytes_max=_KEPT_BYTES_MAX)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="builds")
        self._open = 0  # builds that wait or run
        self._backlog_ms = 0.0
        self._is_closed = False
        _sweep()

    @property
    def waiting(self) -> int:
        """Builds behind the one that runs."""
        return max(0, self._open - 1)

    async def build(self, job: Build, *, cost_ms: float) -> Loaded:
        """Return a working set; raises OverloadError when too many wait, and what building raises.

        A caller who leaves takes the build out of the queue, or stops it.
        """
        if self.waiting >= self._waiting_max:
            raise OverloadError(retry_after_s=max(1, math.ceil(self._backlog_ms / 1000)))
        self._open += 1
        self._backlog_ms += cost_ms
        caller = _Waiting()
        try:
            return await asyncio.wrap_future(self._thread.submit(self._built, job, caller))
        finally:
            caller.is_cancelled = True
            self._open -= 1
            self._backlog_ms -= cost_ms

    def close(self) -> None:
        """Take nothing more; what runs is stopped."""
        self._is_closed = True
        self._thread.shutdown(wait=False, cancel_futures=True)
        if not self._open:
            self._builder.close()

    def _built(self, job: Build, caller: _Waiting) -> Loaded:
        try:
            return self._in_child(job, caller)
        except OSError:  # the node's memory has no room for the file
            return job.here()
        finally:
            if self._is_closed:
                self._builder.close()

    def _in_child(self, job: Build, caller: _Waiting) -> Loaded:
        prefix = f"{_PREFIX}{os.getpid()}-"
        with tempfile.TemporaryDirectory(prefix=prefix, dir=_parent()) as folder:
            path = Path(folder) / "working.arrow"
            building = self._builder.building(job, path, wait_s=_CHECK_S)
            with contextlib.closing(building):
                for _ in building:
                    if caller.is_cancelled or self._is_closed:
                        raise OverloadError(retry_after_s=1)
            return map_shared(path, job.info)  # stays mapped when its name is gone


def _parent() -> Path:
    """Return where files lie until they are mapped: in memory, where the system has a place."""
    return _SHARED_MEMORY if _SHARED_MEMORY.is_dir() else Path(tempfile.gettempdir())


def _sweep() -> None:
    """Remove what processes left that were killed in mid-build."""
    for folder in _parent().glob(f"{_PREFIX}*"):
        process = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if not Path("/proc", process).exists():
            shutil.rmtree(folder, ignore_errors=True)
