"""Whether a disk takes more."""

import os
from pathlib import Path


def free_bytes(path: Path) -> int:
    """Return what the disk of a path still takes from us."""
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize


def has_room(probe: Path, size_bytes: int) -> bool:
    """Return whether a file of that size can be made: asks quotas and process limits too."""
    try:
        file = os.open(probe, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(file, 0, size_bytes)
        finally:
            os.close(file)
            probe.unlink()
    except OSError:
        return False
    return True
