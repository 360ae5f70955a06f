"""Keeps connections busy with one body: PORT CONNECTIONS SECONDS KEY, the body on stdin.

Prints how often each status came back, as JSON. Raw sockets: a client library would spend more CPU
than the server that is being tested.
"""

import asyncio
import json
import sys
import time
from collections import Counter

LENGTH = b"content-length:"


async def one(port: int, request: bytes, until_s: float, statuses: Counter[str]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.monotonic() < until_s:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        statuses[head[9:12].decode()] += 1
        line = next(each for each in head.lower().split(b"\r\n") if each.startswith(LENGTH))
        await reader.readexactly(int(line[len(LENGTH) :]))
    writer.close()
    await writer.wait_closed()


async def main(port: int, connections: int, seconds: float, key: str) -> None:
    body = sys.stdin.buffer.read()
    request = (
        b"POST /v1/process HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\n"
        b"content-length: %d\r\n\r\n%b" % (key.encode(), len(body), body)
    )
    statuses: Counter[str] = Counter()
    until_s = time.monotonic() + seconds
    await asyncio.gather(*(one(port, request, until_s, statuses) for _ in range(connections)))
    sys.stdout.write(json.dumps(statuses))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]))
