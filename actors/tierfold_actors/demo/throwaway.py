"""A folder that is gone when the demo is, whenever somebody presses Ctrl-C."""

import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from tierfold.engine.shard.opening import ShardHome
from tierfold_actors.store_plan import StorePlan

STORE = "store"  # the folder in it

_INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def throwaway_folder(*, keep: bool = False) -> Iterator[Path]:
    """Make a folder for a store; it stays only if it is kept and all went well."""
    folder: Path | None = None
    try:
        with interrupts_held():
            folder = Path(tempfile.mkdtemp(prefix="tierfold-demo-"))
        yield folder
    except BaseException:
        keep = False
        raise
    finally:
        if folder is not None and not keep:
            _remove(folder)


@contextmanager
def interrupts_held(then: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Let no Ctrl-C break into the block: each does `then`, and is raised after the block."""
    came: list[int] = []

    def hold(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        then()

    heard = [way for way in _INTERRUPTS if signal.getsignal(way) is not signal.SIG_IGN]
    before = {way: signal.signal(way, hold) for way in heard}
    try:
        yield
    finally:
        for way, handler in before.items():
            signal.signal(way, handler)
    if came:
        raise KeyboardInterrupt


def _remove(folder: Path) -> None:
    """Remove it, and what a server that was killed left in shared memory."""
    plan = StorePlan(path=str(folder / STORE), objects="none")
    homes = [ShardHome(store=plan.path, name=name, shards=1) for name in plan.shard_names]
    with interrupts_held():
        for path in (folder, *(home.shared_folder for home in homes)):
            shutil.rmtree(path, ignore_errors=True)
