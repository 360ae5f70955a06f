"""Objects in a bucket of S3, Google Cloud Storage or Azure, through obstore."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import ObjectStore, from_url

from tierfold.errors import ObjectStoreError
from tierfold.storage.object_key import checked_key, checked_prefix

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig  # not there at run time

T = TypeVar("T")

_STATUS = re.compile(r"status[: ]+(\d{3})")
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(milliseconds=100), timedelta(seconds=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudLimits:
    """How long an object store may take."""

    timeout_s: float = 30.0  # of one attempt
    retries_max: int = 3
    retrying_s_max: float = 60.0  # of all attempts


class CloudObjects:
    """An object store behind HTTP; credentials and endpoint come from the usual variables.

    `put_new` returns False too when an earlier attempt of its own arrived and its answer was lost:
    who must know compares what is there.
    """

    def __init__(self, url: str, limits: CloudLimits) -> None:
        self._url = url
        self._store = self._done(lambda: _opened(url, limits))

    @property
    def url(self) -> str:
        """Where it is, without credentials."""
        return self._url

    def put_new(self, key: str, body: bytes) -> bool:
        """Store an object durably unless the key is taken; False where it is."""
        return self._done(lambda: _put(self._store, checked_key(key), body))

    def get(self, key: str) -> bytes | None:
        """Return an object, or None."""
        return self._done(lambda: _get(self._store, checked_key(key)))

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with the prefix, in order: all three list them so."""
        return self._keys(checked_prefix(prefix))

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects, whether or not they are there."""
        checked = [checked_key(key) for key in keys]
        if checked:
            self._done(lambda: _delete(self._store, checked))

    def close(self) -> None:
        """Let the connections end with this object."""

    def _keys(self, prefix: str) -> Iterator[str]:
        folder = prefix.rpartition("/")[0]  # obstore lists whole folders
        chunks = self._done(lambda: obstore.list(self._store, folder or None))
        while chunk := self._done(lambda: next(chunks, None)):
            yield from (each["path"] for each in chunk if each["path"].startswith(prefix))

    def _done(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except (BaseError, OSError, ValueError) as error:
            problem = problem_of(error)
        # Not chained: obstore's text may show signed addresses.
        raise ObjectStoreError(url=self._url, problem=problem)


def _opened(url: str, limits: CloudLimits) -> ObjectStore:
    client: ClientConfig = {
        "timeout": timedelta(seconds=limits.timeout_s),
        "allow_http": True,
    }
    retries: RetryConfig = {
        "backoff": {"init_backoff": _FIRST_PAUSE, "max_backoff": _LONGEST_PAUSE},
        "max_retries": limits.retries_max,
        "retry_timeout": timedelta(seconds=limits.retrying_s_max),
    }
    return from_url(url, client_options=client, retry_config=retries)


def _put(store: ObjectStore, key: str, body: bytes) -> bool:
    try:
        obstore.put(store, key, body, mode="create", use_multipart=False)
    except (AlreadyExistsError, PreconditionError):
        return False
    return True


def _get(store: ObjectStore, key: str) -> bytes | None:
    try:
        return bytes(obstore.get(store, key).bytes())
    except FileNotFoundError:
        return None


def _delete(store: ObjectStore, keys: list[str]) -> None:
    try:
        obstore.delete(store, keys)
    except FileNotFoundError:  # some stores say so: then each goes by itself
        for key in keys:
            _delete_one(store, key)


def _delete_one(store: ObjectStore, key: str) -> None:
    try:
        obstore.delete(store, key)
    except FileNotFoundError:
        return


def problem_of(error: Exception) -> str:
    """Return what went wrong in our words."""
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return "it refuses our credentials: look after the environment's"
    if isinstance(error, FileNotFoundError):
        return "the bucket does not exist"
    status = _STATUS.search(str(error))
    if status:
        return f"it answers with status {status[1]}"
    if "timed out" in str(error):
        return "it does not answer in time"
    return "it cannot be reached, or its settings in the environment are wrong"
