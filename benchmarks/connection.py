"""One connection to a server on this machine, and what came back over it."""

import asyncio
import math
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.flood import read_response

_HANDLER = re.compile(r"handler;dur=([\d.]+)")
_PORTS = range(18_123, 18_223)  # below what systems hand out themselves


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One request as the client saw it."""

    status: int
    ms: float
    handler_ms: float
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def free_port() -> int:
    """Return a port nobody listens on: another run may be under way."""
    for port in _PORTS:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    msg = f"all ports from {_PORTS.start} to {_PORTS.stop - 1} are taken"
    raise OSError(msg)


class Client:
    """One connection that stays open; where it breaks that counts and a new one is opened."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, request: bytes) -> Sample:
        """Return how one request went; a broken connection has status 0."""
        began = time.perf_counter()
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
                began = time.perf_counter()
            reader, writer = self._streams
            writer.write(request)
            await writer.drain()
            status, headers, body = await read_response(reader)
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            return Sample(status=0, ms=math.inf, handler_ms=0.0)
        ms = (time.perf_counter() - began) * 1000
        found = _HANDLER.search(headers.get("server-timing", ""))
        return Sample(
            status=status,
            ms=ms,
            handler_ms=float(found[1]) if found else 0.0,
            body=body,
            headers=headers,
        )

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None
