"""A source that grows at its end is read on, not anew."""

from typing import Any

import numpy as np
import pytest

from tierfold.config import Limits
from tierfold.context import Document, DocumentSource, Message, MessagesSource, Part, ToolCall
from tierfold.errors import InvalidInputError, TooLargeError
from tierfold.text import Intake, Pieces, cut, gather, read, read_more


def _row(role: str, content: str, **fields: Any) -> Message:
    return Message(**({"role": role, "content": content, "raw": {"role": role}} | fields))


def _grown(*messages: Message, known: int) -> Intake:
    before = read((MessagesSource(messages=messages[:known]),), tokenizer="o200k", strict=False)
    return read_more(before, MessagesSource(messages=messages), known=known, tokenizer="o200k")


def _pinned(intake: Intake) -> list[str]:
    return [intake.units.unit(unit) for unit in np.flatnonzero(intake.units.pinned).tolist()]


def test_a_row_that_is_no_longer_the_last_question_keeps_what_its_marks_keep() -> None:
    """Verbatim moves on to the new user row; keep marks in the old one go on to hold."""
    first = _row(
        "user", "Nobody needs this sentence any more. <keep>But this one.</keep> Nor this."
    )
    intake = _grown(first, _row("user", "And now?"), known=1)

    assert _pinned(intake) == [" <keep>But this one.</keep>", "And now?"]
    assert [block.pinned for block in intake.blocks] == [False, True]


def test_a_call_that_got_its_result_is_no_longer_verbatim() -> None:
    """An open call stays whole; once answered it may be left out with its result."""
    call = _row("assistant", "I look.", tool_calls=(ToolCall(id="a", name="f", arguments="{}"),))
    result = _row("tool", "Found <keep>it</keep>.", tool_call_id="a")
    intake = _grown(_row("user", "Look!"), call, result, known=2)

    assert _pinned(intake) == ["Look!"]  # a tool's marks never spend the budget
    assert intake.row_is_pinned.tolist() == [True, False, False]
    assert intake.rows[1].frame == intake.rows[2].frame


def test_old_units_are_not_cut_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cost of an append is that of what is appended."""
    seen: list[str] = []
    source = MessagesSource(messages=(_row("user", "old words"), _row("user", "new words")))
    before = read((MessagesSource(messages=source.messages[:1]),), tokenizer="o200k")

    def watched(text: str, *, whole: bool) -> Pieces:
        seen.append(text)
        return cut(text, whole=whole)

    monkeypatch.setattr(gather, "cut", watched)
    read_more(before, source, known=1, tokenizer="o200k")

    assert seen == ["new words"]


def test_the_shorter_intake_stays_as_it_was() -> None:
    """Two futures may grow from one past."""
    first, second = _row("user", "a question"), _row("user", "another")
    before = read((MessagesSource(messages=(first,)),), tokenizer="o200k")
    longer = MessagesSource(messages=(first, second))
    one = read_more(before, longer, known=1, tokenizer="o200k")
    other = read_more(before, longer, known=1, tokenizer="o200k")

    assert before.row_is_pinned.tolist() == [True]
    assert len(before.rows) == 1
    assert one.tokens == other.tokens
    assert one.units.titles == other.units.titles


def test_an_open_stretch_of_blanks_is_counted_with_what_follows() -> None:
    """White space at the end of the old parts may belong to a token that begins behind it."""
    parts = (Part(text="word\n"), Part(text="   "), Part(text="  more"), Part(text="/slash"))
    for known in range(len(parts)):
        before = read((DocumentSource(document=Document(parts=parts[:known])),), tokenizer="o200k")
        source = DocumentSource(document=Document(parts=parts))
        grown = read_more(before, source, known=known, tokenizer="o200k")
        assert grown.tokens == read((source,), tokenizer="o200k").tokens


def test_limits_and_roles_hold_for_what_is_appended() -> None:
    """A longer chat is refused where a fresh one would be."""
    rows = (_row("user", "one"), _row("user", "two"))
    before = read((MessagesSource(messages=rows[:1]),), tokenizer="o200k")

    with pytest.raises(TooLargeError):
        read_more(
            before,
            MessagesSource(messages=rows),
            known=1,
            tokenizer="o200k",
            limits=Limits(messages_max=1),
        )
    stranger = MessagesSource(messages=(rows[0], _row("stranger", "hello")))
    with pytest.raises(InvalidInputError, match="unknown role"):
        read_more(before, stranger, known=1, tokenizer="o200k")
