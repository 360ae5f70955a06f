"""What HTTP adds: the gateway behind HAProxy beside a bare echo behind the same, in one run.

`python -m benchmarks.http [--quick]`; `--data` changes nothing, the bodies are generated.
"""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from benchmarks.flood import HTTP_OK, raw_request, read_response
from benchmarks.latency import QUESTION, text_of
from benchmarks.meter import finish, parse, parser, say, table
from benchmarks.pictures import draw
from tierfold_actors.runtime import default_config, running

ROUNDS = 5
REQUESTS_PER_ROUND = 100
FLOOD_CONNECTIONS = 64
RATE_CONNECTIONS = 16
LARGE_BODY_BYTES = 5 * 1024 * 1024
_HANDLER = re.compile(r"handler;dur=([\d.]+)")
_ECHO_APPLICATION = """
  - name: echo
    route_prefix: /echo
    import_path: benchmarks.echo:app
"""
_PORT = 8123


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One request as the client saw it."""

    status: int
    ms: float
    handler_ms: float


def main() -> None:
    """Measure and print."""
    options = parse(parser(__doc__))
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "bench.yaml"
        config.write_text(default_config().read_text("utf-8") + _ECHO_APPLICATION, "utf-8")
        environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
        with running(port=_PORT, config=config, environment=environment):
            finish(_measure(Path(folder), is_quick=options.quick))


def _measure(folder: Path, *, is_quick: bool) -> dict[str, Any]:
    body = _body(text_of(2_000))
    rounds = 3 if is_quick else ROUNDS
    figures = asyncio.run(_latency(body, rounds))
    figures |= _rates(folder, body, rounds=3, seconds=1.0 if is_quick else 4.0)
    probed = asyncio.run(_health(folder, body, seconds=3.0 if is_quick else 8.0))
    figures |= probed | {"errors": figures["errors"] + probed["errors"]}
    return figures


def _body(text: str) -> bytes:
    return orjson.dumps(
        {
            "ask": QUESTION,
            "sources": [{"text": text}],
            "budget": {"max_tokens": 500, "latency_ms": 50},
        }
    )


async def _send(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> Sample:
    began = time.perf_counter()
    writer.write(request)
    await writer.drain()
    status, headers, _ = await read_response(reader)
    ms = (time.perf_counter() - began) * 1000
    found = _HANDLER.search(headers.get("server-timing", ""))
    return Sample(status=status, ms=ms, handler_ms=float(found[1]) if found else 0.0)


async def _latency(body: bytes, rounds: int) -> dict[str, Any]:
    """Send both requests in turn over one connection each, round by round."""
    ours = await asyncio.open_connection("127.0.0.1", _PORT)
    echo = await asyncio.open_connection("127.0.0.1", _PORT)
    ratios, errors, rows = [], 0, []
    for number in range(rounds + 1):
        pairs = [
            (
                await _send(*ours, raw_request("/v1/process", body)),
                await _send(*echo, raw_request("/echo/", body)),
            )
            for _ in range(REQUESTS_PER_ROUND)
        ]
        if number == 0:
            continue  # warms both sides
        process_ms = float(np.median([pair[0].ms for pair in pairs]))
        handler_ms = float(np.median([pair[0].handler_ms for pair in pairs]))
        echo_ms = float(np.median([pair[1].ms for pair in pairs]))
        ratios.append((process_ms - handler_ms) / echo_ms)
        rows.append([number, process_ms, handler_ms, echo_ms, ratios[-1]])
        errors += sum(sample.status != HTTP_OK for pair in pairs for sample in pair)
    for _, writer in (ours, echo):
        writer.close()
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
        "errors": errors,
    }


def _rates(folder: Path, body: bytes, *, rounds: int, seconds: float) -> dict[str, Any]:
    ratios, errors, rows = [], 0.0, []
    for number in range(rounds):
        ours = _flood(folder, "/v1/process", body, RATE_CONNECTIONS, seconds)
        echo = _flood(folder, "/echo/", body, RATE_CONNECTIONS, seconds)
        ratios.append(ours["requests_per_s"] / echo["requests_per_s"])
        rows.append([number + 1, ours["requests_per_s"], echo["requests_per_s"], ratios[-1]])
        errors += ours["errors"] + echo["errors"]
    say(f"{RATE_CONNECTIONS} connections, requests a second")
    table(["round", "process", "echo", "process / echo"], rows)
    return {"process_vs_echo_rps": float(np.median(ratios)), "rate_errors": errors}


def _flood(
    folder: Path, path: str, body: bytes, connections: int, seconds: float
) -> dict[str, float]:
    done = subprocess.run(
        _flood_command(folder, path, body, connections, seconds),
        check=True,
        capture_output=True,
        timeout=60 + seconds,
    )
    counts: dict[str, float] = orjson.loads(done.stdout)
    return counts


def _flood_command(
    folder: Path, path: str, body: bytes, connections: int, seconds: float
) -> list[str]:
    body_file = folder / "body.json"
    body_file.write_bytes(body)
    return [
        sys.executable,
        *("-m", "benchmarks.flood", str(_PORT), path, str(body_file)),
        *(str(connections), str(seconds)),
    ]


async def _health(folder: Path, body: bytes, *, seconds: float) -> dict[str, Any]:
    """Probe /livez ten times a second during a flood, then during one 5 MB request."""
    flood = await asyncio.create_subprocess_exec(
        *_flood_command(folder, "/v1/process", body, FLOOD_CONNECTIONS, seconds),
        stdout=asyncio.subprocess.PIPE,
    )
    during_flood = await _probe_until(flood.wait())
    assert flood.stdout is not None  # a pipe was asked for
    counts = orjson.loads(await flood.stdout.read())
    large = _body("x" * 80 + " and so on, word after word. " * (LARGE_BODY_BYTES // 29))
    reader, writer = await asyncio.open_connection("127.0.0.1", _PORT)
    sending = asyncio.ensure_future(_send(reader, writer, raw_request("/v1/process", large)))
    during_large = await _probe_until(sending)
    writer.close()
    say("livez, ms")
    table(
        ["during", "probes", "p50", "max"],
        [
            [f"{FLOOD_CONNECTIONS} connections", *_summary(during_flood)],
            [f"one {len(large) >> 20} MB request", *_summary(during_large)],
        ],
    )
    errors = counts["errors"] + (sending.result().status != HTTP_OK)
    return {
        "livez_max_ms": max(*during_flood, *during_large),
        "livez_flood_max_ms": max(during_flood),
        "livez_large_max_ms": max(during_large),
        "flood_requests": counts["requests"],
        "errors": errors,
    }


async def _probe_until(work: Any) -> list[float]:
    waiting = asyncio.ensure_future(work)
    reader, writer = await asyncio.open_connection("127.0.0.1", _PORT)
    took = []
    while True:
        began = time.perf_counter()
        writer.write(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        await writer.drain()
        await read_response(reader)
        took.append((time.perf_counter() - began) * 1000)
        if waiting.done():
            writer.close()
            return took
        await asyncio.sleep(0.1)


def _summary(values: list[float]) -> list[object]:
    return [len(values), float(np.median(values)), max(values)]


if __name__ == "__main__":
    main()
