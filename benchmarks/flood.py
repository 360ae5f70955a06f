"""A bounded flood of one request over many connections, from a process of its own.

`python -m benchmarks.flood PORT PATH BODY_FILE CONNECTIONS SECONDS` prints one JSON object. A `{}`
in the path stands for the number of the connection, so that each asks for something of its own.
"""

import asyncio
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import orjson

HTTP_OK = 200
HTTP_UNAVAILABLE = 503
_PAUSE_AFTER_ERROR_S = 0.05  # or a dead port would be asked as fast as a loop turns
_START_WAIT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """What is sent, and over how many connections."""

    port: int
    path: str
    body_file: Path
    connections: int

    def command(self, seconds: float) -> list[str]:
        """Return the command that sends it for so long."""
        what = (self.port, self.path, self.body_file, self.connections, seconds)
        return [sys.executable, "-m", "benchmarks.flood", *map(str, what)]


def run_flood(flood: Flood, seconds: float) -> dict[str, float]:
    """Send from a process of its own and return what became of it."""
    done = subprocess.run(
        flood.command(seconds), check=True, capture_output=True, timeout=_START_WAIT_S + seconds
    )
    counts: dict[str, float] = orjson.loads(done.stdout)
    return counts


def main() -> None:
    """Send until the time is up, then say how it went."""
    port, path, body_file, connections, seconds = sys.argv[1:]
    body = Path(body_file).read_bytes()
    counts = asyncio.run(flood(int(port), path, body, int(connections), float(seconds)))
    sys.stdout.write(orjson.dumps(counts).decode() + "\n")


async def flood(
    port: int, path: str, body: bytes, connections: int, seconds: float
) -> dict[str, float]:
    """Return how many requests were answered with 200, refused with 503, or went wrong."""
    until = time.monotonic() + seconds
    requests = [raw_request(path.replace("{}", str(number)), body) for number in range(connections)]
    began = time.monotonic()
    results = await asyncio.gather(*(_connection(port, request, until) for request in requests))
    took = time.monotonic() - began
    counts = sum(results, Counter[str]())
    return {
        "requests_per_s": counts["answered"] / took,  # refusals are quick and no work done
        "answered": counts["answered"],
        "refused": counts["refused"],
        "errors": counts["errors"],
    }


def outcome(status: int) -> str:
    """Return what a status counts as; a refusal under load is no error, but no answer either."""
    return {HTTP_OK: "answered", HTTP_UNAVAILABLE: "refused"}.get(status, "errors")


def raw_request(path: str, body: bytes) -> bytes:
    """Return an HTTP/1.1 POST on a connection that stays open."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _connection(port: int, request: bytes, until: float) -> Counter[str]:
    """Send one request after another; a connection that broke is an error and opened anew."""
    counts = Counter[str]()
    while time.monotonic() < until:
        try:
            await _requests(port, request, until, counts)
        except (OSError, asyncio.IncompleteReadError):
            counts["errors"] += 1
            await asyncio.sleep(_PAUSE_AFTER_ERROR_S)
    return counts


async def _requests(port: int, request: bytes, until: float, counts: Counter[str]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        while time.monotonic() < until:
            writer.write(request)
            await writer.drain()
            status, headers, _ = await read_response(reader)
            counts[outcome(status)] += 1
            if headers.get("connection") == "close":
                return
    finally:
        writer.close()


async def read_response(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of one response with a content length."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return int(head[0].split(" ", 2)[1]), headers, body


if __name__ == "__main__":
    main()
