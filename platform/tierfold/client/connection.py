"""Bytes to a server and back, over httpx."""

import asyncio
import random
import socket
import ssl
import time
from typing import Any

import httpx

from tierfold.client.address import headers_of, is_loopback
from tierfold.client.backups import Lines, ToldProgress
from tierfold.client.calls import Call
from tierfold.client.exchange import Lost, Reply, Retries, exchange
from tierfold.errors import TooLargeError

_CONNECT_S = 5.0
_REPLY_BYTES_MAX = 256 * 1024 * 1024  # a page of items; fewer at a time are smaller


class Connection:
    """Sends calls, again where that helps; safe to use from many threads."""

    def __init__(
        self,
        url: str,
        *,
        key: str | None,
        timeout_s: float,
        transport: httpx.BaseTransport | None,
    ) -> None:
        self._http = httpx.Client(
            base_url=url,
            headers=headers_of(key),
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_S)),
            trust_env=not is_loopback(url),  # a proxy does not know this machine's servers
            transport=transport,
        )

    def exchange(self, call: Call, retries: Retries, dice: random.Random) -> Reply | Lost:
        """Return what came of the last try."""
        steps = exchange(call, retries, dice)
        wait_s = next(steps)
        try:
            while True:
                if wait_s:
                    time.sleep(wait_s)
                wait_s = steps.send(self._sent(call))
        except StopIteration as end:
            came: Reply | Lost = end.value
            return came

    def followed(self, call: Call, told: ToldProgress | None) -> Reply | Lost:
        """Send a call whose reply comes line by line, once, and return what the last line is."""
        lines, body = Lines(told), _Body()
        try:
            with self._http.stream(call.method, call.path, **_options(call)) as reply:
                if not reply.is_success:
                    for chunk in reply.iter_bytes():
                        body.add(chunk)
                    return body.reply(reply)
                for line in reply.iter_lines():
                    lines.add(line)
        except httpx.RequestError as error:
            return _lost(error)
        return _last_of(lines)

    def close(self) -> None:
        """Close it."""
        self._http.close()

    def _sent(self, call: Call) -> Reply | Lost:
        try:
            with self._http.stream(call.method, call.path, **_options(call)) as reply:
                body = _Body()
                for chunk in reply.iter_bytes():
                    body.add(chunk)
        except httpx.RequestError as error:
            return _lost(error)
        return body.reply(reply)


class AsyncConnection:
    """The same for one event loop."""

    def __init__(
        self,
        url: str,
        *,
        key: str | None,
        timeout_s: float,
        transport: httpx.AsyncBaseTransport | None,
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=url,
            headers=headers_of(key),
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_S)),
            trust_env=not is_loopback(url),
            transport=transport,
        )

    async def exchange(self, call: Call, retries: Retries, dice: random.Random) -> Reply | Lost:
        """Return what came of the last try."""
        steps = exchange(call, retries, dice)
        wait_s = next(steps)
        while True:
            if wait_s:
                await asyncio.sleep(wait_s)
            came = await self._sent(call)
            try:
                wait_s = steps.send(came)
            except StopIteration as end:
                last: Reply | Lost = end.value
                return last

    async def followed(self, call: Call, told: ToldProgress | None) -> Reply | Lost:
        """Send a call whose reply comes line by line, once, and return what the last line is."""
        lines, body = Lines(told), _Body()
        try:
            async with self._http.stream(call.method, call.path, **_options(call)) as reply:
                if not reply.is_success:
                    async for chunk in reply.aiter_bytes():
                        body.add(chunk)
                    return body.reply(reply)
                async for line in reply.aiter_lines():
                    lines.add(line)
        except httpx.RequestError as error:
            return _lost(error)
        return _last_of(lines)

    async def close(self) -> None:
        """Close it."""
        await self._http.aclose()

    async def _sent(self, call: Call) -> Reply | Lost:
        try:
            async with self._http.stream(call.method, call.path, **_options(call)) as reply:
                body = _Body()
                async for chunk in reply.aiter_bytes():
                    body.add(chunk)
        except httpx.RequestError as error:
            return _lost(error)
        return body.reply(reply)


class _Body:
    """A body as it comes; raises TooLargeError for one that would fill the memory."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def add(self, chunk: bytes) -> None:
        self._bytes += chunk
        if len(self._bytes) > _REPLY_BYTES_MAX:
            what = "bytes of the reply (ask for fewer items at a time)"
            raise TooLargeError(what, size=len(self._bytes), limit=_REPLY_BYTES_MAX)

    def reply(self, reply: httpx.Response) -> Reply:
        headers = {name.lower(): value for name, value in reply.headers.items()}
        return Reply(status=reply.status_code, headers=headers, body=bytes(self._bytes))


def _last_of(lines: Lines) -> Reply | Lost:
    if not lines.last:
        return Lost(problem="the reply broke off", was_sent=True, is_late=True)
    return Reply(status=lines.status, body=lines.last)


def _options(call: Call) -> dict[str, Any]:
    return {
        "params": dict(call.query) or None,
        "headers": dict(call.headers),
        "content": call.body,
    }


def _lost(error: httpx.RequestError) -> Lost:
    """Say what happened, never what was in it."""
    if isinstance(error, httpx.ConnectError):
        return Lost(problem=_unconnected(error), was_sent=False)
    if isinstance(error, httpx.TimeoutException):
        was_sent = not isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout)
        return Lost(problem="no reply in time", was_sent=was_sent, is_late=was_sent)
    return Lost(problem=f"the connection broke ({type(error).__name__})", was_sent=True)


def _unconnected(error: BaseException) -> str:
    """Say why there is no connection: the reason lies some causes deep."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return "no machine is known by that name"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "its certificate is not trusted here"
        if isinstance(cause, ssl.SSLError):
            return "it does not speak TLS"
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused"
        cause = cause.__cause__ or cause.__context__
    return "no connection"
