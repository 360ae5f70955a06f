"""Columns and figures for people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierfold.cli.table import aligned, bar, counted, duration, printable, size


@pytest.mark.parametrize(
    ("size_bytes", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (9_949, "9.9 kB"),
        (9_950, "10 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (12_345_678_901, "12 GB"),
        (12_345_678_901_234, "12,346 GB"),
    ],
)
def test_a_size_has_two_digits_that_count(size_bytes: int, shown: str) -> None:
    """As people say it, in thousands."""
    assert size(size_bytes) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-1, "0 s"), (89, "89 s"), (90, "2 min"), (5_400, "2 h"), (200_000, "2 d"), (1e8, "1,157 d")],
)
def test_a_duration_is_one_number(seconds: float, shown: str) -> None:
    """An age is compared, not added up."""
    assert duration(seconds) == shown


def test_counts_and_bars() -> None:
    """One is one, and a bar is never longer than its place."""
    assert (counted(1, "row"), counted(2_000, "row")) == ("1 row", "2,000 rows")
    assert (bar(0.5, 4), bar(7, 4), bar(-1, 4)) == ("██░░", "████", "░░░░")


@given(st.text())
def test_what_is_shown_moves_no_cursor(text: str) -> None:
    """A stored text cannot write outside its cell."""
    assert printable(text).isprintable()
    assert len(printable(text)) == len(text)


@given(
    st.integers(1, 4).flatmap(
        lambda columns: st.lists(
            st.lists(st.text(max_size=30), min_size=columns, max_size=columns), max_size=5
        )
    )
)
def test_columns_stand_under_each_other(rows: list[list[str]]) -> None:
    """Every row is a line, only the last column is ever cut."""
    lines = aligned(rows, width=40)

    assert len(lines) == len(rows)
    for line, row in zip(lines, rows, strict=True):
        assert line.isprintable()
        assert line.startswith("  ".join(printable(cell) for cell in row[:1])[:1].strip())
        for cell in row[:-1]:
            assert printable(cell).strip() in line


def test_the_last_column_is_cut_where_the_line_would_be_too_long() -> None:
    """And shows that it was."""
    (line,) = aligned([["a", "b" * 100]], width=30)
    assert line == "a  " + "b" * 26 + "…"
