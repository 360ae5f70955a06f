"""Questions on stored contexts over HTTP, beside a bare echo of the same answer size, in one run.

`python -m benchmarks.stored [--quick]`; `--data` changes nothing, the contexts are generated. The
contexts are made over HTTP in a store on the project's disk, and every question is a hit in L0 of
the stage `fast`. The echo is sent as many bytes as the answer has. Last, a question with a deadline
on a context of 64 MB (8 MB with `--quick`) that is in no working set yet, beside small ones.
"""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.connection import free_port
from benchmarks.latency import text_of
from benchmarks.meter import finish, joined, parse, parser, say, table
from benchmarks.pictures import draw
from benchmarks.scratch import disk_folder
from benchmarks.serving import running_with_echo
from benchmarks.stored_asking import Asking, ask_in_turn, made_context, settled
from benchmarks.stored_cold import cold_figures
from benchmarks.stored_flood import flood_figures
from tierfold_actors.store_plan import StorePlan

TOKENS = 128_000
ROUNDS, ROUNDS_QUICK = 5, 3


def main() -> None:
    """Measure and print."""
    options = parse(parser(__doc__))
    port = free_port()
    with (
        tempfile.TemporaryDirectory() as folder,
        disk_folder() as disk,
        running_with_echo(
            port=port, folder=Path(folder), store=StorePlan(path=str(disk / "store"), objects="")
        ),
    ):
        parts = (
            asyncio.run(_one_connection(port, ROUNDS_QUICK if options.quick else ROUNDS)),
            flood_figures(port, Path(folder), is_quick=options.quick),
            asyncio.run(cold_figures(port, is_quick=options.quick)),
        )
    finish(joined(*parts) | {"errors": sum(part["errors"] for part in parts)})


async def _one_connection(port: int, rounds: int) -> dict[str, Any]:
    """Ask and echo in turn over one connection each, round by round."""
    asking = Asking(port=port, context="one")
    await made_context(port, asking.context, text_of(TOKENS))
    answer = await settled(asking)
    await ask_in_turn(asking, echo_body=answer)
    rows, errors, cpu_ms = [], 0, []
    for number in range(1, rounds + 1):
        done = await ask_in_turn(asking, echo_body=answer)
        errors += done.errors
        cpu_ms += done.cpu_ms
        rows.append([number, *done.medians()])
    asking.close()
    say(f"p50 ms of a question on {TOKENS:,} stored tokens, L0, fast; answer {len(answer):,} bytes")
    header = ["round", "over HTTP", "handler", "engine CPU", "replica CPU", "echo"]
    table(header, rows)
    draw(
        "stored",
        {name: (range(1, rounds + 1), [row[at] for row in rows]) for at, name in _lines(header)},
        x_label="round",
        y_label=f"p50 ms, {TOKENS:,} stored tokens",
    )
    overhead = [(http - handler) / echo for _, http, handler, _, _, echo in rows]
    whole = [http / echo for _, http, _, _, _, echo in rows]
    return {
        "handler_128k_cpu_ms": float(np.median(cpu_ms)),
        "replica_128k_cpu_ms": _median(rows, 4),
        "http_p50_vs_echo": float(np.median(whole)),
        "http_p50_vs_echo_spread": [min(whole), max(whole)],
        "overhead_vs_echo": float(np.median(overhead)),
        "overhead_vs_echo_spread": [min(overhead), max(overhead)],
        "http_p50_ms": _median(rows, 1),
        "handler_p50_ms": _median(rows, 2),
        "echo_p50_ms": _median(rows, 5),
        "answer_bytes": len(answer),
        "errors": errors,
    }


def _lines(header: list[str]) -> list[tuple[int, str]]:
    return [
        (at, name) for at, name in enumerate(header) if name in {"over HTTP", "handler", "echo"}
    ]


def _median(rows: list[list[Any]], column: int) -> float:
    return float(np.median([row[column] for row in rows]))


if __name__ == "__main__":
    main()
