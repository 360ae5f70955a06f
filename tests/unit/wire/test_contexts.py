from typing import Any

import orjson
import pytest

from tierfold.config import Limits
from tierfold.context import Document, Part
from tierfold.context.source import ContextSource
from tierfold.errors import InvalidInputError, TooLargeError
from tierfold.wire import (
    parse_append,
    parse_context_question,
    parse_create,
    parse_patch,
    parse_process,
    parse_put,
    parse_question,
    parse_search,
    parse_whole,
)

LIMITS = Limits()
ROW = {"role": "user", "content": "Find me a flight."}


def test_a_context_is_made_of_one_kind_of_contents() -> None:
    """With its title, the caller's metadata and its life."""
    parsed = parse_create(
        orjson.dumps(
            {"id": "trip", "messages": [ROW], "title": "Oslo", "metadata": {"a": [1]}, "ttl_s": 60}
        ),
        LIMITS,
    )

    assert parsed.sent.messages is not None
    assert [message.to_dict() for message in parsed.sent.messages] == [ROW]
    assert (parsed.id, parsed.title, parsed.metadata, parsed.ttl_s) == (
        "trip",
        "Oslo",
        {"a": [1]},
        60,
    )
    assert parsed.ignored_fields == ()


def test_a_document_names_its_context() -> None:
    """Unless the caller gives another title."""
    document = {"title": "Lease", "parts": [{"text": "a", "role": "tool"}]}
    named = parse_create({"document": document}, LIMITS)
    renamed = parse_create({"document": document, "title": "Mine"}, LIMITS)

    assert named.sent.document == Document(title="Lease", parts=(Part(text="a", role="tool"),))
    assert (named.title, renamed.title) == ("Lease", "Mine")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "exactly one of messages, text, document; got none"),
        ({"text": "a", "messages": []}, "got messages, text"),
        ({"text": "a", "ttl_s": -1}, "ttl_s"),
        ({"text": "a", "ttl_s": "60"}, "ttl_s"),
        ({"text": "a", "metadata": []}, "metadata"),
        ({"text": "a", "id": 7}, "id"),
        ({"messages": [{"role": "nobody"}]}, r"messages\[0\]\.role"),
        ([], "body"),
    ],
)
def test_what_is_no_context_is_refused_with_its_place(body: Any, says: str) -> None:
    """In the caller's own notation."""
    with pytest.raises(InvalidInputError, match=says):
        parse_create(orjson.dumps(body), LIMITS)


def test_items_are_rows_text_or_parts() -> None:
    """And may say which version they follow."""
    parsed = parse_append({"parts": [{"text": "b"}], "expected_version": 3, "colour": 1}, LIMITS)

    assert parsed.sent.parts == (Part(text="b"),)
    assert parsed.expected_version == 3
    assert parsed.ignored_fields == ("colour",)
    assert parse_append({"text": "more"}, LIMITS).sent.text == "more"


@pytest.mark.parametrize("body", [{"document": {"text": "a"}}, {"text": "a", "parts": []}, {}])
def test_what_cannot_be_added_is_refused(body: Any) -> None:
    """A whole document is no item."""
    with pytest.raises(InvalidInputError, match="exactly one of messages, text, parts"):
        parse_append(body, LIMITS)


def test_the_whole_list_is_sent_like_a_new_context() -> None:
    """A chat, a text or a document."""
    assert parse_put({"document": {"text": "a"}}, LIMITS).sent.document == Document(text="a")
    with pytest.raises(InvalidInputError, match="exactly one of messages, text, document"):
        parse_put({"parts": []}, LIMITS)


def test_a_field_that_is_absent_stays_and_one_that_is_null_is_emptied() -> None:
    """So each can be changed alone."""
    empty, nulls = parse_patch({}, LIMITS), parse_patch(orjson.loads(NULLS), LIMITS)

    assert (empty.title, empty.metadata, empty.ttl_s, empty.pinned_s) == (None,) * 4
    assert (nulls.title, nulls.metadata, nulls.ttl_s, nulls.pinned_s) == ("", {}, 0, 0)
    assert parse_patch({"ttl_s": 2.5, "pinned_s": 3}, LIMITS).ttl_s == 2.5


NULLS = b'{"title": null, "metadata": null, "ttl_s": null, "pinned_s": null}'


@pytest.mark.parametrize("parse", [parse_create, parse_append, parse_put, parse_patch])
def test_a_body_over_the_limit_is_refused_before_it_is_parsed(parse: Any) -> None:
    """By its size."""
    with pytest.raises(TooLargeError, match="body in bytes"):
        parse(b" " * 11, Limits(body_bytes_max=10, inline_body_bytes_max=10))


@pytest.mark.parametrize(("text", "value"), [(None, 20), ("1", 1), ("100", 100), ("-5", -5)])
def test_a_whole_number_of_the_query_string(text: str | None, value: int) -> None:
    """The default where there is none."""
    assert parse_whole(text, name="limit", default=20, between=(-5, 100)) == value


@pytest.mark.parametrize("text", ["", "x", "1.5", "1_0", "+5", "٣", "101", "-6", "9" * 10_000])
def test_what_is_no_whole_number_in_its_range_is_refused(text: str) -> None:
    """With the range."""
    with pytest.raises(InvalidInputError, match="limit: must be a whole number from -5 to 100"):
        parse_whole(text, name="limit", default=20, between=(-5, 100))


def test_a_question_names_stored_contexts_among_its_sources() -> None:
    """They are read by whoever has a store."""
    body = {"sources": [{"context_id": "trip", "priority": 2}, {"text": "a"}], "ask": "when?"}
    question = parse_question({**body, "consistency": "latest"}, LIMITS)

    assert question.sources[0] == ContextSource(id="trip", priority=2)
    assert question.consistency == "latest"
    with pytest.raises(InvalidInputError, match=r"sources\[0\]\.context_id"):
        parse_process(body, LIMITS)


def test_a_question_on_one_context_needs_no_body() -> None:
    """It is query-free then."""
    question = parse_context_question(b"", LIMITS, context="trip")

    assert question.sources == (ContextSource(id="trip"),)
    assert (question.ask, question.consistency, question.markers) == ("", "session", "short")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"consistency": "soon"}, "consistency"),
        ({"markers": "long"}, "markers"),
        ({"budget": {"max_tokens": "9"}}, r"budget\.max_tokens"),
    ],
)
def test_what_is_no_question_is_refused_with_its_place(body: Any, says: str) -> None:
    """As on the other route."""
    with pytest.raises(InvalidInputError, match=says):
        parse_context_question(orjson.dumps(body), LIMITS, context="trip")


def test_unknown_fields_of_a_question_are_listed() -> None:
    """Nothing a caller sends is dropped in silence."""
    body = orjson.dumps({"question": "typo", "budget": {"max_token": 3}})

    assert set(parse_context_question(body, LIMITS, context="trip").ignored_fields) == {
        "question",
        "budget.max_token",
    }


def test_a_search_has_a_query_and_a_limit() -> None:
    """10 hits where the caller says nothing."""
    assert parse_search({"query": "oslo"}, LIMITS).limit == 10
    for body in ({"query": ""}, {"query": "a" * 1001}, {"query": "a", "limit": 101}, {}):
        with pytest.raises(InvalidInputError):
            parse_search(body, LIMITS)
