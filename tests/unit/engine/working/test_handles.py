"""Handles: what an answer leaves out of a stored context comes back byte for byte."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.engine.working.contexts import (
    KEY,
    PARTS,
    QUESTION,
    TEXTS,
    bodies_of,
    built,
    chat,
    document,
    info_of,
    rows,
)
from tierfold.config import Settings
from tierfold.context import (
    Answer,
    Budget,
    Document,
    LeftOut,
    Markers,
    Message,
    Part,
    Request,
    TextSource,
)
from tierfold.context.handle import Handle, check_of
from tierfold.context.manifest import Shape
from tierfold.engine import Engine, FakeClock
from tierfold.engine.contents import Contents, document_contents, text_contents
from tierfold.engine.working import Loaded, bring_back, message_of
from tierfold.errors import BudgetTooSmallError, InvalidInputError, UnknownHandleError
from tierfold.processing import tokens_of
from tierfold.text import token_counter

ENGINE = Engine(settings=Settings(), clock=FakeClock())
HANDLE = re.compile(r"\[… (h_[A-Za-z0-9_-]+)\]")
shares = st.floats(0.05, 0.95)


def asked(loaded: Loaded, share: float, markers: Markers = "handles") -> Answer | None:
    """The answer inside a share of the tokens; None where not even the pinned units fit."""
    tokens = max(1, int(loaded.prepared.intake.tokens * share))
    request = Request(
        sources=loaded.prepared.sources,
        ask=QUESTION,
        budget=Budget(max_tokens=tokens),
        stages=("fast",),
        markers=markers,
    )
    try:
        answer = ENGINE.answer(request, prepared=loaded.prepared)
    except BudgetTooSmallError:
        return None
    assert answer.tokens <= tokens
    assert answer.tokens == tokens_of(answer.sources, token_counter("o200k"))
    return answer


def restored(contents: Contents, handle: str) -> str | list[dict[str, Any]]:
    """What a store reads for a handle."""
    found = Handle.decode(handle)
    assert found.digest == KEY.digest
    items = contents.items[found.first : found.first + found.count]
    return bring_back(handle, info_of(contents.shape, len(contents.items)), bodies_of(items))


def spans_of(run: LeftOut, loaded: Loaded) -> range:
    """Where a run stands among all characters of the context."""
    intake = loaded.prepared.intake
    index = next(
        index
        for index, block in enumerate(intake.blocks)
        if (block.origin.message, block.origin.part) == (run.message, run.part)
    )
    start = int(intake.block_start[index])
    return range(start + run.start, start + run.end)


def span_of(handle: str, loaded: Loaded) -> range:
    """Where the characters that a handle names stand among all of the context."""
    found, intake, places = Handle.decode(handle), loaded.prepared.intake, loaded.prepared.places
    items = range(found.first, found.first + found.count)
    if places is not None and places.shape is Shape.TEXT:
        start = int(places.item_start[found.first])
        return range(start + found.start, start + found.end)
    mine = [
        (int(start), len(block.text))
        for start, block in zip(intake.block_start, intake.blocks, strict=True)
        if (block.origin.message if intake.rows else block.origin.part) in items
        and (found.part is None or not intake.rows or block.origin.part == found.part)
    ]
    if not mine:
        return range(0)  # rows without any text
    first = mine[0][0]
    return range(first + found.start, first + found.end if found.end else sum(mine[-1]))


def assert_all_comes_back(contents: Contents, share: float) -> None:
    """Every run comes back by its handle, every marker names what its gap lacks and no more."""
    loaded = built(contents)
    answer = asked(loaded, share)
    if answer is None:
        return
    text = loaded.prepared.intake.units.text
    gone: set[int] = set()
    for run in answer.left_out:
        span = spans_of(run, loaded)
        gone.update(span)
        assert run.handle is not None
        assert restored(contents, run.handle) == text[span.start : span.stop]
    marked: set[int] = set()
    for handle in HANDLE.findall(answer.text):
        marked.update(span_of(handle, loaded))
    assert marked <= gone
    # Nothing stands in a text of which nothing is left, and an object marks but its first gap.
    if (answer.text or loaded.prepared.intake.rows) and "{" not in text:
        assert gone == marked


@given(messages=rows(), share=shares)
def test_what_is_left_out_of_a_chat_comes_back(messages: list[Message], share: float) -> None:
    """Every run has a handle, every marker one for its gap, and the budget stays hard."""
    assert_all_comes_back(chat(messages), share)


@given(parts=PARTS, share=shares)
def test_what_is_left_out_of_parts_comes_back(parts: list[Part], share: float) -> None:
    """A gap may reach over several parts; its handle brings back all of them."""
    assert_all_comes_back(document(parts), share)


@given(texts=st.lists(TEXTS, min_size=1, max_size=30), share=shares)
def test_what_is_left_out_of_a_text_comes_back(texts: list[str], share: float) -> None:
    """A gap may begin in one piece and end in another."""
    assert_all_comes_back(document_contents(Document(text="".join(texts))), share)


def test_a_gap_over_several_pieces_of_a_text_has_one_handle() -> None:
    """Characters are counted over the pieces joined."""
    text = "".join(f"Sentence number {i} of a long report says little.\n\n" for i in range(6000))
    contents = text_contents(text)
    loaded = built(contents)
    answer = asked(loaded, 0.001)

    assert len(contents.items) > 3
    assert answer is not None
    handles = HANDLE.findall(answer.text)
    assert max(Handle.decode(handle).count for handle in handles) > 1
    kept = HANDLE.split(answer.text)[::2]
    pieces = [restored(contents, handle) for handle in handles]
    assert sum(map(len, pieces)) + sum(len(piece.strip()) for piece in kept) <= len(text)
    assert all(isinstance(piece, str) and piece in text for piece in pieces)


def test_a_run_of_rows_comes_back_as_rows() -> None:
    """The row that stands for others brings all of them back, equal as JSON."""
    stored = [{"role": "user", "content": f"row {i} " + "says little " * 20} for i in range(20)]
    contents = chat([message_of(row) for row in stored])
    answer = asked(built(contents), 0.2)

    assert answer is not None
    found = [HANDLE.fullmatch(str(row["content"])) for row in answer.messages]
    runs = [restored(contents, match[1]) for match in found if match]
    gone = [row for run in runs if isinstance(run, list) for row in run]
    kept = [row for row, match in zip(answer.messages, found, strict=True) if not match]
    assert gone
    assert all(row in stored for row in gone)
    assert len(gone) + len(kept) == len(stored)


def test_rows_without_text_need_no_handles() -> None:
    """Where no characters can be left out, a budget still holds."""
    calls = [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    row = {"role": "assistant", "content": None, "tool_calls": calls}
    answer = asked(built(chat([message_of(row)] * 20)), 0.5)

    assert answer is not None
    assert answer.left_out == ()


def test_short_markers_come_with_handles_in_left_out() -> None:
    """Whatever stands in the text, the account says how to bring back what is gone."""
    contents = text_contents("A sentence of some words. " * 60)
    answer = asked(built(contents), 0.3, "short")

    assert answer is not None
    assert not HANDLE.search(answer.text)
    assert all(run.handle for run in answer.left_out)


def test_handles_need_a_stored_context() -> None:
    """Where nothing is stored, nothing could be brought back."""
    request = Request(
        sources=(TextSource(text="some words"),), budget=Budget(max_tokens=1), markers="handles"
    )

    with pytest.raises(InvalidInputError, match="stored context") as caught:
        ENGINE.answer(request)
    assert caught.value.path == "markers"


@pytest.mark.parametrize(
    "changes",
    [
        {"check": b"\x00" * 4},
        {"end": 9_999},
        {"part": 0},
    ],
)
def test_a_handle_that_was_made_up_brings_nothing_back(changes: dict[str, Any]) -> None:
    """The check is over the items' names, and places must exist."""
    contents = chat([message_of({"role": "user", "content": "a secret"})])
    whole = Handle(digest=KEY.digest, first=0, count=1, end=3, check=check_of(contents.names))
    assert restored(contents, whole.encode()) == "a s"
    handle = replace(whole, **changes).encode()

    with pytest.raises(UnknownHandleError):
        restored(contents, handle)


def test_a_text_inside_a_content_list_comes_back() -> None:
    """A handle names the part of the row; a part that is no text has nothing to give."""
    content = [{"type": "text", "text": "some words"}, {"type": "file", "file": {}}]
    contents = chat([message_of({"role": "user", "content": content})])
    check = check_of(contents.names)

    def handle(part: int) -> str:
        found = Handle(digest=KEY.digest, first=0, count=1, part=part, start=5, end=10, check=check)
        return found.encode()

    assert restored(contents, handle(0)) == "words"
    for part in (1, 2):
        with pytest.raises(UnknownHandleError):
            restored(contents, handle(part))


def test_all_of_some_parts_comes_back_as_text() -> None:
    """Parts joined are the document."""
    contents = document([Part(text="one. "), Part(text="two. "), Part(text="three.")])
    handle = Handle(
        digest=KEY.digest, first=1, count=2, check=check_of(contents.names[1:])
    ).encode()

    assert contents.shape is Shape.PARTS
    assert restored(contents, handle) == "two. three."
