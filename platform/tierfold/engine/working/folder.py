"""The files of L1: one folder in the node's shared memory, for its owner alone."""

import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tierfold.context import Tokenizer
from tierfold.context.stored import ContextInfo
from tierfold.engine.working.arrays import load_arrow
from tierfold.engine.working.job import Build
from tierfold.engine.working.loaded import Loaded
from tierfold.engine.working.mapped import encode_working
from tierfold.errors import SetupError

_SUFFIX = ".arrow"
_TEMPORARY = ".new-"
_FOLDER_MODE = 0o700
_OTHERS = 0o077


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedFile:
    """One working set in the folder."""

    path: Path
    digest: bytes
    size_bytes: int


class SharedFolder:
    """Working sets as files that appear whole and never change; which ones stay others decide.

    The folder's parent should be one where nobody else can rename what is ours, as in a folder of
    the node's shared memory itself.
    """

    def __init__(self, path: Path, *, bytes_max: int) -> None:
        """Make the folder, or take it over; raises SetupError where it is not ours alone."""
        self.path = path
        self.bytes_max = bytes_max
        load_arrow()
        path.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        _require_ours(path)

    def find(self, digest: bytes, tokenizer: Tokenizer, info: ContextInfo) -> Path | None:
        """Return the file of exactly this version, where there is one."""
        path = self._path(digest, tokenizer, info)
        return path if path.exists() else None

    def write(self, digest: bytes, loaded: Loaded, bodies: Sequence[bytes]) -> Path | None:
        """Write a working set and remove those of its other versions.

        Returns None where there is no room: L1 is a cache, and what lies below is whole.
        """
        tokenizer = loaded.prepared.tokenizer
        path = self._path(digest, tokenizer, loaded.info)
        data = encode_working(loaded, bodies)
        if data.nbytes > self.bytes_max:
            return None
        try:
            self._write(path, data)
        except OSError:
            return None
        self._remove_others(digest, tokenizer, path)
        return path

    def begun(self, digest: bytes) -> Path:
        """Return where another process may write a working set, to be taken in later."""
        return self.path / f"{_TEMPORARY}{os.getpid()}-{digest.hex()}"

    def take_in(self, begun: Path, job: Build, *, bytes_max: int) -> Path | None:
        """Let readers find what was written, instead of other versions; None where it is too large.

        Raises OSError where nothing was written.
        """
        if begun.stat().st_size > bytes_max:
            return None
        path = self._path(job.digest, job.tokenizer, job.info)
        begun.replace(path)
        self._remove_others(job.digest, job.tokenizer, path)
        return path

    def files(self) -> Iterator[SharedFile]:
        """Yield the files that are there."""
        for each in self.path.glob(f"*{_SUFFIX}"):
            try:
                size_bytes = each.stat().st_size
                digest = bytes.fromhex(each.name.partition("-")[0])
            except (FileNotFoundError, ValueError):
                continue  # just removed, or none of ours
            yield SharedFile(path=each, digest=digest, size_bytes=size_bytes)

    def size_bytes(self) -> int:
        """Return the bytes of all files; a file that is removed stays while somebody maps it."""
        return sum(each.size_bytes for each in self.files())

    def remove(self, digest: bytes) -> int:
        """Remove all files of a context; returns their bytes."""
        mine = [each for each in self.files() if each.digest == digest]
        for each in mine:
            each.path.unlink(missing_ok=True)
        return sum(each.size_bytes for each in mine)

    def sweep(self) -> None:
        """Remove what a process that died left: files half written, and all versions but one.

        For the moment when nobody else writes here.
        """
        for each in self.path.glob(f"{_TEMPORARY}*"):
            each.unlink(missing_ok=True)
        newest: dict[str, Path] = {}
        for each in sorted(self.path.glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime_ns):
            owner = "-".join(each.name.split("-")[:2])
            if owner in newest:
                newest[owner].unlink(missing_ok=True)
            newest[owner] = each

    def _path(self, digest: bytes, tokenizer: Tokenizer, info: ContextInfo) -> Path:
        state = f"{info.version}-{info.head.chain.hex()}"
        return self.path / f"{digest.hex()}-{tokenizer}-{state}{_SUFFIX}"

    def _remove_others(self, digest: bytes, tokenizer: Tokenizer, path: Path) -> None:
        for each in self.path.glob(f"{digest.hex()}-{tokenizer}-*{_SUFFIX}"):
            if each != path:
                each.unlink(missing_ok=True)

    def _write(self, path: Path, data: memoryview) -> None:
        number, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=self.path)  # for its owner alone
        temporary = Path(name)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(data)
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


def _require_ours(path: Path) -> None:
    """Refuse a folder that others could write to: what is mapped from it is believed."""
    found = path.lstat()
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    if not is_ours or found.st_mode & _OTHERS:
        problem = f"{path} must be a folder of this user with mode 0700: remove it or name another"
        raise SetupError(problem)
