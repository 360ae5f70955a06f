"""Many connections at once, each asking a stored context of its own, beside as many echoes."""

import asyncio
import statistics
from pathlib import Path
from typing import Any

from benchmarks.flood import Flood, run_flood
from benchmarks.latency import text_of
from benchmarks.meter import say, table
from benchmarks.stored_asking import Asking, made_context, question, replica_cpu_s, settled

CONNECTIONS = 16
TOKENS = 8_000
ROUNDS, ROUNDS_QUICK = 5, 3
_SECONDS, _SECONDS_QUICK = 4.0, 1.5
_CONTEXT = "many-{}"


def flood_figures(port: int, folder: Path, *, is_quick: bool) -> dict[str, Any]:
    """Return http_8k_rps_vs_echo: answers a second over echoes a second."""
    answer = asyncio.run(_prepared(port))
    seconds = _SECONDS_QUICK if is_quick else _SECONDS
    ours = _flood(port, f"/v1/contexts/{_CONTEXT}/process", folder / "question.json", question())
    echo = _flood(port, "/echo/", folder / "echo.json", answer)
    rows, errors = [], 0
    for number in range(1, (ROUNDS_QUICK if is_quick else ROUNDS) + 1):
        cpu_s = replica_cpu_s()
        asked = run_flood(ours, seconds)
        cpu_ms = (replica_cpu_s() - cpu_s) * 1000 / max(1, asked["answered"])
        echoed = run_flood(echo, seconds)
        rates = asked["requests_per_s"], echoed["requests_per_s"]
        wrong = sum(int(each[key]) for each in (asked, echoed) for key in ("errors", "refused"))
        errors += wrong
        rows.append([number, *rates, rates[0] / rates[1], cpu_ms, wrong])
    say(f"answers a second, {CONNECTIONS} connections, a stored context of {TOKENS:,} tokens each")
    table(["round", "process", "echo", "ratio", "replica CPU ms each", "refused or wrong"], rows)
    ratios = [row[3] for row in rows]
    return {
        "http_8k_rps_vs_echo": statistics.median(ratios),
        "http_8k_rps_vs_echo_spread": [min(ratios), max(ratios)],
        "http_8k_rps": statistics.median(row[1] for row in rows),
        "echo_8k_rps": statistics.median(row[2] for row in rows),
        "replica_8k_cpu_ms": statistics.median(row[4] for row in rows),
        "answer_8k_bytes": len(answer),
        "errors": errors,
    }


async def _prepared(port: int) -> bytes:
    """Make every connection's context and ask it once, so that it lies in L0."""
    whole = text_of(TOKENS)
    answer = b""
    for number in range(CONNECTIONS):
        context = _CONTEXT.format(number)
        await made_context(port, context, f"Copy {number} of the text.\n\n{whole}")
        asking = Asking(port=port, context=context)
        answer = await settled(asking)
        asking.close()
    return answer


def _flood(port: int, path: str, body_file: Path, body: bytes) -> Flood:
    body_file.write_bytes(body)
    return Flood(port=port, path=path, body_file=body_file, connections=CONNECTIONS)
