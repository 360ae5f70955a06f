import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierfold.cli.difference import difference
from tierfold.cli.screen import Screen
from tierfold.context import (
    Document,
    DocumentSource,
    LeftOut,
    Message,
    MessagesSource,
    Source,
    TextSource,
)
from tierfold.wire import parse_messages

PLAIN = Screen(None)
COUNT = re.compile(r" \([\d,]+ tokens?\)$")


def run(start: int, end: int, *, message: int | None = None, part: int | None = None) -> LeftOut:
    return LeftOut(source=0, message=message, part=part, start=start, end=end, tokens=end - start)


def shown(source: Source, *runs: LeftOut) -> list[str]:
    return list(difference(source, runs, PLAIN))


def dropped(index: int, message: Message) -> LeftOut:
    return run(0, sum(map(len, message.texts())), message=index)


def chat(*contents: object) -> MessagesSource:
    rows = [{"role": "user", "content": content} for content in contents]
    return MessagesSource(messages=parse_messages(rows))


def test_kept_text_is_plain_and_gaps_are_struck_with_their_count() -> None:
    """A gap shows what it was and what it cost, in its place."""
    text = "one\ntwo\nthree\n"

    assert shown(TextSource(text=text), run(4, 8)) == ["  one", "- two (4 tokens)", "  three"]


def test_a_long_gap_is_summarised() -> None:
    """A gap of many lines shows its ends and its size."""
    text = "".join(f"line {i}\n" for i in range(50))

    lines = shown(TextSource(text=text), run(0, len(text)))

    assert lines[:2] == ["- line 0", "- line 1"]
    assert lines[-1] == "- line 49"
    assert "47 more lines" in lines[2]
    assert len(lines) == 4


def test_a_line_without_end_is_clipped() -> None:
    """A gap of five megabytes in one line is shown by its ends."""
    lines = shown(TextSource(text="x" * 5_000_000), run(0, 5_000_000))

    assert max(map(len, lines)) < 200


def test_dropped_rows_are_named_and_a_run_of_them_is_summarised() -> None:
    """Rows that are gone are one line each, many of them three."""
    source = chat("first", *(f"gone {i}" for i in range(9)), "last")
    runs = [dropped(i, m) for i, m in enumerate(source.messages) if 0 < i < 10]

    lines = shown(source, *runs)

    assert lines[:3] == ["[0] user", "  first", "- [1] user, 6 tokens: gone 0"]
    assert "6 more rows, 54 tokens in all" in lines[4]
    assert lines[-2:] == ["[10] user", "  last"]


def test_a_few_dropped_rows_are_all_named() -> None:
    """Two lines are no reason for a summary."""
    source = chat("a", "b")

    lines = shown(source, *(dropped(i, m) for i, m in enumerate(source.messages)))

    assert lines == ["- [0] user, 1 token: a", "- [1] user, 1 token: b"]


def test_a_row_in_parts_shows_each_part_with_its_own_gaps() -> None:
    """A gap belongs to one part; an image is only named."""
    parts = [
        {"type": "text", "text": "keep DROP"},
        {"type": "image_url", "image_url": {"url": "data:x"}},
        {"type": "text", "text": "keep DROP"},
    ]
    source = chat(parts)

    lines = shown(source, run(5, 9, message=0, part=2))

    assert lines == [
        "[0] user",
        "  keep DROP",
        "  (image_url)",
        "  keep ",
        "- DROP (4 tokens)",
    ]


def test_tool_calls_are_shown() -> None:
    """A call has no text of its own, and is part of what was kept."""
    row = {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        ],
    }

    assert shown(MessagesSource(messages=parse_messages([row]))) == [
        "[0] assistant",
        "  calls f({})",
    ]


def test_a_document_has_no_difference_here() -> None:
    """The command reads texts and chats only."""
    with pytest.raises(AssertionError):
        shown(DocumentSource(document=Document(text="x")))


@given(st.lists(st.text("ab ", max_size=9), max_size=5), st.lists(st.integers(0, 50), max_size=8))
def test_every_character_is_shown_once_in_order(lines: list[str], cuts: list[int]) -> None:
    """Whatever is left out, each visible character stands once, kept or struck, in its place."""
    text = "\n".join(lines)
    borders = sorted({min(cut, len(text)) for cut in cuts})
    runs = [run(start, end) for start, end in zip(borders[::2], borders[1::2], strict=False)]

    seen = [COUNT.sub("", line) for line in shown(TextSource(text=text), *runs)]

    assert all(line.startswith(("  ", "-")) for line in seen)
    assert "".join("".join(line[2:] for line in seen).split()) == "".join(text.split())
