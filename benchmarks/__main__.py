"""All benches, one after another; writes docs/numbers.md.

`python -m benchmarks [--data ../shared/data] [--quick] [--only NAME]...`
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from benchmarks.meter import Options, parse, parser, say
from benchmarks.remembered import Found, began, command_of, recalled, remember
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
    "memory",
)
NUMBERS = Path("docs/numbers.md")
TIMEOUT_S = 1800
_HEADING = """# Numbers

Written by `make bench`; edit the benches, not this page.
Timings are ratios within one run, and absolute figures are of the machine named with them.
Whole commands that are timed by hand stand in [commands](commands.md).
"""


def main() -> None:
    """Run the benches and write the page; those that were not asked for stand as they were."""
    made = parser(__doc__)
    made.add_argument("--only", action="append", choices=BENCHES, help="this one; may be repeated")
    options = parse(made)
    asked = options.rest.only or BENCHES
    found = {name: _run(name, options) for name in BENCHES if name in asked}
    if options.quick:
        say(*table_of_targets(found), sep="\n")
        say(f"--quick leaves {NUMBERS} as it is")
    else:
        for name, each in found.items():
            remember(name, each)
        known = {name: recalled(name) for name in BENCHES}
        NUMBERS.write_text(_page({name: each for name, each in known.items() if each}), "utf-8")
        say(f"written: {NUMBERS}")
    sys.exit(int(any(each.figures is None for each in found.values())))


def _run(name: str, options: Options) -> Found:
    say(f"== {name}")
    found = began(name, options)
    done = subprocess.run(
        [sys.executable, *command_of(name, options)],
        stdout=subprocess.PIPE,
        timeout=TIMEOUT_S,
        check=False,
    )
    lines = done.stdout.decode().splitlines()
    say(*lines, sep="\n")
    if done.returncode or not lines:
        return found
    return replace(found, figures=orjson.loads(lines[-1]))


def _page(found: Mapping[str, Found]) -> str:
    rows = [_HEADING, "## Targets\n", *table_of_targets(found), ""]
    return "\n".join([*rows, *(_section(name, each) for name, each in found.items())])


def _section(name: str, found: Found) -> str:
    return "\n".join([f"\n## {name}\n", *_rows(found), ""])


def _rows(found: Found) -> Iterator[str]:
    yield f"`{found.command}`\n"
    yield f"{found.day}, {found.machine}, load {found.load} at the start.\n"
    if found.figures is None:
        yield "The bench failed."
        return
    yield "| figure | value |"
    yield "|---|---|"
    yield from (f"| {key} | {_shown(value)} |" for key, value in found.figures.items())


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_shown(each)}" for key, each in value.items())
    return "null" if value is None else str(value)


if __name__ == "__main__":
    main()
