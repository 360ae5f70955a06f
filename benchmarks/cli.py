"""What `tierfold compress` costs beside its pipeline, in units of the imports it stands on.

`python -m benchmarks.cli [--data DIR] [--quick]`. A round starts three processes one after another:
the import floor (numpy, pydantic's BaseModel, orjson), the command on a text of 100,000 tokens, and
the same with `--json`. What counts is (whole process - its own pipeline time) / import floor.
`--data` adds a text of the same length from the evaluation set.
"""

import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from pydoc_data.topics import topics
from statistics import median
from typing import Any

import orjson
from matplotlib.figure import Figure

from benchmarks.data import read_compress
from benchmarks.meter import PICTURES, Options, finish, parse, parser, say, table

ROUNDS, ROUNDS_QUICK = 15, 7
TOKENS = 100_000
QUESTION = "When are the default parameter values of a function evaluated?"
FLOOR = ("-c", "import numpy, orjson; from pydantic import BaseModel")
TARGET = 3.0

_CHARACTERS_PER_TOKEN = 4.4  # of English prose; the texts only have to be long enough
_PIPELINE_MS = re.compile(rb"smaller\), quality \d+ %, ([\d.,]+) ms")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One column: a text and what was measured on it, in milliseconds."""

    name: str
    file: Path
    floor: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    pipeline: list[float] = field(default_factory=list)
    json_overhead: list[float] = field(default_factory=list)

    @property
    def overhead(self) -> list[float]:
        """Whole process minus its own pipeline, round by round."""
        return [wall - inside for wall, inside in zip(self.wall, self.pipeline, strict=True)]

    @property
    def ratio(self) -> float:
        """The median overhead in units of the median import floor."""
        return median(self.overhead) / median(self.floor)


def main() -> None:
    """Measure and print."""
    options = parse(parser(__doc__))
    with tempfile.TemporaryDirectory() as folder:
        cases = _cases(Path(folder), options)
        for case in cases:
            _warm_up(case)
        for _ in range(ROUNDS_QUICK if options.quick else ROUNDS):
            for case in cases:
                _round(case)
    _report(cases)
    _draw(cases)
    finish(_figures(cases))


def _cases(folder: Path, options: Options) -> list[Case]:
    generated = folder / "reference.txt"
    generated.write_text("\n\n\n".join(topics.values()), encoding="utf-8")
    cases = [Case(name="generated", file=generated)]
    if options.data is not None:
        real = folder / "real.txt"
        real.write_text(_real_text(options.data), encoding="utf-8")
        cases.append(Case(name="data", file=real))
    return cases


def _real_text(data: Path) -> str:
    """Return whole contexts of the evaluation set, the longest first, up to the length."""
    contexts = read_compress(data / "compress", "dev").contexts.values()
    pieces: list[str] = []
    for context in sorted(contexts, key=lambda each: -sum(each.tokens)):
        if sum(map(len, pieces)) >= TOKENS * _CHARACTERS_PER_TOKEN:
            break
        pieces.append("\n".join(segment.text for segment in context.segments))
    return "\n\n\n".join(pieces)


def _warm_up(case: Case) -> None:
    """Run everything once, so that bytecode is written and files are in memory."""
    _run(sys.executable, *FLOOR)
    _run(*_command(case))
    _run(*_command(case), "--json")


def _round(case: Case) -> None:
    case.floor.append(_run(sys.executable, *FLOOR)[0])
    wall_ms, ended = _run(*_command(case))
    case.wall.append(wall_ms)
    case.pipeline.append(_reported_ms(ended.stderr))
    wall_ms, ended = _run(*_command(case), "--json")
    case.json_overhead.append(wall_ms - orjson.loads(ended.stdout)["timing"]["total_ms"])


def _command(case: Case) -> tuple[str, ...]:
    script = str(Path(sysconfig.get_path("scripts"), "tierfold"))
    return (script, "compress", str(case.file), "--ask", QUESTION, "--tokens", "2000")


def _run(*command: str) -> tuple[float, subprocess.CompletedProcess[bytes]]:
    """Return wall milliseconds; one BLAS thread, and bytecode as installed programs have it."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NO_COLOR": "1"}
    began = time.perf_counter()
    ended = subprocess.run(command, capture_output=True, env=environment, check=True)
    return (time.perf_counter() - began) * 1000, ended


def _reported_ms(said: bytes) -> float:
    match = _PIPELINE_MS.search(said)
    if match is None:
        msg = f"no closing line in {said!r}"
        raise ValueError(msg)
    return float(match[1].replace(b",", b""))


def _report(cases: Sequence[Case]) -> None:
    rows = [
        row
        for case in cases
        for row in (
            (case.name, "import floor", *_spread(case.floor)),
            (case.name, "whole process", *_spread(case.wall)),
            (case.name, "its own pipeline time", *_spread(case.pipeline)),
            (case.name, "overhead", *_spread(case.overhead)),
            (case.name, "overhead with --json", *_spread(case.json_overhead)),
        )
    ]
    table(("text", "what", "median ms", "min", "max"), rows)
    for case in cases:
        say(f"{case.name}: overhead / floor = {case.ratio:.2f} (target <= {TARGET:g})")


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    return median(values), min(values), max(values)


def _figures(cases: Sequence[Case]) -> Mapping[str, Any]:
    first = cases[0]
    figures: dict[str, Any] = {
        "overhead_vs_import": first.ratio,
        "overhead_vs_import_min": min(first.overhead) / median(first.floor),
        "overhead_vs_import_max": max(first.overhead) / median(first.floor),
        "json_overhead_vs_import": median(first.json_overhead) / median(first.floor),
        "import_floor_ms": median(first.floor),
        "process_ms": median(first.wall),
        "pipeline_ms": median(first.pipeline),
        "rounds": len(first.wall),
    }
    return figures | {f"overhead_vs_import_{case.name}": case.ratio for case in cases[1:]}


def _draw(cases: Sequence[Case]) -> None:
    figure = Figure(figsize=(7, 1.2 + 0.9 * len(cases)), layout="constrained")
    axes = figure.subplots()
    for case in cases:
        floor, overhead = median(case.floor), median(case.overhead)
        axes.barh(f"{case.name}: imports", floor, color="#9aa5b1")
        axes.barh(f"{case.name}: tierfold", overhead, color="#2b6cb0", label="overhead")
        axes.barh(f"{case.name}: tierfold", median(case.pipeline), left=overhead, color="#90cdf4")
    axes.set_xlabel("ms (grey: import floor; dark: process without pipeline; light: pipeline)")
    axes.set_title("tierfold compress on 100,000 tokens")
    PICTURES.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURES / "cli.png", dpi=120)


if __name__ == "__main__":
    main()
