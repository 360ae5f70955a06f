from pathlib import Path
from typing import Any

import pytest

from benchmarks.remembered import Found, recalled, remember
from benchmarks.targets import TARGETS, table_of_targets


def verdict(key: str, figure: float | None) -> str:
    return next(target for target in TARGETS if target.key == key).verdict(figure)


@pytest.mark.parametrize(
    ("key", "figure", "expected"),
    [
        ("gain_10", 0.1, "met"),
        ("gain_10", 0.08, "missed by 0.02 (20%)"),
        ("gain_low_10", 0.0, "missed by 0"),
        ("cold_32k_vs_bm25s", 2.5, "missed by 0.5 (25%)"),
        ("errors", 0, "met"),
        ("errors", 3, "missed by 3"),
        ("livez_max_ms", None, "not measured"),
    ],
)
def test_a_verdict_says_by_how_much(key: str, figure: float | None, expected: str) -> None:
    """The page says met or missed without anybody judging it by hand."""
    assert verdict(key, figure) == expected


def run(**changes: Any) -> Found:
    known: dict[str, Any] = {
        "command": "python -m benchmarks.http",
        "day": "2026-11-24",
        "machine": "2 cores",
        "load": 0.1,
        "has_data": True,
        "figures": None,
    }
    return Found(**known | changes)


def test_a_bench_that_failed_meets_no_target() -> None:
    """A crash must not read like a figure."""
    lines = list(table_of_targets({"http": run()}))

    assert len(lines) == sum(target.bench == "http" for target in TARGETS) + 2
    assert all("not measured" in line for line in lines[2:])


def test_targets_on_the_real_sets_are_not_judged_without_them() -> None:
    """A figure on generated contexts says nothing of a target that is about real ones."""
    found = {"quality": run(has_data=False, figures={"gain_10": 0.5})}

    (line,) = (line for line in table_of_targets(found) if "`gain_10`" in line)

    assert "no target" in line


def test_a_run_is_recalled_as_it_was_remembered(tmp_path: Path) -> None:
    """What is not measured anew keeps its own day, machine and load."""
    found = run(figures={"errors": 0, "by_kind": {"chat": 0.5}, "gap": None})
    remember("http", found, tmp_path)

    assert recalled("http", tmp_path) == found
    assert recalled("latency", tmp_path) is None
