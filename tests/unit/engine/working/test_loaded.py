"""Working sets built whole and grown by appends are the same."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.engine.working.contexts import (
    PARTS,
    TEXTS,
    assert_same_loaded,
    bodies_of,
    built,
    chat,
    document,
    info_of,
    rows,
)
from tierfold.config import Settings
from tierfold.context import Budget, Markers, Message, Part, Request
from tierfold.context.canonical import text_items
from tierfold.context.manifest import Shape
from tierfold.engine import Engine, FakeClock
from tierfold.engine.contents import Contents
from tierfold.engine.working import Loaded, build, extended, message_of


def grown(contents: Contents, cuts: list[int], *, asks: bool) -> Loaded:
    """The working set of the first items, extended at each cut."""
    loaded = built(contents, count=cuts[0])
    for before, stop in zip(cuts, [*cuts[1:], len(contents.items)], strict=True):
        if asks:
            loaded.prepared.working().seal()
        bodies = bodies_of(contents.items[before:stop])
        loaded = extended(loaded, info_of(contents.shape, stop), bodies)
    return loaded


cut_lists = st.lists(st.integers(0, 14), min_size=1, max_size=3)


@given(messages=rows(), cuts=cut_lists, asks=st.booleans())
def test_a_chat_that_grew_equals_one_that_is_read_whole(
    messages: list[Message], cuts: list[int], *, asks: bool
) -> None:
    """The last user row moves on, open calls get results, and every array is a fresh read's."""
    contents = chat(messages)
    places = sorted(min(cut, len(messages)) for cut in cuts)

    assert_same_loaded(grown(contents, places, asks=asks), built(contents))


@given(parts=PARTS, cuts=cut_lists, asks=st.booleans())
def test_a_document_that_grew_equals_one_that_is_read_whole(
    parts: list[Part], cuts: list[int], *, asks: bool
) -> None:
    """Parts are one text: tokens that reach over the old end are counted again."""
    contents = document(parts)
    places = sorted(min(cut, len(parts)) for cut in cuts)

    assert_same_loaded(grown(contents, places, asks=asks), built(contents))


@given(texts=st.lists(TEXTS, max_size=8), cut=st.integers(0, 8))
def test_a_text_that_grew_equals_one_that_is_read_whole(texts: list[str], cut: int) -> None:
    """What is appended may change how all of a text is cut."""
    whole = [text for text in texts if text]
    items = tuple(item for text in whole for item in text_items(text))
    contents = Contents(shape=Shape.TEXT, items=items)

    assert_same_loaded(grown(contents, [min(cut, len(items))], asks=False), built(contents))


def test_a_new_title_is_read_with_what_is_appended() -> None:
    """A document is found by its title too, so old units are indexed again when it changes."""
    contents = document([Part(text="one. "), Part(text="two. ")])
    bodies = bodies_of(contents.items)
    before = built(contents, count=1, title="Bakery")
    after = extended(before, info_of(contents.shape, 2, title="Railway"), bodies[1:])

    assert_same_loaded(after, built(contents, title="Railway"))


def test_items_that_are_missing_are_noticed() -> None:
    """A working set is extended by exactly what was appended."""
    contents = document([Part(text="one. "), Part(text="two. ")])

    with pytest.raises(ValueError, match="2"):
        extended(built(contents, count=1), info_of(contents.shape, 2), ())


def ask_twice(loaded: Loaded) -> None:
    """Let a working set make what it keeps for the questions that follow."""
    engine, sources = Engine(settings=Settings(), clock=FakeClock()), loaded.prepared.sources
    markers: tuple[Markers, ...] = ("short", "none")
    for each in markers:
        request = Request(sources=sources, ask="row 7", budget=Budget(max_tokens=500), markers=each)
        engine.answer(request, prepared=loaded.prepared)


def test_the_size_is_about_what_is_held() -> None:
    """What the tiers count is near what the process really pays, or above it."""
    rows = [
        message_of({"role": "user", "content": f"Row {i} says a few words. " * 12})
        for i in range(400)
    ]
    contents = chat(rows)
    ask_twice(built(contents))  # words are known to the process from here on
    bodies = bodies_of(contents.items)
    tracemalloc.start()
    loaded = build(info_of(contents.shape, 400), bodies, tokenizer="o200k")
    ask_twice(loaded)
    held_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert 0.8 * held_bytes < loaded.size_bytes < 1.6 * held_bytes
    longer = extended(built(contents, count=300), loaded.info, bodies[300:])
    assert 0.8 * held_bytes < longer.size_bytes < 1.8 * held_bytes
