import asyncio
from collections.abc import AsyncIterator

import pytest

from tierfold_actors.answering import Reply
from tierfold_actors.preferences import wait_ms
from tierfold_actors.stream import PING, events, first_shown

STAGE = Reply(body=b"stage", is_final=False)
RESULT = Reply(body=b"result")


async def slow(*replies: Reply, pause_s: float) -> AsyncIterator[Reply]:
    for reply in replies:
        await asyncio.sleep(pause_s)
        yield reply


async def test_pings_fill_long_silences() -> None:
    """Proxies close what stays silent."""
    chunks = [
        chunk async for chunk in events(STAGE, slow(RESULT, pause_s=0.05), ping_interval_s=0.01)
    ]

    assert chunks[0] == b"stage"
    assert PING in chunks[1:-1]
    assert chunks[-1] == b"result"


async def test_a_reply_that_is_final_ends_the_stream() -> None:
    """Nothing more is asked for."""
    assert [chunk async for chunk in events(RESULT, slow(STAGE, pause_s=0))] == [b"result"]


async def test_leaving_in_a_silence_stops_the_waiting() -> None:
    """The pending read is cancelled, not left behind."""
    rest = slow(RESULT, pause_s=30)
    chunks = events(STAGE, rest, ping_interval_s=0.01)
    assert await anext(chunks) == b"stage"
    assert await anext(chunks) == PING

    await chunks.aclose()

    with pytest.raises(StopAsyncIteration):
        await anext(rest)


async def test_replies_without_a_body_are_not_shown() -> None:
    """They only say that a stage is done."""
    silent = Reply(is_final=False)

    assert RESULT is await first_shown(slow(silent, silent, RESULT, pause_s=0))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], None),
        (["wait=0.2"], 200.0),
        (["respond-async, wait=10"], 10_000.0),
        (["return=minimal", 'Wait = "2"'], 2000.0),
        (["wait=0"], None),
        (["wait=soon"], None),
        (["await=3"], None),
        (["wait=1e400"], 1000.0),
        (["wait=" + "9" * 400], None),
    ],
)
def test_prefer_wait_is_read_in_seconds(headers: list[str], expected: float | None) -> None:
    """What nobody understands is ignored, as RFC 7240 wants."""
    assert expected == wait_ms(headers)
