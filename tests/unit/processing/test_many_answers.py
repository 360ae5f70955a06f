"""What one intake keeps between choices and answers never shows in them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.engine.working.contexts import built, chat, document, rows
from tierfold.context import Document, DocumentSource, Message, Part, Source, TextSource
from tierfold.processing import Assembler, Chooser, Prepared, left_out
from tierfold.processing import places as places_room
from tierfold.processing.left_out import LeftOutRuns
from tierfold.text import read, token_counter

SEEDS = st.lists(st.integers(0, 2**32 - 1), min_size=2, max_size=4)
SHARES = st.floats(0.05, 0.95)
_PARTS = tuple(Part(text=f"Part {i} says this. And that of {i}!\n") for i in range(9))
_LANES: tuple[Source, ...] = (
    TextSource(text="One line. Another one.\nA third, of more words.\n\nThe last.\n" * 4),
    DocumentSource(document=Document(title="parts", parts=_PARTS)),
    DocumentSource(document=Document(title="whole", text="Words of it. More words. " * 9)),
)


def assert_answers_do_not_depend_on_earlier_ones(
    prepared: Prepared, seeds: list[int], share: float
) -> None:
    """Choose a few times with what is kept, and each time without."""
    counter = token_counter("o200k")
    shared = Assembler(
        prepared.sources, prepared.intake, counter, markers="short", layout=prepared.layout
    )
    budget = max(
        Chooser(prepared.intake, shared).pinned_tokens, int(prepared.intake.tokens * share)
    )
    for seed in seeds:
        value = np.random.default_rng(seed).random(len(prepared.intake.units)).astype(np.float32)
        fresh = Assembler(prepared.sources, prepared.intake, counter, markers="short")
        one = Chooser(prepared.intake, shared).choose(value, budget, exponent=0.5)
        other = Chooser(prepared.intake, fresh).choose(value, budget, exponent=0.5)

        assert one.tokens == other.tokens
        again = Assembler(prepared.sources, prepared.intake, counter, markers="short")
        assert shared.assemble(one.shown) == again.assemble(other.shown)
        assert prepared.left_out.of(one.shown.units) == left_out(
            prepared.intake, other.shown.units, prepared.places
        )


@given(messages=rows(), seeds=SEEDS, share=SHARES)
def test_a_chat_answers_the_tenth_question_like_the_first(
    messages: list[Message], seeds: list[int], share: float
) -> None:
    """Lanes rendered for an earlier choice, stocks and runs left out change nothing."""
    prepared = built(chat(messages)).prepared
    assert_answers_do_not_depend_on_earlier_ones(prepared, seeds, share)


@given(seeds=SEEDS, share=SHARES)
def test_sources_side_by_side_answer_the_tenth_question_like_the_first(
    seeds: list[int], share: float
) -> None:
    """Parts of one document share a lane; texts and documents have one each."""
    intake = read(_LANES, tokenizer="o200k")
    prepared = Prepared(sources=_LANES, tokenizer="o200k", intake=intake)
    assert_answers_do_not_depend_on_earlier_ones(prepared, seeds, share)


def test_a_block_that_is_gone_again_is_said_by_the_same_object() -> None:
    """Most rows of a long chat are left out in every answer: nothing is made anew for them."""
    prepared = built(document(list(_PARTS))).prepared
    runs = LeftOutRuns(prepared.intake, prepared.places)
    nothing = np.zeros(len(prepared.intake.units), np.bool_)
    first, second = runs.of(nothing), runs.of(nothing)

    assert len(first) == len(_PARTS)
    assert all(one is other for one, other in zip(first, second, strict=True))


def test_what_is_kept_for_handles_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text of many pieces has more runs of items than are worth keeping; they cost time only."""
    monkeypatch.setattr(places_room, "_CHECKS_MAX", 2)
    places, fresh = (built(document(list(_PARTS))).prepared.places for _ in range(2))
    assert places is not None
    assert fresh is not None
    for first in range(6):
        places.of_items(first, 1 + first % 3)

    assert places.of_items(5, 3) == fresh.of_items(5, 3)
    assert places.of_items(0, 1) == fresh.of_items(0, 1)


def test_markers_of_any_length_are_answered_but_not_all_are_kept() -> None:
    """A stock is made for each length of a marker: few have a claim to memory."""
    layout = built(document(list(_PARTS))).prepared.layout
    tokens = [int(layout.stock(length).gap_tokens[0]) for length in range(1, 9)]

    assert tokens == list(range(tokens[0], tokens[0] + 8))
    assert layout.stock(1) is layout.stock(1)
    assert layout.stock(8) is not layout.stock(8)
