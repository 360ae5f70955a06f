"""`tierfold simulate cache`: what eviction policies make of a trace."""

import argparse
import sys
from collections.abc import Iterator, Sequence

from tierfold.cli.arguments import typed
from tierfold.cli.exits import Exit
from tierfold.cli.output import json_bytes, lines
from tierfold.cli.quantities import share_or_size
from tierfold.cli.screen import Screen, stderr
from tierfold.cli.simulate_plot import require_plot, save_plot
from tierfold.cli.simulate_progress import ProgressBar
from tierfold.cli.simulate_table import as_text
from tierfold.cli.writing import to_stdout
from tierfold.errors import InvalidInputError
from tierfold.sim.cells import Cell, cells, sized_cell
from tierfold.sim.comparison import REFERENCES, Comparison, body
from tierfold.sim.contestants import contestants, require_known
from tierfold.sim.generated import DEMONSTRATION
from tierfold.sim.parallel import Task, replays
from tierfold.sim.sources import Source
from tierfold.sim.trace import Trace

_ACCESSES_TO_SHARE = 2_000_000  # fewer are replayed before another process has started
_SIZES_MAX = 20

_EXAMPLES = """\
examples:
  tierfold simulate cache --trace accesses.csv
  tierfold simulate cache --trace accesses.parquet --policy arc --size 1% --size 64MiB
  tierfold simulate cache --json --plot misses.html

The trace is CSV or Parquet with the columns time, key and size (bytes; 1 for objects of one size).
LRU and the clairvoyant bound (belady) are always replayed too: what can be gained lies between.
"""


def command(argv: list[str]) -> int:
    """Replay a trace through policies and print what they missed."""
    found = _parser().parse_args(argv)
    policies = _policies(found.policy)
    if found.plot is not None:
        require_plot(found.plot)
    screen = stderr(quiet=found.quiet)
    source = _source(found.trace, screen)
    trace = source.read()
    chosen = _cells(trace, found.size)
    comparisons = _compared(source, chosen, policies, is_quiet=found.quiet)
    for problem in _problems(comparisons):
        screen.line(screen.paint(problem, "yellow"))
    if found.json:
        to_stdout([json_bytes(body(trace, comparisons))])
    else:
        to_stdout(lines(as_text(trace, comparisons, Screen(sys.stdout))))
    if found.plot is not None:
        save_plot(found.plot, trace, comparisons)
        screen.line(f"picture: {found.plot}")
    return Exit.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tierfold simulate",
        description="Replay what happened through the decisions that tierfold makes.",
        allow_abbrev=False,
    )
    kinds = parser.add_subparsers(required=True, metavar="cache")
    cache = kinds.add_parser(
        "cache",
        help="eviction policies on a trace of accesses",
        description="Replay a trace of accesses through eviction policies of several cache sizes.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    cache.add_argument("--trace", metavar="FILE", help="CSV or Parquet (default: a generated one)")
    cache.add_argument(
        "--policy",
        action="append",
        metavar="NAME",
        help=f"one of {', '.join(contestants())}, or all (the default); may be repeated",
    )
    cache.add_argument(
        "--size",
        action="append",
        type=typed(share_or_size),
        metavar="SIZE",
        help="of the cache: 1%% of the footprint, 64MiB (default: .1%%, 1%% and 10%%); repeatable",
    )
    cache.add_argument("--plot", metavar="FILE", help="draw misses over cache size: .html or .png")
    cache.add_argument("--json", action="store_true", help="one JSON object on stdout")
    cache.add_argument("-q", "--quiet", action="store_true", help="no lines but errors")
    return parser


def _policies(named: Sequence[str] | None) -> tuple[str, ...]:
    """Return each asked for once, and the two that the others are measured by."""
    asked = named or ("all",)
    if "all" in asked:
        return contestants()
    for name in asked:
        require_known(name, path="--policy")
    return tuple(dict.fromkeys((*asked, *REFERENCES)))


def _source(file: str | None, screen: Screen) -> Source:
    if file is not None:
        return Source(file=file)
    screen.line(f"no --trace: a generated one, {DEMONSTRATION} (conversations that grow)")
    return Source(kind=DEMONSTRATION)


def _cells(trace: Trace, sizes: Sequence[tuple[float, bool]] | None) -> tuple[Cell, ...]:
    if sizes is None:
        return cells(trace) or (sized_cell(trace, max(1, trace.footprint_bytes // 10)),)
    if len(sizes) > _SIZES_MAX:
        problem = f"{len(sizes)} sizes; give at most {_SIZES_MAX}"
        raise InvalidInputError(problem, path="--size")
    wanted = [
        int(amount * trace.footprint_bytes) if is_share else int(amount)
        for amount, is_share in sizes
    ]
    if min(wanted) < 1:
        problem = f"less than a byte of this trace's footprint of {trace.footprint_bytes:,}"
        raise InvalidInputError(problem, path="--size")
    return tuple(sized_cell(trace, each) for each in dict.fromkeys(wanted))


def _problems(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Yield what failed in a policy that went on without it."""
    for found in comparisons:
        for each in found.replays:
            if each.problem:
                yield f"{each.policy}, cache of {found.cell.bytes_max:,} B: {each.problem}"


def _compared(
    source: Source, chosen: Sequence[Cell], policies: Sequence[str], *, is_quiet: bool
) -> list[Comparison]:
    """Replay everything: here, or in several processes where that is worth their start."""
    tasks = [
        Task(source=source, policy=name, bytes_max=cell.bytes_max, is_weighed=True)
        for cell in chosen
        for name in policies
    ]
    total = len(tasks) * len(source.read())
    workers = 1 if total < _ACCESSES_TO_SHARE else None
    with ProgressBar(total, is_quiet=is_quiet) as shown:
        found = iter(list(replays(tasks, workers=workers, progress=shown.advance)))
    return [Comparison.of(cell, [next(found) for _ in policies]) for cell in chosen]
