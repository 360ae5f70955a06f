from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierfold.cli.quantities import duration_ms, lifetime_s, real, share, size_bytes, whole

PARSERS = [duration_ms, size_bytes, whole, real, share]


def said(parse: Callable[[str], float], text: str) -> float | str:
    try:
        return parse(text)
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("200ms", 200.0), ("1.5s", 1500.0), (".2s", 200.0), ("2min", 120_000.0), (" 5 ms ", 5.0)],
)
def test_durations_name_their_unit(text: str, expected: float) -> None:
    """A duration is a number and a unit, in any of the usual spellings."""
    assert expected == duration_ms(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("64MB", 64_000_000),
        ("64MiB", 67_108_864),
        ("65536", 65_536),
        ("1.5kB", 1_500),
        ("1GiB", 1 << 30),
    ],
)
def test_sizes_tell_thousands_from_1024s(text: str, expected: int) -> None:
    """MB is a million bytes, MiB is 1024 x 1024, a bare number is bytes."""
    assert expected == size_bytes(text)


@pytest.mark.parametrize(
    "text", ["5", "ms", "-5ms", "5 hours", "nan", "infs", "1e3ms", "\u0665ms", ""]
)
def test_a_duration_without_number_or_unit_is_refused(text: str) -> None:
    """Nobody has to guess whether 5 is seconds or milliseconds."""
    with pytest.raises(ValueError, match=r"200ms or 1\.5s"):
        duration_ms(text)


@pytest.mark.parametrize("text", ["64mb", "-1", "MB", "1e9", "64 Mbit", ""])
def test_a_size_without_number_or_known_unit_is_refused(text: str) -> None:
    """A misspelt unit is no size."""
    with pytest.raises(ValueError, match="64MB or 64MiB"):
        size_bytes(text)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999", "ninety", "9" * 50])
def test_a_number_is_finite_and_short(text: str) -> None:
    """What no budget can mean is refused where it was typed."""
    with pytest.raises(ValueError, match="say a number"):
        real(text)


@pytest.mark.parametrize(("text", "expected"), [(".9", 0.9), ("90%", 0.9), (" 12.5 % ", 0.125)])
def test_a_share_may_be_in_percent(text: str, expected: float) -> None:
    """What people call 90 % is .9."""
    assert share(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["%", "nan%", "90%%", "all", "9" * 50])
def test_a_share_is_a_number(text: str) -> None:
    """All else is refused with both forms that work."""
    with pytest.raises(ValueError, match=r"say a share, as \.9 or 90%"):
        share(text)


@pytest.mark.parametrize("text", ["2.5", "1e3", "two", "9" * 5_000])
def test_a_count_is_a_whole_number(text: str) -> None:
    """Tokens cannot be halved, and a novel of digits is no number."""
    with pytest.raises(ValueError, match="say a whole number"):
        whole(text)


@given(st.text())
def test_any_text_is_a_number_or_a_sentence(text: str) -> None:
    """A parser never ends in anything but a number or a short ValueError."""
    for parse in PARSERS:
        value = said(parse, text)
        if isinstance(value, str):
            assert value.startswith("say a")
            assert len(value) < 400


@given(st.integers(0, 10**9))
def test_units_agree_with_each_other(count: int) -> None:
    """The same amount in another unit is the same value."""
    assert size_bytes(f"{count}KiB") == size_bytes(f"{count * 1024}B")
    assert duration_ms(f"{count}s") == pytest.approx(duration_ms(f"{count * 1000}ms"))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30d", 2_592_000.0), ("1.5h", 5_400.0), ("90min", 5_400.0), ("45 s", 45.0), ("0", 0.0)],
)
def test_a_life_is_counted_in_days_and_hours(text: str, seconds: float) -> None:
    """Zero needs no unit: it is for ever."""
    assert lifetime_s(text) == seconds
