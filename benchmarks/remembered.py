"""What each bench found last, and when: one file a bench, kept beside the page made of them."""

import datetime as dt
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from benchmarks.meter import Options

FIGURES = Path("docs/figures")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One run of one bench; no figures where it failed."""

    command: str
    day: str
    machine: str
    load: float  # of the machine when the bench began
    has_data: bool
    figures: Mapping[str, Any] | None


def began(name: str, options: Options) -> Found:
    """Return what is known of a run before it has figures."""
    cores = os.cpu_count()
    return Found(
        command=f"python {' '.join(command_of(name, options))}",
        day=str(dt.datetime.now(tz=dt.UTC).date()),
        machine=f"{cores} cores, {platform.machine()}, Python {platform.python_version()}",
        load=round(os.getloadavg()[0], 1),
        has_data=options.data is not None,
        figures=None,
    )


def command_of(name: str, options: Options) -> list[str]:
    """Return the arguments that run a bench."""
    command = ["-m", f"benchmarks.{name}"]
    if options.data is not None:
        command += ["--data", str(options.data)]
    return [*command, "--quick"] if options.quick else command


def remember(name: str, found: Found, folder: Path = FIGURES) -> None:
    """Keep a run in the place of the one before."""
    folder.mkdir(parents=True, exist_ok=True)
    data = orjson.dumps(asdict(found), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    (folder / f"{name}.json").write_bytes(data)


def recalled(name: str, folder: Path = FIGURES) -> Found | None:
    """Return the last run of a bench, or None."""
    file = folder / f"{name}.json"
    return Found(**orjson.loads(file.read_bytes())) if file.exists() else None
