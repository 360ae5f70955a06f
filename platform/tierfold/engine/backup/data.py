"""Objects named by their content: put once, whoever needs them."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from tierfold.engine.backup.envelope import DamagedBackupError, content_hash
from tierfold.engine.backup.layout import data_folder, data_object
from tierfold.ports import Objects

_UPLOADS_AT_ONCE: Final = 4  # packs that are in memory together, packed and not


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredData:
    """An object that is in the object store now."""

    hashed: bytes
    size_bytes: int
    is_new: bool  # it was not there before


class DataObjects:
    """The objects of one tenant's backups."""

    def __init__(self, objects: Objects, tenant: str) -> None:
        self._objects = objects
        self._tenant = tenant

    def listed(self) -> set[bytes]:
        """Return the hashes of all that is there; a name that is no hash is somebody else's."""
        folder = data_folder(self._tenant)
        return {hashed for key in self._objects.keys(folder) if (hashed := _hash_in(key, folder))}

    def get(self, hashed: bytes, *, what: str) -> bytes:
        """Return an object; raises CorruptError where it is missing or not what was written."""
        data = self._objects.get(data_object(self._tenant, hashed))
        if data is None:
            raise DamagedBackupError(what=what, problem="the object store does not have it")
        if content_hash(data) != hashed:
            raise DamagedBackupError(what=what, problem="the object store has other bytes")
        return data

    def put(self, data: bytes, *, is_there: Callable[[bytes], bool], checks: bool) -> StoredData:
        """Put an object where there is none; `checks` replaces one that has other bytes."""
        hashed = content_hash(data)
        key = data_object(self._tenant, hashed)
        is_new = not is_there(hashed) and self._objects.put_new(key, data)
        if not is_new and checks and self._objects.get(key) != data:
            self._objects.delete([key])
            is_new = self._objects.put_new(key, data)
        return StoredData(hashed=hashed, size_bytes=len(data), is_new=is_new)

    def delete(self, hashes: list[bytes]) -> None:
        """Remove objects."""
        self._objects.delete([data_object(self._tenant, hashed) for hashed in hashes])


class Uploads:
    """Puts made in other threads, a few at once; results come in the order of the puts."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_UPLOADS_AT_ONCE, thread_name_prefix="tierfold-backup")
        self._waiting: deque[tuple[Future[StoredData], Callable[[StoredData], None]]] = deque()

    def add(self, put: Callable[[], StoredData], then: Callable[[StoredData], None]) -> None:
        """Begin a put when there is room; raises what an earlier one raised.

        `then` is called in this thread, with the result.
        """
        while len(self._waiting) >= _UPLOADS_AT_ONCE:
            self._take()
        self._waiting.append((self._threads.submit(put), then))

    def finish(self) -> None:
        """Wait for all of them."""
        while self._waiting:
            self._take()

    def _take(self) -> None:
        future, then = self._waiting.popleft()
        then(future.result())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._threads.shutdown(cancel_futures=True)


def _hash_in(key: str, folder: str) -> bytes:
    try:
        return bytes.fromhex(key.removeprefix(folder))
    except ValueError:
        return b""
