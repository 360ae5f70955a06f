"""The first and the last thing that happens to a request."""

import uuid
from dataclasses import dataclass
from typing import Self

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tierfold.errors import OverloadError, TooLargeError
from tierfold.ports import Clock

_STARTED_KEY = "tierfold.started_ms"
_REQUEST_ID_KEY = "tierfold.request_id"
_REQUEST_ID_HEADER = b"x-request-id"
_REQUEST_ID_CHARACTERS_MAX = 128


class Arrival:
    """ASGI middleware that starts the clock before the body is read and names the request."""

    def __init__(self, app: ASGIApp, *, clock: Clock, echoes_request_id: bool) -> None:
        self._app = app
        self._clock = clock
        self._echoes_request_id = echoes_request_id  # Serve's own middleware does it too

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stamp the scope and pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope[_STARTED_KEY] = self._clock.now_ms()
        scope[_REQUEST_ID_KEY] = request_id = _request_id(scope)

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), (_REQUEST_ID_HEADER, request_id.encode())]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, send_named if self._echoes_request_id else send)


def started_ms(request: Request) -> float:
    """Return when the request's headers were there, on the gateway's clock."""
    moment: float = request.scope[_STARTED_KEY]
    return moment


def request_id(request: Request) -> str:
    """Return the caller's request id, or the one made for it."""
    return str(request.scope[_REQUEST_ID_KEY])


def _request_id(scope: Scope) -> str:
    given = next((value for name, value in scope["headers"] if name == _REQUEST_ID_HEADER), b"")
    text = given.decode("latin-1")[:_REQUEST_ID_CHARACTERS_MAX]
    return text if text.isascii() and text.isprintable() and text else str(uuid.uuid4())


@dataclass(slots=True, kw_only=True)
class BodyLedger:
    """Counts the bytes of all bodies of one kind that are held at once."""

    bytes_max: int
    body_bytes_max: int  # of one body
    held_bytes: int = 0

    @property
    def is_full(self) -> bool:
        """Whether a body of the largest size would be refused now."""
        return self.held_bytes + self.body_bytes_max > self.bytes_max

    def take(self, count: int) -> None:
        """Account for more bytes; raises OverloadError when they do not fit."""
        if self.held_bytes + count > self.bytes_max:
            raise OverloadError(retry_after_s=1)
        self.held_bytes += count

    def give_back(self, count: int) -> None:
        """Account for bytes that are no longer held."""
        self.held_bytes -= count


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyLedgers:
    """A ledger for each kind of body, so that large ones never take the room of small ones."""

    small: BodyLedger
    large: BodyLedger

    @property
    def is_full(self) -> bool:
        """Whether a body of some allowed size would be refused now."""
        return self.small.is_full or self.large.is_full

    def of(self, size: int) -> BodyLedger:
        """Return the ledger where a body of this size stands."""
        return self.small if size <= self.small.body_bytes_max else self.large


class Body:
    """A request's body while it is held; a context, so that its bytes are always given back."""

    def __init__(self, ledgers: BodyLedgers, *, bytes_max: int) -> None:
        self._ledgers = ledgers
        self._ledger = ledgers.small
        self._bytes_max = bytes_max
        self._announced_bytes = 0
        self._held_bytes = 0

    def __enter__(self) -> Self:
        """Hold nothing yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the bytes back."""
        self._ledger.give_back(self._held_bytes)
        self._held_bytes = 0

    async def read(self, request: Request) -> bytes:
        """Return the whole body; raises TooLargeError as soon as it must become too large."""
        announced = request.headers.get("content-length", "")
        if announced.isdecimal():
            self._announced_bytes = int(announced)
            self._require_within(self._announced_bytes)
        chunks = []
        async for chunk in request.stream():
            self._require_within(self._held_bytes + len(chunk))
            self.hold(self._held_bytes + len(chunk))
            chunks.append(chunk)
        return b"".join(chunks)

    def hold(self, size: int) -> None:
        """Account for this size; raises OverloadError when it does not fit.

        A body that outgrows the small ledger moves with all its bytes. One that is announced as
        large starts in the large ledger: slow uploads would fill the other with their beginnings.
        """
        ledger = self._ledgers.of(max(size, self._announced_bytes))
        if ledger is self._ledger:
            ledger.take(size - self._held_bytes)
        else:
            ledger.take(size)
            self._ledger.give_back(self._held_bytes)
            self._ledger = ledger
        self._held_bytes = size

    def _require_within(self, size: int) -> None:
        if size > self._bytes_max:
            what = "body in bytes"
            raise TooLargeError(what, size=size, limit=self._bytes_max)
