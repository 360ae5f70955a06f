"""Several sources and time for only some of it."""

from hypothesis import given
from hypothesis import strategies as st

import tierfold
from tierfold.config import Settings
from tierfold.context import (
    Budget,
    Document,
    DocumentSource,
    Message,
    MessagesSource,
    Part,
    Request,
    TextSource,
)
from tierfold.engine.clock import FakeClock
from tierfold.engine.engine import Engine
from tierfold.processing import characters_of, newest
from tierfold.processing.acquiring import expected_values

SHIPS = "The ferry leaves the harbour at noon. " * 500
TREES = "An oak grows slowly in this valley. " * 500


def row(role: str, content: str) -> Message:
    raw = {"role": role, "content": content}
    return Message(role=role, content=content, raw=raw)  # type: ignore[arg-type]


def test_every_source_has_its_newest_part_read() -> None:
    """The last source no longer takes all the room."""
    part = newest((TextSource(text=SHIPS), TextSource(text=TREES)), 8000)
    ships, trees = (characters_of((source,)) for source in part.sources)

    assert 3500 < ships <= 4000
    assert 3500 < trees <= 4500


def test_priority_and_the_question_decide_the_shares() -> None:
    """What is asked for by the caller or by the question's words gets more of the room."""
    equal = (TextSource(text=SHIPS), TextSource(text=TREES))
    urgent = (TextSource(text=SHIPS, priority=3.0), TextSource(text=TREES))
    by_priority = newest(urgent, 8000)
    by_question = newest(equal, 8000, ask="When does the ferry leave the harbour?")

    assert 5500 < characters_of(by_priority.sources[:1]) <= 6000
    assert characters_of(by_question.sources[:1]) > 1.5 * characters_of(by_question.sources[1:])


def test_system_rows_are_read_whatever_the_room() -> None:
    """A chat's verbatim rows are paid for before anything is split."""
    chat = MessagesSource(messages=(row("system", "s" * 900), row("user", "u" * 50)))
    part = newest((chat, TextSource(text=SHIPS)), 1000)

    assert part.sources[0] == chat
    assert characters_of(part.sources[1:]) <= 50


@given(
    texts=st.lists(st.text("ab \n", max_size=300), min_size=2, max_size=4),
    room=st.integers(0, 1500),
)
def test_no_more_is_read_than_there_is_time_for(texts: list[str], room: int) -> None:
    """However it is split, and where all fits all is read."""
    sources = tuple(TextSource(text=text) for text in texts)
    part = newest(sources, room)

    assert characters_of(part.sources) <= room
    if room >= characters_of(sources):
        assert part.sources == sources


def test_a_source_is_valued_by_its_newest_part() -> None:
    """Chats and documents from their end; nothing is worthless before it is read."""
    parts = tuple(Part(text=text) for text in ("old oak", "harbour"))
    sources = (
        MessagesSource(messages=(row("user", "harbour"), row("user", "ferry harbour"))),
        DocumentSource(document=Document(parts=parts)),
        DocumentSource(document=Document(text="nothing of it")),
    )

    assert expected_values(sources, "ferry harbour") == (1.0, 2 / 3, 1 / 3)
    assert expected_values(sources, "") == (1.0, 1.0, 1.0)


def test_the_answer_says_how_the_budget_was_split() -> None:
    """Shares add up to one, tokens to those of the answer; one source has nothing to split."""
    chat = MessagesSource(messages=(row("assistant", TREES), row("user", "And the oak?")))
    sources = (TextSource(text=SHIPS), chat)
    budget = Budget(max_tokens=3000, latency_ms=10_000)
    request = Request(sources=sources, ask="When does the ferry leave?", budget=budget)
    answer = Engine(settings=Settings(), clock=FakeClock()).answer(request)

    assert [share.source for share in answer.shares] == [0, 1]
    assert sum(share.share for share in answer.shares) == 1
    reply = answer.tokens - sum(share.prompt_tokens for share in answer.shares)
    assert 0 <= reply <= 3
    before = sum(share.original_prompt_tokens for share in answer.shares)
    assert abs(before - answer.usage.original_prompt_tokens) <= 8
    assert tierfold.fold(SHIPS, ask="ferry", budget=Budget(max_tokens=100)).shares == ()


def test_what_there_was_no_time_for_counts_as_the_sources_own() -> None:
    """Under a deadline the estimate is split by the characters that were not read."""
    sources = (TextSource(text=SHIPS * 40), TextSource(text=TREES * 120))
    budget = Budget(max_tokens=500, latency_ms=5)
    request = Request(sources=sources, ask="When does the ferry leave?", budget=budget)
    answer = Engine(settings=Settings(), clock=FakeClock()).answer(request)
    ships, trees = (share.original_prompt_tokens for share in answer.shares)

    assert answer.usage.original_is_estimate
    assert 2 < trees / ships < 4
    assert abs(ships + trees - answer.usage.original_prompt_tokens) <= 8
