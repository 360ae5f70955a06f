"""What HTTP adds: the gateway behind HAProxy beside a bare echo behind the same, in one run.

`python -m benchmarks.http [--quick]`; `--data` changes nothing, the bodies are generated.
"""

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from benchmarks.connection import Client, Sample, free_port
from benchmarks.flood import HTTP_OK, Flood, outcome, raw_request, read_response, run_flood
from benchmarks.latency import QUESTION, text_of
from benchmarks.meter import finish, parse, parser, say, table
from benchmarks.pictures import draw
from benchmarks.serving import running_with_echo

ROUNDS = 5
REQUESTS_PER_ROUND = 100
FLOOD_CONNECTIONS = 64
RATE_CONNECTIONS = 16
LARGE_REQUESTS = 3  # without a deadline, or they would be over after a few probes
LARGE_BODY_BYTES = 5 * 1024 * 1024
_SETTLE_S = 30.0


@dataclass(slots=True, kw_only=True)
class Probes:
    """What probing /livez met."""

    ms: list[float] = field(default_factory=list)
    errors: int = 0  # anything but 200


_PORT = free_port()


def main() -> None:
    """Measure and print."""
    options = parse(parser(__doc__))
    with (
        tempfile.TemporaryDirectory() as folder,
        running_with_echo(port=_PORT, folder=Path(folder)),
    ):
        finish(_measure(Path(folder), is_quick=options.quick))


def _measure(folder: Path, *, is_quick: bool) -> dict[str, Any]:
    body = _body(text_of(2_000))
    rounds = 3 if is_quick else ROUNDS
    parts = (
        asyncio.run(_latency(body, rounds)),
        _rates(folder, body, rounds=3, seconds=1.0 if is_quick else 4.0),
        asyncio.run(_health(folder, body, seconds=3.0 if is_quick else 8.0)),
    )
    figures = {key: value for part in parts for key, value in part.items()}
    totals = {key: sum(part[key] for part in parts) for key in ("errors", "refused")}
    by_part = {
        f"{key}_{name}": part[key]
        for key in totals
        for name, part in zip(("latency", "rates", "health"), parts, strict=True)
    }
    return figures | by_part | totals


def _body(text: str, *, latency_ms: float | None = 50) -> bytes:
    budget = {"max_tokens": 500} | ({} if latency_ms is None else {"latency_ms": latency_ms})
    return orjson.dumps({"ask": QUESTION, "sources": [{"text": text}], "budget": budget})


async def _pairs(ours: Client, echo: Client, body: bytes) -> list[tuple[Sample, Sample]]:
    """Send both requests in turn."""
    requests = (raw_request("/v1/process", body), raw_request("/echo/", body))
    return [
        (await ours.send(requests[0]), await echo.send(requests[1]))
        for _ in range(REQUESTS_PER_ROUND)
    ]


async def _settle(ours: Client, echo: Client, body: bytes) -> None:
    """Warm both sides; the ingress reloads once more after the second application is up."""
    until = time.monotonic() + _SETTLE_S
    while time.monotonic() < until:
        pairs = await _pairs(ours, echo, body)
        if all(sample.status == HTTP_OK for pair in pairs for sample in pair):
            return
        await asyncio.sleep(0.5)


async def _latency(body: bytes, rounds: int) -> dict[str, Any]:
    """Send both requests in turn over one connection each, round by round."""
    ours, echo = Client(_PORT), Client(_PORT)
    await _settle(ours, echo, body)
    ratios, counts, rows = [], Counter[str](), []
    for number in range(1, rounds + 1):
        pairs = await _pairs(ours, echo, body)
        counts.update(outcome(sample.status) for pair in pairs for sample in pair)
        process_ms = float(np.median([pair[0].ms for pair in pairs]))
        handler_ms = float(np.median([pair[0].handler_ms for pair in pairs]))
        echo_ms = float(np.median([pair[1].ms for pair in pairs]))
        ratios.append((process_ms - handler_ms) / echo_ms)
        rows.append([number, process_ms, handler_ms, echo_ms, ratios[-1]])
    ours.close()
    echo.close()
    say(f"2k-token body, one connection, p50 ms of {REQUESTS_PER_ROUND} requests")
    table(["round", "over HTTP", "in the handler", "echo", "(HTTP - handler) / echo"], rows)
    rounds_done = [row[0] for row in rows]
    columns = {"over HTTP": 1, "in the handler": 2, "echo": 3}
    lines = {label: (rounds_done, [row[c] for row in rows]) for label, c in columns.items()}
    draw("http", lines, x_label="round", y_label="p50 ms, 2k-token body")
    return {
        "overhead_vs_echo": float(np.median(ratios)),
        "overhead_vs_echo_spread": [min(ratios), max(ratios)],
        "http_p50_ms": float(np.median([row[1] for row in rows])),
        "handler_p50_ms": float(np.median([row[2] for row in rows])),
        "echo_p50_ms": float(np.median([row[3] for row in rows])),
        "errors": counts["errors"],
        "refused": counts["refused"],
    }


def _rates(folder: Path, body: bytes, *, rounds: int, seconds: float) -> dict[str, Any]:
    """Return the ratio of requests answered with 200 a second, all connections at work."""
    ratios, counts, rows = [], Counter[str](), []
    for number in range(rounds):
        ours = run_flood(_of("/v1/process", folder, body, RATE_CONNECTIONS), seconds)
        echo = run_flood(_of("/echo/", folder, body, RATE_CONNECTIONS), seconds)
        ratios.append(ours["requests_per_s"] / echo["requests_per_s"])
        lost = Counter({key: int(ours[key] + echo[key]) for key in ("errors", "refused")})
        counts.update(lost)
        rates = [ours["requests_per_s"], echo["requests_per_s"], ratios[-1]]
        rows.append([number + 1, *rates, lost["refused"], lost["errors"]])
    say(f"{RATE_CONNECTIONS} connections, requests answered with 200 a second")
    table(["round", "process", "echo", "process / echo", "refused", "errors"], rows)
    return {
        "process_vs_echo_rps": float(np.median(ratios)),
        "errors": counts["errors"],
        "refused": counts["refused"],
    }


def _of(path: str, folder: Path, body: bytes, connections: int) -> Flood:
    body_file = folder / "body.json"
    body_file.write_bytes(body)
    return Flood(port=_PORT, path=path, body_file=body_file, connections=connections)


async def _health(folder: Path, body: bytes, *, seconds: float) -> dict[str, Any]:
    """Probe /livez ten times a second during a flood, then during requests of 5 MiB."""
    flood = await asyncio.create_subprocess_exec(
        *_of("/v1/process", folder, body, FLOOD_CONNECTIONS).command(seconds),
        stdout=asyncio.subprocess.PIPE,
    )
    during_flood = await _probe_until(flood.wait())
    assert flood.stdout is not None  # a pipe was asked for
    counts = orjson.loads(await flood.stdout.read())
    large = _body(
        "x" * 80 + " and so on, word after word. " * (LARGE_BODY_BYTES // 29), latency_ms=None
    )
    client = Client(_PORT)
    sending = asyncio.ensure_future(_in_turn(client, raw_request("/v1/process", large)))
    during_large = await _probe_until(sending)
    client.close()
    return _health_figures(during_flood, during_large, counts, sending.result())


async def _in_turn(client: Client, request: bytes) -> Counter[str]:
    samples = [await client.send(request) for _ in range(LARGE_REQUESTS)]
    return Counter(outcome(sample.status) for sample in samples)


def _health_figures(
    during_flood: Probes, during_large: Probes, counts: dict[str, int], large: Counter[str]
) -> dict[str, Any]:
    say("livez, ms, a connection for every probe")
    table(
        ["during", "probes", "not 200", "p50", "max"],
        [
            [f"{FLOOD_CONNECTIONS} connections", *_summary(during_flood)],
            [f"{LARGE_REQUESTS} requests of 5 MiB in turn", *_summary(during_large)],
        ],
    )
    probe_errors = during_flood.errors + during_large.errors
    return {
        "livez_max_ms": max(*during_flood.ms, *during_large.ms),
        "livez_flood_max_ms": max(during_flood.ms),
        "livez_large_max_ms": max(during_large.ms),
        "livez_errors": probe_errors,
        "flood_answered": counts["answered"],
        "flood_refused": counts["refused"],
        "errors": counts["errors"] + probe_errors + large["errors"],
        "refused": counts["refused"] + large["refused"],
    }


async def _probe_until(work: Awaitable[object]) -> Probes:
    waiting = asyncio.ensure_future(work)
    probes = Probes()
    while True:
        began = time.perf_counter()
        is_alive = await _is_alive()
        probes.ms.append((time.perf_counter() - began) * 1000)  # a refusal's wait counts too
        probes.errors += not is_alive
        if waiting.done():
            return probes
        await asyncio.sleep(0.1)


async def _is_alive() -> bool:
    """Ask as a kubelet does: a new connection, and nothing but 200 will do."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", _PORT)
        try:
            writer.write(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            await writer.drain()
            status, _, _ = await read_response(reader)
        finally:
            writer.close()
    except (OSError, asyncio.IncompleteReadError):
        return False
    return status == HTTP_OK


def _summary(probes: Probes) -> list[object]:
    return [len(probes.ms), probes.errors, float(np.median(probes.ms)), max(probes.ms)]


if __name__ == "__main__":
    main()
