"""How much memory this process may use: what its cgroup allows, or what the machine has."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tierfold.config import MEMORY_BYTES_MIN, MemorySettings
from tierfold.errors import SetupError

MEMORY_VARIABLE = "TIERFOLD_MEMORY_BYTES"  # of each process that sees it

_ROOT = Path("/")
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class MemoryBound:
    """A limit in bytes, and who sets it."""

    size_bytes: int
    source: str


@dataclass(frozen=True, slots=True)
class _Mount:
    """A mounted cgroup hierarchy: `root` is the group that is seen at `point`."""

    root: PurePosixPath
    point: Path
    file: str  # that holds a group's limit
    controller: str  # in /proc/self/cgroup; v2 has no name


def pool_bound(
    settings: MemorySettings,
    root: Path = _ROOT,
    environment: Mapping[str, str] = os.environ,
) -> MemoryBound:
    """Return what the pools may hold: by the setting, the variable, or as a share of the machine.

    Raises SetupError where that is less than one can work with.
    """
    if settings.memory_bytes_max is not None:
        return MemoryBound(settings.memory_bytes_max, "the setting memory_bytes_max")
    said = environment.get(MEMORY_VARIABLE, "")
    if said:
        return MemoryBound(_said(said), f"the variable {MEMORY_VARIABLE}")
    bound = machine_bound(root)
    if bound.size_bytes < MEMORY_BYTES_MIN:
        msg = (
            f"{bound.source} allows {bound.size_bytes // _MIB} MiB of memory, and tierfold needs "
            f"{MEMORY_BYTES_MIN // _MIB}: give it more"
        )
        raise SetupError(msg)
    share = max(int(bound.size_bytes * settings.share_of_machine), MEMORY_BYTES_MIN)
    return MemoryBound(share, f"{settings.share_of_machine:.0%} of {bound.source}")


def machine_bound(root: Path = _ROOT) -> MemoryBound:
    """Return the tightest of the cgroups' limits and the machine's memory."""
    bounds = [_physical(root), *_cgroups(root)]
    return min(bounds, key=lambda bound: bound.size_bytes)


def _said(text: str) -> int:
    size = int(text) if text.isdecimal() else 0
    if size < MEMORY_BYTES_MIN:
        msg = f"{MEMORY_VARIABLE} must be a number of at least {MEMORY_BYTES_MIN}, not {text!r}"
        raise SetupError(msg)
    return size


def _physical(root: Path) -> MemoryBound:
    for line in _lines(root / "proc/meminfo"):
        words = line.split()
        if len(words) > 1 and words[0] == "MemTotal:" and words[1].isdecimal():
            return MemoryBound(int(words[1]) * 1024, "the machine's memory")
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return MemoryBound(pages, "the machine's memory")


def _cgroups(root: Path) -> Iterator[MemoryBound]:
    """Yield the limits of this process's group and all above it, as far as they can be seen."""
    groups = _groups(root)
    for mount in _mounts(root):
        group = groups.get(mount.controller)
        if group is None:
            continue
        for folder in _upwards(mount, group):
            limit = _limit(folder / mount.file)
            if limit is not None:
                name = "/" + str((folder / mount.file).relative_to(root))
                yield MemoryBound(limit, f"the cgroup's {name}")


def _groups(root: Path) -> dict[str, PurePosixPath]:
    """Return this process's group for each controller; v2's has no name."""
    groups = {}
    for line in _lines(root / "proc/self/cgroup"):
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for controller in controllers.split(","):
            groups[controller] = PurePosixPath(path)
    return groups


def _mounts(root: Path) -> Iterator[_Mount]:
    for line in _lines(root / "proc/self/mountinfo"):
        left, _, right = line.partition(" - ")
        fields, kind = left.split(), right.split()
        if len(fields) < 5 or len(kind) < 3:  # noqa: PLR2004  # the fields that are read here
            continue
        seen_as, point = PurePosixPath(_plain(fields[3])), root / _plain(fields[4]).lstrip("/")
        if kind[0] == "cgroup2":
            yield _Mount(seen_as, point, "memory.max", "")
        elif kind[0] == "cgroup" and "memory" in kind[2].split(","):
            yield _Mount(seen_as, point, "memory.limit_in_bytes", "memory")


def _upwards(mount: _Mount, group: PurePosixPath) -> Iterator[Path]:
    """Yield the folders from a group up to where its hierarchy is mounted.

    In a container the group may be named as the host sees it, and what is mounted is that group.
    """
    inside = group.relative_to(mount.root) if group.is_relative_to(mount.root) else None
    folder = mount.point if inside is None or ".." in inside.parts else mount.point / inside
    while folder != mount.point:
        yield folder
        folder = folder.parent
    yield mount.point


def _limit(file: Path) -> int | None:
    """Return a group's limit; None for `max`, and where there is none to read.

    v1 says that there is none by a number that no machine has.
    """
    text = "".join(_lines(file)).strip()
    return int(text) if text.isdecimal() and int(text) > 0 else None


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _plain(path: str) -> str:
    """Return a path of mountinfo, where blanks are written as octal numbers."""
    return path.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
