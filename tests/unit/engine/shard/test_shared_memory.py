import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from tierfold.engine.shard import shared_memory
from tierfold.engine.shard.shared_memory import HeldFolder, sweep_left


def hold(path: str) -> None:
    folder = HeldFolder.hold(Path(path))
    (folder.path / "file.arrow").write_bytes(b"x" * 1000)
    (folder.path.parent / "ready").touch()
    time.sleep(60)


def test_what_a_killed_process_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    """Mapped working sets of the dead would take memory until the machine is started anew."""
    process = multiprocessing.get_context("spawn").Process(
        target=hold, args=(str(tmp_path / "ours-1"),), daemon=True
    )
    process.start()
    mine = HeldFolder.hold(tmp_path / "ours-2")
    while not (tmp_path / "ready").exists():
        assert process.is_alive()
        time.sleep(0.01)
    (tmp_path / "theirs-1").mkdir()
    (tmp_path / "ours-3").symlink_to(tmp_path / "theirs-1")
    assert sweep_left(tmp_path, "ours-") == 0
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()

    assert sweep_left(tmp_path, "ours-") == 1
    assert not (tmp_path / "ours-1").exists()
    assert mine.path.is_dir()
    assert (tmp_path / "theirs-1").is_dir()
    mine.remove()
    mine.remove()
    assert not mine.path.exists()


def test_what_the_process_before_left_is_taken_over(tmp_path: Path) -> None:
    """After a crash the working sets are still good, and adopted by who opens the same shard."""
    path = tmp_path / "ours-1"
    path.mkdir(mode=0o700)
    (path / "file.arrow").touch()
    held = HeldFolder.hold(path)

    assert (path / "file.arrow").exists()
    held.remove()


def test_a_folder_that_others_keep_locked_is_used_all_the_same(tmp_path: Path) -> None:
    """A lock that is never let go keeps no store from being opened."""
    first = HeldFolder.hold(tmp_path / "ours-1")
    second = HeldFolder.hold(tmp_path / "ours-1")

    assert second.path == first.path
    assert sweep_left(tmp_path, "ours-") == 0
    second.remove()
    first.remove()


def test_a_folder_that_is_swept_while_it_is_taken_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was locked is gone by then: nobody would find what is written there."""
    path = tmp_path / "ours-1"
    locked = shared_memory._locked  # noqa: SLF001  # interrupted below
    swept: list[Path] = []

    def interrupted(of: Path) -> int | None:
        file = locked(of)
        if not swept:
            swept.append(of)
            of.rmdir()
        return file

    monkeypatch.setattr(shared_memory, "_locked", interrupted)
    held = HeldFolder.hold(path)
    assert swept == [path]
    assert path.is_dir()
    held.remove()
    path.mkdir()
    swept.clear()
    assert sweep_left(tmp_path, "ours-") == 0
    (tmp_path / "ours-file").touch()
    assert sweep_left(tmp_path, "ours-") == 0
