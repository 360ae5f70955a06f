"""A question with a deadline on a large context that nobody has read, and those asked meanwhile."""

import asyncio
from typing import Any

import numpy as np
import orjson

from benchmarks.connection import Client, Sample
from benchmarks.flood import HTTP_OK, raw_request
from benchmarks.latency import QUESTION, text_of
from benchmarks.meter import say, table
from benchmarks.stored_asking import Asking, made_context, question, settled

LATENCY_MS = 300
LARGE_BYTES, LARGE_BYTES_QUICK = 64_000_000, 8_000_000
ROUNDS, ROUNDS_QUICK = 5, 3
_APPENDED_BYTES = 16_000_000  # at a time: a body ends at 64 MiB, its JSON is longer than the text
_SMALL_TOKENS = 2_000
_LARGE, _SMALL = "cold-{}", "cold-small"
_OK = frozenset({HTTP_OK, 201})
_PAUSE_S = 0.01


async def cold_figures(port: int, *, is_quick: bool) -> dict[str, Any]:
    """Return how late such answers are, and how long small questions wait beside them."""
    piece = text_of(128_000)
    text = piece * ((LARGE_BYTES_QUICK if is_quick else LARGE_BYTES) // len(piece) + 1)
    small = Asking(port=port, context=_SMALL)
    await made_context(port, _SMALL, text_of(_SMALL_TOKENS))
    await settled(small)
    took_ms, waits_ms, errors = [], [], 0
    for number in range(ROUNDS_QUICK if is_quick else ROUNDS):
        context = _LARGE.format(number)
        await _stored(port, context, text)
        sample, waits = await _beside(port, context, small)
        took_ms.append(sample.ms)
        waits_ms += [each.ms for each in waits]
        errors += sum(each.status != HTTP_OK for each in (sample, *waits))
        await _deleted(port, context)
    small.close()
    say(f"a question with {LATENCY_MS} ms on {len(text) / 1e6:.0f} MB that nobody has read")
    header = ["p50 ms", "longest ms", "others p50 ms", "others longest ms"]
    row = [float(np.median(took_ms)), max(took_ms), float(np.median(waits_ms)), max(waits_ms)]
    table(header, [row])
    return {
        "cold_deadline_ms_p50": row[0],
        "cold_deadline_overrun_ms_max": max(0.0, row[1] - LATENCY_MS),
        "others_wait_ms_p50": row[2],
        "others_wait_ms_max": row[3],
        "cold_bytes": len(text),
        "errors": errors,
    }


async def _stored(port: int, context: str, text: str) -> None:
    """Store a text in pieces, as a caller would who has more than a body holds."""
    first, *rest = (text[at : at + _APPENDED_BYTES] for at in range(0, len(text), _APPENDED_BYTES))
    await made_context(port, context, first)
    client = Client(port)
    for piece in rest:
        body = orjson.dumps({"text": piece})
        sample = await client.send(raw_request(f"/v1/contexts/{context}/items", body))
        if sample.status not in _OK:
            msg = f"nothing was appended to {context}: {sample.status} {sample.body[:300]!r}"
            raise OSError(msg)
    client.close()


async def _beside(port: int, context: str, small: Asking) -> tuple[Sample, list[Sample]]:
    """Ask the large context in a hurry, and the small one until that is answered and after."""
    budget = {"max_tokens": 500, "latency_ms": LATENCY_MS}
    body = orjson.dumps({"ask": QUESTION, "budget": budget})
    large = Client(port)
    asked = asyncio.create_task(large.send(raw_request(f"/v1/contexts/{context}/process", body)))
    waits: list[Sample] = []
    while not asked.done() or len(waits) < LATENCY_MS:  # the whole is made ready after the answer
        waits.append(await small.ours.send(raw_request(small.path, question())))
        await asyncio.sleep(_PAUSE_S)
    large.close()
    return await asked, waits


async def _deleted(port: int, context: str) -> None:
    client = Client(port)
    await client.send(raw_request(f"/v1/contexts/{context}", b"").replace(b"POST", b"DELETE", 1))
    client.close()
