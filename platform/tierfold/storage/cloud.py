"""Objects in a bucket of S3, Google Cloud Storage or Azure, through obstore."""

import os
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import ObjectStore, from_url

from tierfold.errors import ObjectStoreError, SetupError
from tierfold.storage.calls import Calls, CallsClosedError
from tierfold.storage.object_key import checked_key, checked_prefix

if TYPE_CHECKING:
    from obstore import GetResult
    from obstore.store import ClientConfig, RetryConfig  # none of them is there at run time

T = TypeVar("T")

_STATUS = re.compile(r"status[: ]+(\d{3})")
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(milliseconds=100), timedelta(seconds=1)
_CONNECT = timedelta(seconds=2)
_BACKSTOP = timedelta(minutes=10)  # every call has a deadline of its own, long before that
_BYTES_PER_S_MIN = 1_000_000
_KEYS_PER_S_MIN = 100  # of a deletion: some stores take them one by one

_REFUSED = "it refuses our credentials: look after the environment's"
_PROBLEMS: Mapping[type[Exception], str] = {
    PermissionDeniedError: _REFUSED,
    UnauthenticatedError: _REFUSED,
    FileNotFoundError: "the bucket does not exist",
    CallsClosedError: "it was closed while it was asked",
    TimeoutError: "it does not answer in time",
}

_ENDPOINTS = {
    "s3": ("AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"),
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudLimits:
    """How long an object store may take."""

    timeout_s: float = 5.0  # of a call with all its attempts, besides a second per megabyte
    retries_max: int = 2


class CloudObjects:
    """An object store behind HTTP; credentials and endpoint come from the usual variables.

    `put_new` returns False too when an earlier attempt of its own arrived and its answer was lost:
    who must know compares what is there.
    """

    def __init__(self, url: str, limits: CloudLimits) -> None:
        """Take an address; raises SetupError where the environment cannot be used with it."""
        require_endpoint(url, os.environ)
        self._url = url
        self._limits = limits
        self._calls = Calls()
        self._store = self._done(lambda: _opened(url, limits))

    @property
    def url(self) -> str:
        """Where it is, without credentials."""
        return self._url

    def put_new(self, key: str, body: bytes) -> bool:
        """Store an object durably unless the key is taken; False where it is."""
        checked = checked_key(key)
        return self._awaited(lambda: _put(self._store, checked, body), len(body) / _BYTES_PER_S_MIN)

    def get(self, key: str) -> bytes | None:
        """Return an object, or None."""
        checked = checked_key(key)
        found = self._awaited(lambda: _get(self._store, checked))
        if found is None:
            return None
        return bytes(self._awaited(found.bytes_async, found.meta["size"] / _BYTES_PER_S_MIN))

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with the prefix, in order: all three list them so."""
        return self._keys(checked_prefix(prefix))

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects, whether or not they are there."""
        checked = [checked_key(key) for key in keys]
        if checked:
            self._awaited(lambda: _delete(self._store, checked), len(checked) / _KEYS_PER_S_MIN)

    def close(self) -> None:
        """Cut off what is under way; whoever waits for that gets ObjectStoreError."""
        self._calls.close()

    def _keys(self, prefix: str) -> Iterator[str]:
        folder = prefix.rpartition("/")[0]  # obstore lists whole folders
        chunks = self._done(lambda: obstore.list(self._store, folder or None))
        while chunk := self._awaited(lambda: anext(chunks, None)):
            yield from (each["path"] for each in chunk if each["path"].startswith(prefix))

    def _awaited(self, call: Callable[[], Awaitable[T]], more_s: float = 0.0) -> T:
        """Return what a call returns that may take the usual time and a little more."""
        return self._done(lambda: self._calls.run(call, self._limits.timeout_s + more_s))

    def _done(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except BaseException as error:
            if not isinstance(error, Exception) and not is_panic(error):
                raise
            problem, is_silent = problem_of(error), isinstance(error, TimeoutError)
        # Not chained: obstore's text may show signed addresses.
        raise ObjectStoreError(url=self._url, problem=problem, is_silent=is_silent)


def require_endpoint(url: str, environment: Mapping[str, str]) -> None:
    """Raise SetupError where a variable names an endpoint that is none: obstore would panic."""
    for name in _ENDPOINTS.get(urlsplit(url).scheme, ()):
        endpoint = environment.get(name)
        if endpoint is None:
            continue
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            said = "is empty" if not endpoint else "is no address"
            problem = (
                f"object store {url}: the environment variable {name} {said}: "
                "unset it, or set it to http://HOST or https://HOST"
            )
            raise SetupError(problem)


def _opened(url: str, limits: CloudLimits) -> ObjectStore:
    client: ClientConfig = {
        "connect_timeout": _CONNECT,
        "timeout": _BACKSTOP,
        "allow_http": True,
    }
    retries: RetryConfig = {
        "backoff": {"init_backoff": _FIRST_PAUSE, "max_backoff": _LONGEST_PAUSE},
        "max_retries": limits.retries_max,
        "retry_timeout": timedelta(seconds=limits.timeout_s),
    }
    return from_url(url, client_options=client, retry_config=retries)


async def _put(store: ObjectStore, key: str, body: bytes) -> bool:
    try:
        await obstore.put_async(store, key, body, mode="create", use_multipart=False)
    except (AlreadyExistsError, PreconditionError):
        return False
    return True


async def _get(store: ObjectStore, key: str) -> "GetResult | None":
    try:
        return await obstore.get_async(store, key)
    except FileNotFoundError:
        return None


async def _delete(store: ObjectStore, keys: list[str]) -> None:
    try:
        await obstore.delete_async(store, keys)
    except FileNotFoundError:  # some stores say so: then each goes by itself
        for key in keys:
            await _delete_one(store, key)


async def _delete_one(store: ObjectStore, key: str) -> None:
    try:
        await obstore.delete_async(store, key)
    except FileNotFoundError:
        return


def is_panic(error: BaseException) -> bool:
    """Return whether a library written in Rust gave up: its error is no Exception."""
    return type(error).__module__.startswith("pyo3")


def problem_of(error: BaseException) -> str:
    """Return what went wrong in our words."""
    for kind, problem in _PROBLEMS.items():
        if isinstance(error, kind):
            return problem
    if is_panic(error):
        return "its client gave up: look after its settings in the environment"
    status = _STATUS.search(str(error))
    if status:
        return f"it answers with status {status[1]}"
    if "timed out" in str(error):
        return _PROBLEMS[TimeoutError]
    return "it cannot be reached, or its settings in the environment are wrong"
