import asyncio

from benchmarks.flood import flood

ANSWERS = (b"200 OK", b"503 Service Unavailable", b"500 Internal Server Error", b"hang up")


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for answer in ANSWERS:
        await reader.readuntil(b"\r\n\r\n{}")
        if answer == b"hang up":
            break
        writer.write(b"HTTP/1.1 " + answer + b"\r\nContent-Length: 0\r\n\r\n")
    writer.close()


async def test_only_answers_with_200_are_throughput() -> None:
    """A refusal is quick: counted as work it would make an overloaded server look fast."""
    server = await asyncio.start_server(_serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        counts = await flood(port, "/", b"{}", 1, 0.03)

    assert counts["answered"] >= 1
    assert counts["refused"] >= 1
    assert counts["errors"] >= 2
    assert counts["requests_per_s"] <= counts["answered"] / 0.03


async def test_every_connection_can_ask_for_its_own() -> None:
    """A flood of one context would be answered from one place and say nothing of sixteen."""
    asked: set[bytes] = set()

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.add((await reader.readuntil(b"\r\n\r\n{}")).split(b" ")[1])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(note, "127.0.0.1", 0)
    async with server:
        await flood(server.sockets[0].getsockname()[1], "/context-{}", b"{}", 3, 0.03)

    assert asked == {b"/context-0", b"/context-1", b"/context-2"}
