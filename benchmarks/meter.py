"""What every bench shares: options, tables for people, one JSON object for machines."""

import argparse
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

PICTURES = Path("build/bench")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What every bench can be told."""

    data: Path | None
    quick: bool
    rest: argparse.Namespace


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser that knows the options every bench has."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--data", type=Path, help="folder with the real sets")
    made.add_argument("--quick", action="store_true", help="the same on a smaller part, under 50 s")
    return made


def parse(made: argparse.ArgumentParser, arguments: Sequence[str] | None = None) -> Options:
    """Return the options; a missing folder is refused here."""
    known = made.parse_args(arguments)
    if known.data is not None and not known.data.is_dir():
        made.error(f"--data {known.data}: no such folder")
    return Options(data=known.data, quick=known.quick, rest=known)


def say(*words: object, sep: str = " ") -> None:
    """Print a line for people."""
    sys.stdout.write(sep.join(str(word) for word in words) + "\n")


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table, numbers to three places."""
    lines = [[_cell(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        say("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))
    say()


def finish(figures: Mapping[str, Any]) -> None:
    """Print the last line: one JSON object of figures; what is not finite becomes null."""
    say(orjson.dumps(_plain(figures), option=orjson.OPT_SORT_KEYS).decode())


def clustered_interval(
    values: np.ndarray[Any, np.dtype[np.float64]], clusters: Sequence[str], *, seed: int = 7
) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the mean, drawing whole clusters."""
    names = sorted(set(clusters))
    index = {name: i for i, name in enumerate(names)}
    member = np.array([index[name] for name in clusters])
    sums = np.bincount(member, weights=values, minlength=len(names))
    counts = np.bincount(member, minlength=len(names))
    draws = np.random.default_rng(seed).integers(0, len(names), (2000, len(names)))
    means = sums[draws].sum(axis=1) / counts[draws].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def _cell(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float | np.floating):
        return round(float(value), 5) if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
