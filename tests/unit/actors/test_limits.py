import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from tests.unit.actors.fakes import SMALL_LIMITS, Bench, FakeEngine, until
from tierfold.config import Limits
from tierfold.errors import OverloadError
from tierfold_actors.arrival import Body, BodyLedger, BodyLedgers
from tierfold_actors.work import WorkLimits, body_ledgers

LIMIT = SMALL_LIMITS.body_bytes_max


async def test_a_body_announced_as_too_large_is_not_read() -> None:
    """The caller learns it before sending 64 MiB."""

    async def never() -> AsyncIterator[bytes]:
        raise AssertionError
        yield b""

    async with Bench().client() as client:
        response = await client.post(
            "/v1/process", content=never(), headers={"content-length": str(LIMIT + 1)}
        )

    assert response.status_code == 413
    assert response.json()["title"] == "too large"


async def test_a_streamed_body_is_cut_at_the_limit() -> None:
    """Chunks say nothing in advance."""
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 1
            yield b" " * 1000

    async with Bench().client() as client:
        process = await client.post("/v1/process", content=chunks())
        compress = await client.post("/v1/compress", content=chunks())

    assert process.status_code == 413
    assert process.headers["content-type"] == "application/problem+json"
    assert compress.status_code == 413
    assert compress.json()["error"]["code"] == "too_large"
    assert sent == 5 * 2


async def test_a_body_at_the_limit_is_read() -> None:
    """The limit itself is allowed."""
    body = b'{"sources": [{"text": "x"}]}'

    async with Bench().client() as client:
        response = await client.post("/v1/process", content=body + b" " * (LIMIT - len(body)))

    assert response.status_code == 200


def test_all_bodies_together_are_bounded() -> None:
    """A thousand uploads at once must not fill the memory."""
    ledger = BodyLedger(bytes_max=10, body_bytes_max=5)
    ledger.take(10)

    with pytest.raises(OverloadError):
        ledger.take(1)

    ledger.give_back(10)
    ledger.take(1)


LARGE = b'{"sources": [{"text": "x"}]}'.ljust(LIMIT)
SMALL = b'{"sources": [{"text": "x"}]}'


async def test_small_bodies_find_room_while_large_ones_fill_theirs() -> None:
    """Four uploads of 64 MiB must not be the end of service for everybody."""
    engine = FakeEngine()
    bench = Bench(engine=engine, limits=WorkLimits(inline_body_bytes_max=2048, large_waiting_max=3))
    engine.gate.clear()
    async with bench.client() as client:
        large = [asyncio.create_task(client.post("/v1/process", content=LARGE)) for _ in range(4)]
        await until(lambda: bench.work.large_waiting == 3)
        refused = await client.post("/v1/process", content=LARGE)
        small = [await client.post("/v1/process", content=SMALL.ljust(2048)) for _ in range(9)]
        busy = await client.get("/readyz")
        engine.gate.set()
        done = await asyncio.gather(*large)
        ready = await client.get("/readyz")

    assert refused.status_code == 503
    assert {each.status_code for each in small} == {200}
    assert {each.status_code for each in done} == {200}
    assert [busy.status_code, ready.status_code] == [503, 200]


async def test_the_large_lane_fills_before_its_ledger() -> None:
    """Every place of the queue can be taken by a body of the largest size."""
    engine = FakeEngine()
    bench = Bench(engine=engine)
    engine.gate.clear()
    places = 1 + bench.limits.large_waiting_max
    async with bench.client() as client:
        calls = [client.post("/v1/process", content=LARGE) for _ in range(places)]
        tasks = [asyncio.create_task(each) for each in calls]
        await until(lambda: bench.work.large_waiting == places - 1)
        engine.gate.set()
        done = await asyncio.gather(*tasks)

    assert [each.status_code for each in done] == [200] * places


@pytest.mark.parametrize("kind", ["small", "large"])
async def test_readyz_asks_both_ledgers(kind: str) -> None:
    """It is green only while a body of any allowed size would be taken."""
    bench = Bench()
    ledger = {"small": bench.ledgers.small, "large": bench.ledgers.large}[kind]
    async with bench.client() as client:
        ledger.take(ledger.bytes_max - ledger.body_bytes_max)
        ready = await client.get("/readyz")
        ledger.take(1)
        busy = await client.get("/readyz")

    assert [ready.status_code, busy.status_code] == [200, 503]


def test_ledgers_hold_as_many_of_their_largest_bodies_as_their_lane_has_places() -> None:
    """The defaults: 257 MiB and 576 MiB; the queues refuse first, and say when to come back."""
    ledgers = body_ledgers(WorkLimits(), Limits())

    assert ledgers.small.bytes_max == (1 + 256) * 2**20
    assert ledgers.large.bytes_max == (1 + 8) * 64 * 2**20


async def read_in(chunks: list[bytes], ledgers: BodyLedgers, *headers: tuple[bytes, bytes]) -> Body:
    """Return the body, still held, after the caller has sent so many chunks."""
    messages = [{"type": "http.request", "body": each, "more_body": True} for each in chunks]

    async def receive() -> Message:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    body = Body(ledgers, bytes_max=LIMIT)
    with contextlib.suppress(ClientDisconnect):
        await body.read(Request({"type": "http", "headers": list(headers)}, receive))
    return body


async def test_a_body_moves_to_the_large_ledger_once_it_is_large() -> None:
    """A caller need not announce the length; what it leaves behind is free for small ones."""
    ledgers = body_ledgers(WorkLimits(inline_body_bytes_max=2048), SMALL_LIMITS)

    at_limit = await read_in([b" " * 1024] * 2, ledgers)
    before = (ledgers.small.held_bytes, ledgers.large.held_bytes)
    above = await read_in([b" " * 1024] * 3, ledgers)
    after = (ledgers.small.held_bytes, ledgers.large.held_bytes)
    for each in (at_limit, above):
        each.__exit__(None, None, None)

    assert before == (2048, 0)
    assert after == (2048, 3072)
    assert (ledgers.small.held_bytes, ledgers.large.held_bytes) == (0, 0)


async def test_an_announced_large_body_never_stands_in_the_small_ledger() -> None:
    """Many slow uploads would fill it with their first megabytes."""
    ledgers = body_ledgers(WorkLimits(inline_body_bytes_max=2048), SMALL_LIMITS)

    await read_in([b" " * 10], ledgers, (b"content-length", b"2049"))

    assert (ledgers.small.held_bytes, ledgers.large.held_bytes) == (0, 10)


async def test_a_body_that_finds_no_room_to_move_gives_its_bytes_back() -> None:
    """It is refused, and held nowhere."""
    ledgers = body_ledgers(WorkLimits(inline_body_bytes_max=2048), SMALL_LIMITS)
    ledgers.large.take(ledgers.large.bytes_max)

    with Body(ledgers, bytes_max=LIMIT) as body:
        body.hold(2048)
        with pytest.raises(OverloadError):
            body.hold(2049)

    assert ledgers.small.held_bytes == 0
    assert ledgers.large.held_bytes == ledgers.large.bytes_max


async def test_bodies_are_given_back_after_every_kind_of_end() -> None:
    """A leak would refuse everybody after a while."""
    body = LARGE
    bench = Bench(limits=WorkLimits(inline_body_bytes_max=2048, large_waiting_max=3))

    async with bench.client() as client:
        for _ in range(7):
            await client.post("/v1/process", content=body)
            await client.post("/v1/process", content=b"?".ljust(LIMIT))
            await client.post("/v1/process", content=b" " * (LIMIT + 1))
        good = await client.post("/v1/process", content=body)
        events = await client.post(
            "/v1/process", content=body, headers={"accept": "text/event-stream"}
        )
        bad = await client.post("/v1/process", content=b"?".ljust(LIMIT))
        large = await client.post("/v1/process", content=b" " * (LIMIT + 1))

    assert [each.status_code for each in (good, events, bad, large)] == [200, 200, 422, 413]
    assert (bench.ledgers.small.held_bytes, bench.ledgers.large.held_bytes) == (0, 0)
