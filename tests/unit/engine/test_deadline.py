from dataclasses import replace
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierfold.config import Settings
from tierfold.context import (
    Answer,
    Budget,
    Document,
    DocumentSource,
    LeftOut,
    Message,
    MessagesSource,
    Part,
    Request,
    Source,
    StopReason,
    TextSource,
)
from tierfold.engine import Engine, FakeClock
from tierfold.errors import InvalidInputError
from tierfold.processing import newest, tokens_of
from tierfold.text import MARKER, token_counter
from tierfold.wire import answer_body, parse_messages

SENTENCES = [f"Sentence number {i} tells of boat {i % 97} in the harbour." for i in range(4_000)]
LONG = " ".join(SENTENCES)
HURRY = Budget(max_tokens=200, latency_ms=6)
QUESTION = "Which sentence tells of boat 96?"


def answer_to(*sources: Source, budget: Budget = HURRY, **fields: Any) -> Answer:
    engine = Engine(settings=Settings(), clock=FakeClock())
    return engine.answer(Request(sources=sources, ask=QUESTION, budget=budget, **fields))


def parts_source() -> DocumentSource:
    return DocumentSource(
        document=Document(title="Log", parts=tuple(Part(text=s + "\n") for s in SENTENCES))
    )


def chat_source() -> MessagesSource:
    rows: list[dict[str, Any]] = [{"role": "system", "content": "Be brief."}]
    for i, sentence in enumerate(SENTENCES):
        call = {"id": f"c{i}", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        rows += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{i}", "content": sentence},
        ]
    return MessagesSource(messages=parse_messages([*rows, {"role": "user", "content": QUESTION}]))


def text_at(source: Source, run: LeftOut) -> str:
    match source:
        case TextSource(text=text):
            return text
        case DocumentSource(document=document) if document.parts is not None:
            return document.parts[run.part or 0].text
        case DocumentSource(document=document):
            return document.text
        case MessagesSource(messages=messages):
            return messages[run.message or 0].texts()[run.part or 0]


SOURCES: list[Source] = [
    TextSource(text=LONG),
    DocumentSource(document=Document(text=LONG)),
    parts_source(),
    chat_source(),
]


@pytest.mark.parametrize("source", SOURCES)
def test_what_there_is_time_for_is_read_and_ranked(source: Source) -> None:
    """A deadline too short for the whole gets the best of the newest part, and says so."""
    answer = answer_to(source)

    assert answer.stop_reason is StopReason.DEADLINE
    assert [stage.stage for stage in answer.stages][:1] == ["fast"]
    assert answer.usage.original_is_estimate
    assert answer.tokens == tokens_of(answer.sources, token_counter("o200k")) <= 200
    assert answer.quality.expected < 0.9


@pytest.mark.parametrize("source", SOURCES)
def test_what_was_not_read_is_left_out_in_the_callers_own_places(source: Source) -> None:
    """Kept and left out are the whole input, to the character; nothing is listed twice."""
    answer = answer_to(source)
    whole = answer_to(source, budget=Budget(max_tokens=10**9))
    kept = "".join(piece for s in answer.sources for piece in texts_of(s)).replace(MARKER, "")
    gone = [text_at(source, run)[run.start : run.end] for run in answer.left_out]
    everything = "".join(piece for s in whole.sources for piece in texts_of(s))

    assert sorted(everything.replace(" ", "")) == sorted((kept + "".join(gone)).replace(" ", ""))
    places = [(r.message or 0, r.part or 0, r.start, r.end) for r in answer.left_out]
    assert places == sorted(places)
    assert all(a[3] <= b[2] or a[:2] != b[:2] for a, b in pairwise(places))
    listed = sum(run.tokens for run in answer.left_out)
    assert 0.8 < listed / (answer.usage.original_prompt_tokens or 1) < 1.2


def texts_of(source: Source) -> list[str]:
    match source:
        case TextSource(text=text):
            return [text]
        case DocumentSource(document=document):
            return [document.whole_text]
        case MessagesSource(messages=messages):
            return [text for message in messages for text in message.texts()]


def test_a_hurried_chat_keeps_its_grammar() -> None:
    """System row and question stay, calls keep their results, older rows are marked once."""
    answer = answer_to(chat_source())
    (chat,) = answer.sources
    assert isinstance(chat, MessagesSource)
    rows: tuple[Message, ...] = chat.messages

    assert [rows[0].role, rows[0].content] == ["system", "Be brief."]
    assert rows[1].content == MARKER
    assert rows[-1].content == QUESTION
    calls = [call.id for row in rows for call in row.tool_calls]
    assert calls == [row.tool_call_id for row in rows if row.role == "tool"]


def test_enough_time_reads_everything() -> None:
    """With room to spare the deadline changes nothing but the clock."""
    roomy = answer_to(SOURCES[0], budget=Budget(max_tokens=200, latency_ms=60_000))
    unhurried = answer_to(SOURCES[0], budget=Budget(max_tokens=200))
    bodies = [answer_body(answer) for answer in (roomy, unhurried)]
    for body in bodies:
        del body["timing"]

    assert orjson.dumps(bodies[0]) == orjson.dumps(bodies[1])


@pytest.mark.parametrize(
    "fields", [{"stages": ("fast",)}, {"bypass": True}, {"budget": Budget(latency_ms=6)}]
)
def test_nothing_is_unread_where_the_caller_wants_all(fields: dict[str, Any]) -> None:
    """Pinned stages, bypass and a budget that shrinks nothing read the whole input."""
    assert not answer_to(SOURCES[0], **fields).usage.original_is_estimate


def test_a_keep_mark_is_honoured_however_short_the_deadline() -> None:
    """What must stay is in every answer, so a text with such a mark is read whole."""
    answer = answer_to(TextSource(text=f"<keep>The code is 4711.</keep> {LONG}"))

    assert "<keep>The code is 4711.</keep>" in answer.text


def test_a_malformed_chat_is_refused_by_the_callers_own_row() -> None:
    """A hurry must not shift the place that an error names."""
    rows = list(chat_source().messages)
    orphan = replace(rows[-2], tool_call_id="nobody")
    chat = MessagesSource(messages=(*rows[:-2], orphan, rows[-1]))
    with pytest.raises(InvalidInputError) as refused:
        answer_to(chat)

    assert f"messages[{len(rows) - 2}]" in refused.value.path


def test_without_markers_the_unread_part_is_only_listed() -> None:
    """`markers: none` holds for what was not read, too."""
    answer = answer_to(SOURCES[0], markers="none")

    assert MARKER not in answer.text
    assert answer.left_out[0].start == 0


def test_a_stream_in_a_hurry_ends_like_the_answer() -> None:
    """Stage events and the result speak of the same part."""
    engine = Engine(settings=Settings(), clock=FakeClock())
    request = Request(sources=(SOURCES[0],), ask=QUESTION, budget=HURRY)
    answers = list(engine.stream(request))

    assert answers[-1].final
    assert all(answer.usage.original_is_estimate for answer in answers)


@given(texts=st.lists(st.text(max_size=80), min_size=1, max_size=4), room=st.integers(0, 200))
def test_the_newest_part_is_a_suffix_of_every_text(texts: list[str], room: int) -> None:
    """What is unread is exactly what is in front of it."""
    sources = tuple(TextSource(text=text) for text in texts)
    part = newest(sources, room)

    assert 0 <= part.share <= 1
    for source, read in zip(sources, part.parts, strict=True):
        assert isinstance(read.source, TextSource)
        unread = sum(run.end - run.start for run in read.unread)
        assert source.text[unread:] == read.source.text
