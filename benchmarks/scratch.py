"""Folders for what is measured on a disk."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_BUILD = Path("build")


@contextmanager
def disk_folder() -> Iterator[Path]:
    """Yield a folder that goes with the block, on the project's disk.

    The system's own place for temporary files may be in memory, where waiting for the disk is free.
    """
    _BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_BUILD, ignore_cleanup_errors=True) as folder:
        yield Path(folder).absolute()
