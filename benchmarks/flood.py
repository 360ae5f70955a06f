"""A bounded flood of one request over many connections, from a process of its own.

`python -m benchmarks.flood PORT PATH BODY_FILE CONNECTIONS SECONDS` prints one JSON object.
"""

import asyncio
import sys
import time
from pathlib import Path

import orjson

HTTP_OK = 200


def main() -> None:
    """Send until the time is up, then say how it went."""
    port, path, body_file, connections, seconds = sys.argv[1:]
    body = Path(body_file).read_bytes()
    counts = asyncio.run(flood(int(port), path, body, int(connections), float(seconds)))
    sys.stdout.write(orjson.dumps(counts).decode() + "\n")


async def flood(
    port: int, path: str, body: bytes, connections: int, seconds: float
) -> dict[str, float]:
    """Return requests a second and how many answers were not 200."""
    until = time.monotonic() + seconds
    request = raw_request(path, body)
    results = await asyncio.gather(*(_connection(port, request, until) for _ in range(connections)))
    done, errors = sum(r[0] for r in results), sum(r[1] for r in results)
    return {"requests_per_s": done / seconds, "requests": done, "errors": errors}


def raw_request(path: str, body: bytes) -> bytes:
    """Return an HTTP/1.1 POST on a connection that stays open."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _connection(port: int, request: bytes, until: float) -> tuple[int, int]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    done = errors = 0
    try:
        while time.monotonic() < until:
            writer.write(request)
            await writer.drain()
            status, _, _ = await read_response(reader)
            done += 1
            errors += status != HTTP_OK
    except (OSError, asyncio.IncompleteReadError):
        errors += 1
    finally:
        writer.close()
    return done, errors


async def read_response(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of one response with a content length."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return int(head[0].split(" ", 2)[1]), headers, body


if __name__ == "__main__":
    main()
