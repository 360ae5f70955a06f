from collections.abc import AsyncIterator

import pytest

from tests.unit.actors.fakes import SMALL_LIMITS, Bench
from tierfold.errors import OverloadError
from tierfold_actors.arrival import BodyLedger

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
    ledger = BodyLedger(bytes_max=10)
    ledger.take(10)

    with pytest.raises(OverloadError):
        ledger.take(1)

    ledger.give_back(10)
    ledger.take(1)


async def test_bodies_are_given_back_after_every_kind_of_end() -> None:
    """A leak would refuse everybody after a while."""
    limit = 4 * LIMIT
    body = b'{"sources": [{"text": "x"}]}'.ljust(LIMIT)

    async with Bench().client() as client:
        for _ in range(2 * limit // LIMIT - 1):
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
