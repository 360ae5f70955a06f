import pytest

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


def test_a_bench_that_failed_meets_no_target() -> None:
    """A crash must not read like a figure."""
    lines = list(table_of_targets({"http": None}, {}, has_data=True))

    assert len(lines) == len(TARGETS) + 2
    assert all("not measured" in line for line in lines[2:])
