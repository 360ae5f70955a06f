"""From what came back to a document or an error, and what a client remembers of it."""

import uuid
from collections import OrderedDict
from threading import Lock
from typing import Any

import orjson

from tierfold.client.calls import Call
from tierfold.client.documents import ContextObject, MalformedReplyError
from tierfold.client.exchange import Lost, Reply
from tierfold.client.problems import error_of
from tierfold.errors import ServerUnreachableError, TooLargeError

_SUCCESS_BELOW = 300
_VERSIONS_MAX = 10_000  # contexts whose newest version is remembered


class SeenVersions:
    """The newest version seen of each context: no answer may come from an older one."""

    def __init__(self, limit: int = _VERSIONS_MAX) -> None:
        self._limit = limit
        self._versions: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._lock = Lock()

    def seen(self, context: ContextObject) -> ContextObject:
        """Note a context's version and return the context.

        Replies come in any order, and versions of one that was deleted and made again begin anew:
        of two contexts under one id the younger counts, of two versions the higher.
        """
        state = (context.created_at, context.version)
        with self._lock:
            self._versions[context.id] = max(state, self._versions.get(context.id, state))
            self._versions.move_to_end(context.id)
            while len(self._versions) > self._limit:
                self._versions.popitem(last=False)
        return context

    def of(self, context: str) -> int:
        """Return the newest version seen; 0 for none."""
        with self._lock:
            return self._versions.get(context, (0.0, 0))[1]

    def forget(self, context: str) -> None:
        """Forget a deleted context: its id may begin anew."""
        with self._lock:
            self._versions.pop(context, None)


def new_key() -> str:
    """Return an idempotency key that nobody has used."""
    return uuid.uuid4().hex


def require_sendable(call: Call, size_bytes_max: int) -> None:
    """Raise TooLargeError for a body that no server takes, before it is sent."""
    if call.body is not None and len(call.body) > size_bytes_max:
        what = "bytes of the request"
        raise TooLargeError(what, size=len(call.body), limit=size_bytes_max)


def document_of(came: Reply | Lost, call: Call, url: str) -> dict[str, Any]:
    """Return the document of the reply; raises the error it stands for."""
    if isinstance(came, Lost):
        raise ServerUnreachableError(url, problem=came.problem, is_late=came.is_late)
    if came.status >= _SUCCESS_BELOW:
        raise error_of(came.status, came.headers, came.body, call.about)
    try:
        value = orjson.loads(came.body)
    except orjson.JSONDecodeError as error:
        raise MalformedReplyError(problem="it is not JSON") from error
    if not isinstance(value, dict):
        raise MalformedReplyError(problem="it is no object")
    return value
