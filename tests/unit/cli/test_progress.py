import io
from typing import Any

import pytest

from tests.unit.cli.answers import an_answer
from tierfold.cli.progress import Progress, closing_lines, milliseconds, percent, ratio
from tierfold.cli.screen import Screen
from tierfold.context import (
    Document,
    DocumentSource,
    LeftOut,
    Message,
    MessagesSource,
    Part,
    QualityReport,
    Source,
    StageTiming,
    TextSource,
    Timing,
    Usage,
)


def lines_of(stream: io.StringIO) -> list[str]:
    return stream.getvalue().splitlines()


def test_every_stage_is_shown_once_as_it_lands() -> None:
    """The final answer repeats the last stage; its line does not."""
    stream = io.StringIO()
    answers = [
        an_answer("fast", final=False),
        an_answer("fast", "balanced"),
        an_answer("fast", "balanced"),
    ]

    last = Progress(Screen(stream)).follow(iter(answers))

    assert answers[-1] is last
    assert [line.split()[0] for line in lines_of(stream)] == ["fast", "balanced"]
    assert "1,000 of 20,000 tokens   quality  87 %     7.4 ms" in lines_of(stream)[0]


def test_what_comes_before_the_stages_is_shown_first() -> None:
    """Reading and indexing have lines of their own, once, so that the times add up."""
    stream = io.StringIO()
    timing = Timing(total_ms=110.0, cpu_ms=1.0, read_ms=60.0, index_ms=40.0, stages=())
    answers = [an_answer("fast", timing=timing), an_answer("fast", timing=timing)]

    Progress(Screen(stream)).follow(iter(answers))

    read, index, fast = lines_of(stream)
    assert read.split() == ["read", "20,000", "tokens", "60", "ms"]
    assert index.split() == ["index", "20,000", "tokens", "40", "ms"]
    assert read.index("tokens") == index.index("tokens") == fast.index("tokens")
    assert len(read) == len(index) == len(fast) + len("    40 ms")


def test_an_input_that_was_not_read_whole_is_said() -> None:
    """Under a short deadline only the newest part is read: the count is a guess, and says so."""
    usage = Usage(
        prompt_tokens=10,
        original_prompt_tokens=20_000,
        usd_net=0.0,
        cost_usd=0.0,
        original_is_estimate=True,
    )
    timing = Timing(total_ms=9.0, cpu_ms=1.0, read_ms=5.0, stages=())
    stream = io.StringIO()
    progress = Progress(Screen(stream))

    progress.show(an_answer(usage=usage, timing=timing))
    progress.close(an_answer(usage=usage, timing=timing))

    first, closing, advice = lines_of(stream)
    assert first.split() == ["read", "newest", "part", "5.0", "ms"]
    assert closing.startswith("  about 20,000 -> 10 tokens")
    assert "give more --deadline" in advice


@pytest.mark.parametrize(
    "source",
    [
        TextSource(text=" […] "),
        DocumentSource(document=Document(parts=(Part(text="[…]"),))),
        MessagesSource(messages=(Message(role="user", content="[…]", raw={}),)),
    ],
)
def test_an_empty_answer_is_said(source: Source) -> None:
    """Markers alone are no text: nothing fitted, and a larger budget is what helps."""
    gone = LeftOut(source=0, message=None, part=None, start=0, end=9, tokens=3)
    wanted = QualityReport(expected=0.0, floor=0.0, p_floor=1.0, floor_met=True)

    def said(**changes: Any) -> str:
        return closing_lines(an_answer(sources=(source,), **changes), Screen(None))[-1]

    assert "nothing of the input fits" in said(left_out=(gone,))
    assert "nothing of the input fits" not in said(left_out=())
    assert "nothing of the input fits" not in said(left_out=(gone,), quality=wanted)


def test_stage_lines_are_aligned() -> None:
    """Columns stand below each other, whatever the names and counts are."""
    stream = io.StringIO()
    Progress(Screen(stream)).show(an_answer("fast", "high_quality"))

    first, second = lines_of(stream)

    assert first.index("tokens") == second.index("tokens")
    assert len(first) == len(second)


def test_a_stage_without_a_timing_is_still_shown() -> None:
    """An answer whose timings were dropped shows its stages without a time."""
    stream = io.StringIO()
    bare = an_answer("fast", timing=Timing(total_ms=1.0, cpu_ms=1.0, stages=()))
    Progress(Screen(stream)).show(bare)

    assert "ms" not in lines_of(stream)[0]


def test_the_closing_line_has_all_the_figures() -> None:
    """Before, after, ratio, quality, time and why it stopped stand in one line."""
    (line,) = closing_lines(an_answer("fast"), Screen(None))

    assert line == (
        "  20,000 -> 1,000 tokens (5.0 %, 20.0x smaller), quality 87 %, 74 ms, "
        "stopped: last_stage (no stage is left)"
    )


@pytest.mark.parametrize(
    ("usd_net", "cost", "expected"),
    [
        (0.31, 0.006, "  saves $0.31 net a call (now $0.006000, CPU included)"),
        (-0.0001, 0.5, "  loses $0.000100 net a call (now $0.50, CPU included)"),
    ],
)
def test_money_is_net_and_may_be_lost(usd_net: float, cost: float, expected: str) -> None:
    """With a price the line says what a call saves or loses."""
    usage = Usage(prompt_tokens=1, original_prompt_tokens=2, usd_net=usd_net, cost_usd=cost)

    assert expected == closing_lines(an_answer("fast", usage=usage), Screen(None), priced=True)[1]


def test_a_missed_floor_is_said_with_what_helps() -> None:
    """The floor is no error, but nobody overlooks it."""
    missed = QualityReport(expected=0.874, floor=0.9, p_floor=0.2, floor_met=False)

    lines = closing_lines(an_answer("fast", quality=missed), Screen(None))

    assert "floor not met: expected 87 % of the evidence, asked 90 %" in lines[-1]


def test_figures_are_never_rounded_to_all() -> None:
    """99.96 % is not everything."""
    assert percent(0.9996) == "99 %"
    assert percent(1.0) == "100 %"
    assert percent(0.29) == "29 %"


def test_nothing_left_out_is_no_ratio() -> None:
    """An input that fits is all kept, also an empty one."""
    assert ratio(10, 10) == "all kept"
    assert ratio(0, 0) == "all kept"
    assert ratio(10, 0) == "0.0 %, 10.0x smaller"


def test_short_times_keep_a_decimal() -> None:
    """Two digits tell times apart; more are noise."""
    assert [milliseconds(ms) for ms in (7.41, 74.2, 1240.4)] == ["7.4 ms", "74 ms", "1,240 ms"]


def test_stage_times_are_those_of_the_answer() -> None:
    """Every line carries the time of its own stage."""
    stream = io.StringIO()
    timings = tuple(
        StageTiming(stage=s, predicted_ms=1.0, ms=ms) for s, ms in (("a", 5.0), ("b", 50.0))
    )
    Progress(Screen(stream)).show(
        an_answer("a", "b", timing=Timing(total_ms=55.0, cpu_ms=1.0, stages=timings))
    )

    assert [line[-9:].strip() for line in lines_of(stream)] == ["5.0 ms", "50 ms"]
