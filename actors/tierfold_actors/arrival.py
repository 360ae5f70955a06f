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
    """Counts the bytes of all bodies that are held at once."""

    bytes_max: int
    held_bytes: int = 0

    def take(self, count: int) -> None:
        """Account for more bytes; raises OverloadError when they do not fit."""
        if self.held_bytes + count > self.bytes_max:
            raise OverloadError(retry_after_s=1)
        self.held_bytes += count

    def give_back(self, count: int) -> None:
        """Account for bytes that are no longer held."""
        self.held_bytes -= count


class Body:
    """A request's body while it is held; a context, so that its bytes are always given back."""

    def __init__(self, ledger: BodyLedger, *, bytes_max: int) -> None:
        self._ledger = ledger
        self._bytes_max = bytes_max
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
            self._require_within(int(announced))
        chunks = []
        async for chunk in request.stream():
            self._require_within(self._held_bytes + len(chunk))
            self._ledger.take(len(chunk))
            self._held_bytes += len(chunk)
            chunks.append(chunk)
        return b"".join(chunks)

    def _require_within(self, size: int) -> None:
        if size > self._bytes_max:
            what = "body in bytes"
            raise TooLargeError(what, size=size, limit=self._bytes_max)
