"""All benches, one after another; writes docs/numbers.md.

`python -m benchmarks [--data ../shared/data] [--quick]`
"""

import datetime as dt
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from benchmarks.meter import Options, parse, parser, say
from benchmarks.targets import table_of_targets

BENCHES = (
    "quality",
    "latency",
    "selection",
    "cli",
    "http",
    "codecs",
    "storage",
    "durability",
    "stored",
    "search",
    "sharing",
    "cache",
    "tiers",
)
NUMBERS = Path("docs/numbers.md")
TIMEOUT_S = 1800
Figures = Mapping[str, Mapping[str, Any] | None]
_HEADING = """# Numbers

Written by `make bench`; edit the benches, not this page.
Timings are ratios within one run, and absolute figures are of the machine named below.
Whole commands that are timed by hand stand in [commands](commands.md).
"""


def main() -> None:
    """Run every bench and write the page."""
    options = parse(parser(__doc__))
    head = [_HEADING, _machine()]
    figures = {name: _run(name, options) for name in BENCHES}
    page = "\n".join([*head, *_targets(options, figures), *_sections(options, figures)])
    if options.quick:
        say(*_targets(options, figures), sep="\n")
        say(f"--quick leaves {NUMBERS} as it is")
    else:
        NUMBERS.write_text(page, "utf-8")
        say(f"written: {NUMBERS}")
    sys.exit(int(None in figures.values()))


def _machine() -> str:
    cores, load = os.cpu_count(), os.getloadavg()[0]
    today = dt.datetime.now(tz=dt.UTC).date()
    return (
        f"{today}, {cores} cores, {platform.machine()}, Python {platform.python_version()}, "
        f"load {load:.1f} at the start.\n"
    )


def _command(name: str, options: Options) -> list[str]:
    command = ["-m", f"benchmarks.{name}"]
    if options.data is not None:
        command += ["--data", str(options.data)]
    return [*command, "--quick"] if options.quick else command


def _run(name: str, options: Options) -> Mapping[str, Any] | None:
    say(f"== {name}")
    done = subprocess.run(
        [sys.executable, *_command(name, options)],
        stdout=subprocess.PIPE,
        timeout=TIMEOUT_S,
        check=False,
    )
    lines = done.stdout.decode().splitlines()
    say(*lines, sep="\n")
    if done.returncode or not lines:
        return None
    figures: dict[str, Any] = orjson.loads(lines[-1])
    return figures


def _targets(options: Options, figures: Figures) -> Iterator[str]:
    yield "## Targets\n"
    commands = {name: f"python {' '.join(_command(name, options))}" for name in BENCHES}
    yield from table_of_targets(figures, commands, has_data=options.data is not None)
    yield ""


def _sections(options: Options, figures: Figures) -> Iterator[str]:
    for name, found in figures.items():
        yield _section(name, options, found)


def _section(name: str, options: Options, figures: Mapping[str, Any] | None) -> str:
    rows = [f"\n## {name}\n", f"`python {' '.join(_command(name, options))}`\n"]
    if figures is None:
        return "\n".join([*rows, "The bench failed.\n"])
    rows += ["| figure | value |", "|---|---|"]
    rows += [f"| {key} | {_shown(value)} |" for key, value in figures.items()]
    return "\n".join([*rows, ""])


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_shown(each)}" for key, each in value.items())
    return "null" if value is None else str(value)


if __name__ == "__main__":
    main()
