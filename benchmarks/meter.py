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
    """Print the last line: one JSON object of figures; what is not finite becomes null.

    A null says why: whoever reads the line must not guess whether it failed or was not asked for.
    """
    plain = {key: _plain(value) for key, value in figures.items()}
    nulls = [key for key, value in plain.items() if value is None and key != "why"]
    if nulls and not plain.get("why"):
        plain["why"] = f"not a finite number in this run: {', '.join(nulls)}"
    say(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS).decode())


def null(why: str, *keys: str) -> dict[str, Any]:
    """Return figures that could not be measured; `joined` keeps the reasons of several."""
    return {**dict.fromkeys(keys), "why": f"{', '.join(keys)}: {why}"}


def joined(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of all parts with every `why`."""
    reasons = [part["why"] for part in parts if part.get("why")]
    merged = {key: value for part in parts for key, value in part.items()}
    return merged | ({"why": "; ".join(reasons)} if reasons else {})


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
