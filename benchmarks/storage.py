"""The store in this process: bytes on disk, appends, reads by tier, memory, restart.

`python -m benchmarks.storage [--data DIR] [--quick]`. Histories are generated; `--data` adds the
agents' conversations of `sessions`. `--only` measures some parts: disk, rate, growth, reads, idle,
restart.
"""

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.meter import Options, finish, joined, null, parse, parser
from benchmarks.storage_appends import growth_figures, rate_figures
from benchmarks.storage_disk import disk_figures
from benchmarks.storage_memory import idle_figures, restart_figures
from benchmarks.storage_reads import read_figures

_KEYS: Mapping[str, tuple[str, ...]] = {
    "rate": ("append_vs_rocksdb",),
    "growth": ("append_growth_bytes", "append_growth_cpu", "head_bytes_max"),
    "reads": ("l0_read_us", "l1_first_vs_l3", "l1_second_ms"),
    "disk": ("tau_vs_raw", "swe_vs_raw", "all_vs_raw", "all_vs_zstd"),
    "idle": ("idle_context_bytes",),
    "restart": ("restart_100k_s",),
}


def main() -> None:
    """Measure and print."""
    made = parser(__doc__)
    made.add_argument("--only", nargs="+", choices=_KEYS, default=list(_KEYS))
    options = parse(made)
    finish(joined(*(_part(name, options) for name in _KEYS)))


def _part(name: str, options: Options) -> Mapping[str, Any]:
    if name not in _wanted(options.rest):
        return null("not asked for", *_KEYS[name])
    measures: Mapping[str, Callable[..., dict[str, Any]]] = {
        "rate": rate_figures,
        "growth": growth_figures,
        "reads": read_figures,
        "idle": idle_figures,
        "restart": restart_figures,
    }
    if name == "disk":
        return disk_figures(options)
    return measures[name](is_quick=options.quick)


def _wanted(options: argparse.Namespace) -> list[str]:
    wanted: list[str] = options.only
    return wanted


if __name__ == "__main__":
    main()
