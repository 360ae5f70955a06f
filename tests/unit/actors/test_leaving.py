import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from functools import partial

import pytest
from fastapi import FastAPI
from starlette.types import Message, Scope

from tests.unit.actors.fakes import SMALL_LIMITS, Bench, FakeEngine, talk_to
from tierfold_actors.gateway import create_api
from tierfold_actors.stream import events
from tierfold_actors.work import WorkLimits

SMALL = b'{"ask": "who?", "sources": [{"text": "It was me."}]}'
LARGE = SMALL.ljust(SMALL_LIMITS.body_bytes_max)


class Leaver:
    """A caller that asks for events and leaves while a certain message is on its way to it."""

    def __init__(self, body: bytes, *, leaves_at: bytes | None = None) -> None:
        self._body: bytes | None = body
        self._leaves_at = leaves_at  # None: while the response's start is being sent
        self._is_leaving = asyncio.Event()
        self.got = b""

    async def receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._is_leaving.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.got += message.get("body", b"")
        if self._leaves_at is None or self._leaves_at in message.get("body", b""):
            self._is_leaving.set()
            await asyncio.Event().wait()  # nobody reads: the buffers stay full

    async def ask(self, api: FastAPI) -> None:
        """Speak ASGI 2.3: there a message, not an error of `send`, says that one has gone."""
        headers = [(b"host", b"localhost"), (b"accept", b"text/event-stream")]
        scope: Scope = {"type": "http", "asgi": {"spec_version": "2.3"}, "http_version": "1.1"}
        scope.update(method="POST", path="/v1/process", raw_path=b"/v1/process", scheme="http")
        scope.update(query_string=b"", root_path="", headers=headers)
        async with asyncio.timeout(5):
            await api(scope, self.receive, self.send)


@contextlib.asynccontextmanager
async def served(bench: Bench) -> AsyncIterator[FastAPI]:
    yield create_api(bench.desk)
    bench.work.close()


@pytest.mark.parametrize("body", [SMALL.ljust(2000), LARGE], ids=["small", "large"])
async def test_leaving_before_the_first_byte_gives_the_body_back(body: bytes) -> None:
    """A generator that was never started runs no `finally`: the leak would last for ever."""
    bench = Bench(limits=WorkLimits(inline_body_bytes_max=2048, waiting_max=3, large_waiting_max=3))
    async with served(bench) as api, talk_to(api) as client:
        for _ in range(20):
            await Leaver(body).ask(api)
        response = await client.post("/v1/process", content=body)

    assert response.status_code == 200


async def test_leaving_before_the_first_byte_stops_the_work() -> None:
    """The engine's generator is closed: `balanced` never runs for nobody."""
    bench = Bench()
    async with served(bench) as api:
        await Leaver(SMALL).ask(api)

    assert [stage for _, stage, _ in bench.engine.steps] == ["fast"]
    assert bench.engine.closed == 1


async def test_leaving_at_a_ping_stops_the_work(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The next stage is being waited for then: first the waiting ends, then what it waits for."""
    quick = partial(events, ping_interval_s=0.01)
    monkeypatch.setattr("tierfold_actors.serving.events", quick)
    engine = FakeEngine(predicted_ms=10.0, gated_stage="balanced")
    bench = Bench(engine=engine)
    engine.gate.clear()
    leaver = Leaver(SMALL, leaves_at=b": ping")
    async with served(bench) as api, talk_to(api) as client:
        await leaver.ask(api)
        engine.gate.set()
        await client.post("/v1/process", json={**json.loads(SMALL), "ask": "next"})

    assert leaver.got.endswith(b": ping\n\n")
    assert [(ask, stage) for ask, stage, _ in engine.steps] == [
        ("who?", "fast"),
        ("who?", "balanced"),  # it ran when the caller left
        ("next", "fast"),
        ("next", "balanced"),
    ]
    assert engine.closed == 2
    assert caplog.text == ""  # asyncio logs generators that could not be closed
