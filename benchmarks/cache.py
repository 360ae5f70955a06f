"""Eviction policies on traces: the gap to the clairvoyant bound, regret, speed.

`python -m benchmarks.cache [--data DIR] [--quick]`. Every trace runs at .1, 1 and 10 % of its
footprint where the cache then holds enough to tell policies apart. Without `--data` the traces are
generated; with it they are all Parquet files below DIR/cache, the generated ones beside them.
Regret is of `adaptive` against the best of all fixed policies; beside it, of its own experts.
`semantic` is left out but for its speed: these traces carry no questions, without which it is LRU.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.cache_handbook import difference, shown_differences
from benchmarks.cache_speed import speeds
from benchmarks.meter import Options, finish, joined, null, parse, parser, say, table
from benchmarks.pictures import draw
from tierfold.memory.adaptive import EXPERTS
from tierfold.sim import belady
from tierfold.sim.cells import SHARES, Cell, cells
from tierfold.sim.comparison import FLOOR, Comparison
from tierfold.sim.contestants import BUILDERS
from tierfold.sim.generated import KINDS
from tierfold.sim.parallel import Task, replays
from tierfold.sim.scores import Regret, gap_closed
from tierfold.sim.sources import Source

GENERATED_ACCESSES = 100_000
QUICK_ACCESSES = 240_000  # of all traces together
SHARES_QUICK = (0.01, 0.1)
OBJECTS_JUDGED_MIN = 100  # a cell that holds fewer says little of a selector's choice
SELECTOR = "adaptive"
UNASKED = "semantic"
KEYS = ("gap_closed", "regret_mean_points", "cells_within_1pct", "regret_max_pct")


def main() -> None:
    """Measure and print."""
    options = parse(parser(__doc__))
    speed = speeds(options)
    say("generated traces")
    own = compared(generated_sources(options), options)
    parts: list[Mapping[str, Any]] = [named("generated", figures(own))]
    judged = own
    if options.data is not None:
        say("real traces")
        judged = compared(data_sources(options.data, options), options)
    parts = [counted(judged, options), *parts, speed]
    picture(judged)
    finish(joined(*parts))


def generated_sources(options: Options) -> list[Source]:
    """Return one trace of each kind."""
    count = QUICK_ACCESSES // len(KINDS) // 2 if options.quick else GENERATED_ACCESSES
    return [Source(kind=kind, accesses=count, seed=1) for kind in KINDS]


def data_sources(folder: Path, options: Options) -> list[Source]:
    """Return every trace below the folder's `cache`, the largest file first."""
    files = sorted((folder / "cache").rglob("*.parquet"), key=lambda file: -file.stat().st_size)
    count = QUICK_ACCESSES // max(1, len(files)) if options.quick else None
    return [Source(file=str(file), accesses=count, is_lenient=True) for file in files]


def compared(sources: Iterable[Source], options: Options) -> list[Comparison]:
    """Replay every policy in every cell and print what they missed."""
    names = [*(name for name in BUILDERS if name != UNASKED), belady.NAME]
    shares = SHARES_QUICK if options.quick else SHARES
    chosen = [(source, cell) for source in sources for cell in cells(source.read(), shares)]
    tasks = [
        Task(source=source, policy=name, bytes_max=cell.bytes_max)
        for source, cell in chosen
        for name in names
    ]
    found = replays(tasks)
    made = [Comparison.of(cell, [next(found) for _ in names]) for _, cell in chosen]
    table(["trace", "size", *names], [_row(each, names) for each in made])
    problems = {one.problem for each in made for one in each.replays if one.problem}
    say(*(f"failed: {problem}" for problem in sorted(problems)), sep="\n")
    return made


def _row(found: Comparison, names: Sequence[str]) -> list[object]:
    ratios = found.miss_ratios()
    shown = [f"{ratios[name]:.4f}" for name in names]
    return [found.cell.trace, f"{found.cell.share:.1%}", *shown]


def counted(found: Sequence[Comparison], options: Options) -> Mapping[str, Any]:
    """Return the figures, or null where the real traces do not give what the handbook has."""
    made = figures(found)
    if options.data is None or options.quick:
        return made
    shown_differences(found)
    off = difference(found)
    if off is not None:
        return joined({k: v for k, v in made.items() if k not in KEYS}, null(off, *KEYS))
    return made


def figures(found: Sequence[Comparison]) -> dict[str, Any]:
    """Return gap and regret of the selector, and the gap of every policy."""
    ratios = [each.miss_ratios() for each in found]
    if not ratios:
        return null("no cell was large enough to run", *KEYS)
    names = [name for name in ratios[0] if name != belady.NAME]
    gaps = {name: gap_closed(ratios, name, floor=FLOOR, bound=belady.NAME) for name in names}
    general = {
        "cells": len(ratios),
        "cells_with_a_problem": sum(any(one.problem for one in each.replays) for each in found),
        "gap_closed_by_policy": gaps,
        "misses_mean": {
            name: sum(cell[name] for cell in ratios) / len(ratios) for name in (*names, belady.NAME)
        },
    }
    if SELECTOR not in names:
        return joined(general, null(f"there is no policy {SELECTOR}", *KEYS))
    return general | {"gap_closed": gaps[SELECTOR]} | _regret(found, names)


def _regret(found: Sequence[Comparison], names: Sequence[str]) -> dict[str, Any]:
    judged = [each.miss_ratios() for each in found if _is_judged(each.cell)]
    regret = Regret.over(judged, SELECTOR, [name for name in names if name != SELECTOR])
    of_own = Regret.over(judged, SELECTOR, [name for name in names if name in EXPERTS])
    return {
        "cells_judged": regret.cells,
        "regret_mean_points": regret.mean_points,
        "regret_max_points": regret.max_points,
        "regret_max_pct": regret.max_pct,
        "cells_within_1pct": regret.within_1pct,
        "regret_of_experts_mean_points": of_own.mean_points,
        "regret_of_experts_max_pct": of_own.max_pct,
    }


def _is_judged(cell: Cell) -> bool:
    return cell.objects >= OBJECTS_JUDGED_MIN


def named(prefix: str, made: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures under names of their own; their reason for a null stays one."""
    return {key if key == "why" else f"{prefix}_{key}": value for key, value in made.items()}


def picture(found: Sequence[Comparison]) -> None:
    """Draw what is missed in every cell: LRU, the best fixed policy, the selector, the bound."""
    ratios = sorted((each.miss_ratios() for each in found), key=lambda cell: -cell[FLOOR])
    places = range(1, len(ratios) + 1)
    fixed = [name for name in ratios[0] if name not in {SELECTOR, belady.NAME}] if ratios else []
    lines = {
        "LRU": (places, [cell[FLOOR] for cell in ratios]),
        "best fixed": (places, [min(cell[name] for name in fixed) for cell in ratios]),
        "bound": (places, [cell[belady.NAME] for cell in ratios]),
    }
    if ratios and SELECTOR in ratios[0]:
        lines[SELECTOR] = (places, [cell[SELECTOR] for cell in ratios])
    draw("cache", lines, x_label="cell, by what LRU misses", y_label="share missed")


if __name__ == "__main__":
    main()
