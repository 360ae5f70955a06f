"""Resident memory of a process that is asked for four times as much as it may take.

`python -m benchmarks.memory [--minutes 10] [--limit-mb 256] [--quick]`. One process has a store
open and folds texts of 20 kB to 3 MB from many threads, beside writers and questions on contexts;
its resident size is sampled from outside, and every acknowledged change is compared at the end.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from benchmarks.meter import finish, null, parse, parser, say, table
from benchmarks.pictures import draw
from benchmarks.scratch import disk_folder

MINUTES, LIMIT_MB = 10.0, 256
OVER_MAX = 0.10  # of the limit

_SAMPLE_S = 0.05
_KEYS = ("limit_bytes", "rss_over_idle_max_bytes", "lost", "degraded_share", "accounted_vs_rss")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(slots=True)
class Watched:
    """What was seen of a process from outside."""

    idle_bytes: int
    seconds: list[float] = field(default_factory=list)
    over_idle_bytes: list[int] = field(default_factory=list)

    @property
    def max_bytes(self) -> int:
        """The most above idle."""
        return max(self.over_idle_bytes, default=0)


def main() -> None:
    """Run the load, watch it, and print."""
    made = parser(__doc__)
    made.add_argument("--minutes", type=float, default=MINUTES, help="of load (default: 10)")
    made.add_argument("--limit-mb", type=int, default=LIMIT_MB, help="in MB (default: 256)")
    options = parse(made)
    if options.quick:
        why = "--quick has no ten minutes"
        finish(null(why, *_KEYS))
        return
    limit_bytes = options.rest.limit_mb * 1_000_000
    watched, told = _watched(limit_bytes, options.rest.minutes * 60)
    _report(limit_bytes, watched, told)
    _draw(limit_bytes, watched)
    finish(_figures(limit_bytes, watched, told))


def _watched(limit_bytes: int, seconds: float) -> tuple[Watched, Mapping[str, Any]]:
    with disk_folder() as folder, _child(folder / "store", limit_bytes, seconds) as child:
        assert child.stdin is not None  # pipes were asked for
        assert child.stdout is not None
        _line(child)
        watched = Watched(idle_bytes=_resident_bytes(child.pid))
        child.stdin.write(b"\n")
        child.stdin.flush()
        began = time.monotonic()
        while time.monotonic() < began + seconds and child.poll() is None:
            watched.seconds.append(time.monotonic() - began)
            watched.over_idle_bytes.append(_resident_bytes(child.pid) - watched.idle_bytes)
            time.sleep(_SAMPLE_S)
        return watched, _line(child)


@contextmanager
def _child(path: Path, limit_bytes: int, seconds: float) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "benchmarks.memory_load", str(path), str(seconds)]
    environment = {**os.environ, "TIERFOLD_MEMORY_BYTES": str(limit_bytes)}
    environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            env=environment,
        ) as child,
    ):
        try:
            yield child
        except BaseException:
            child.kill()
            said.seek(0)
            say(said.read().decode()[-4_000:])
            raise


def _line(child: "subprocess.Popen[bytes]") -> Mapping[str, Any]:
    assert child.stdout is not None  # a pipe was asked for
    line = child.stdout.readline()
    if not line:
        msg = "the process ended before it told"
        raise OSError(msg)
    told: Mapping[str, Any] = orjson.loads(line)
    return told


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):  # it has ended
        return 0


def _report(limit_bytes: int, watched: Watched, told: Mapping[str, Any]) -> None:
    say(f"limit {limit_bytes / 1e6:.0f} MB above idle, {watched.seconds[-1]:.0f} s")
    table(
        ["idle MB", "most above idle", "median above idle", "wanted", "accounted at most"],
        [
            [
                watched.idle_bytes / 1e6,
                watched.max_bytes / 1e6,
                sorted(watched.over_idle_bytes)[len(watched.over_idle_bytes) // 2] / 1e6,
                told["demand_bytes"] / 1e6,
                told["accounted_max_bytes"] / 1e6,
            ]
        ],
    )
    table(["what", "times"], list(told["counts"].items()))
    pools = told["pools"]
    header = ["pool", *next(iter(pools.values()))]
    table(header, [[name, *counts.values()] for name, counts in pools.items()])
    table(["need", "samples", "predicted / actual p95"], [[*e.values()] for e in told["needs"]])


def _figures(limit_bytes: int, watched: Watched, told: Mapping[str, Any]) -> dict[str, Any]:
    counts = told["counts"]
    answered = sum(counts.get(each, 0) for each in ("fold", "ask"))
    of_part = sum(counts.get(each, 0) for each in ("fold of part", "ask of part"))
    refused = sum(count for name, count in counts.items() if name.endswith("refused"))
    figures = {
        "limit_bytes": limit_bytes,
        "rss_over_idle_max_bytes": watched.max_bytes,
        "rss_over_limit_share": watched.max_bytes / limit_bytes - 1,
        "lost": told["lost"],
        "degraded_share": of_part / max(1, answered + of_part),
        "refused_share": refused / max(1, sum(counts.values())),
        "demand_vs_limit": told["demand_bytes"] / limit_bytes,
        "accounted_max_vs_limit": told["accounted_max_bytes"] / limit_bytes,
        "seconds": watched.seconds[-1],
    }
    return figures | null("needs a server", "accounted_vs_rss")


def _draw(limit_bytes: int, watched: Watched) -> None:
    top = limit_bytes / 1e6
    ends = [watched.seconds[0], watched.seconds[-1]]
    resident = [each / 1e6 for each in watched.over_idle_bytes]
    draw(
        "memory",
        {"resident": (watched.seconds, resident), "limit": (ends, [top, top])},
        x_label="seconds",
        y_label="MB above idle",
    )


if __name__ == "__main__":
    main()
