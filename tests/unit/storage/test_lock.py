import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tierfold.errors import SetupError, StoreLockedError
from tierfold.storage import Holder, StoreLock, read_holder


def test_a_folder_has_one_holder(tmp_path: Path) -> None:
    """A second one is told who has it and where it answers."""
    lock = StoreLock.acquire(tmp_path / "s", born=5)
    with pytest.raises(StoreLockedError, match=f"process {os.getpid()}: close it there"):
        StoreLock.acquire(tmp_path / "s")
    lock.announce("http://127.0.0.1:8000")

    with pytest.raises(StoreLockedError, match=r"talk to it at http://127\.0\.0\.1:8000") as caught:
        StoreLock.acquire(tmp_path / "s")
    assert caught.value.pid == os.getpid()
    assert read_holder(tmp_path / "s") == Holder(
        pid=os.getpid(), url="http://127.0.0.1:8000", born=5
    )
    lock.announce(None)
    assert read_holder(tmp_path / "s") == Holder(pid=os.getpid(), born=5)


def test_a_released_folder_is_free(tmp_path: Path) -> None:
    """Releasing twice does nothing, and the next holder says its own name."""
    with StoreLock.acquire(tmp_path, "http://a") as lock:
        pass
    lock.release()
    lock.announce("http://b")

    assert read_holder(tmp_path) is None
    with StoreLock.acquire(tmp_path):
        assert read_holder(tmp_path) == Holder(pid=os.getpid())


def test_a_killed_holder_lets_go(tmp_path: Path) -> None:
    """The kernel frees the lock of a process that had no time to do so."""
    code = (
        "import sys, time\n"
        "from tierfold.storage import StoreLock\n"
        "lock = StoreLock.acquire(sys.argv[1], 'http://it')\n"
        "print('held', flush=True)\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert read_holder(tmp_path) == Holder(pid=process.pid, url="http://it")
        process.send_signal(signal.SIGKILL)
        process.wait()

    assert read_holder(tmp_path) is None
    StoreLock.acquire(tmp_path).release()


def test_nobody_holds_what_is_no_store(tmp_path: Path) -> None:
    """Asking creates nothing."""
    assert read_holder(tmp_path / "none") is None
    assert list(tmp_path.iterdir()) == []


def test_a_holder_that_has_not_written_yet_still_holds(tmp_path: Path) -> None:
    """Between taking the lock and saying so, or with a garbled file, it is somebody."""
    lock = StoreLock.acquire(tmp_path)
    for text in ("", "{", "[]", "{}"):
        (tmp_path / "lock.json").write_text(text)

        assert read_holder(tmp_path) == Holder(pid=0)
        with pytest.raises(StoreLockedError):
            StoreLock.acquire(tmp_path)
    lock.release()


def test_asking_for_the_holder_keeps_nobody_out(tmp_path: Path) -> None:
    """Who only looks has the lock for a moment, and taking it waits for that."""
    StoreLock.acquire(tmp_path).release()
    with (tmp_path / "lock.json").open() as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        ends = threading.Timer(0.015, fcntl.flock, (asking, fcntl.LOCK_UN))
        ends.start()
        StoreLock.acquire(tmp_path).release()
        ends.join()


def test_a_place_that_cannot_be_a_store_is_named(tmp_path: Path) -> None:
    """The message names the folder and why."""
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(SetupError, match="cannot be a store"):
        StoreLock.acquire(tmp_path / "file/s")
