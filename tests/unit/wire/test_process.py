from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierfold.config import Limits
from tierfold.context import Budget, Document, DocumentSource, MessagesSource, Part, TextSource
from tierfold.errors import CallerError, InvalidInputError, TooLargeError
from tierfold.wire import parse_process

LIMITS = Limits()


def parse(**body: Any) -> Any:
    return parse_process(orjson.dumps(body), LIMITS)


def test_every_kind_of_source_becomes_a_value() -> None:
    """Text, chats and documents, several in one request, with their priorities."""
    parsed = parse(
        sources=[
            {"text": "a", "priority": 2.0},
            {"messages": [{"role": "user", "content": "b"}]},
            {"document": {"id": "d", "title": "t", "parts": [{"text": "c", "role": "tool"}]}},
        ],
        ask="why?",
        budget={"max_tokens": 9, "min_quality": 0.5},
    )
    text, chat, document = parsed.request.sources

    assert TextSource(text="a", priority=2.0) == text
    assert isinstance(chat, MessagesSource)
    assert (
        DocumentSource(document=Document(id="d", title="t", parts=(Part(text="c", role="tool"),)))
        == document
    )
    assert Budget(max_tokens=9, min_quality=0.5) == parsed.request.budget
    assert parsed.request.ask == "why?"


def test_unknown_fields_are_listed_with_their_paths() -> None:
    """Nothing a caller sends is dropped in silence."""
    parsed = parse(
        sources=[{"text": "a", "colour": 1}, {"document": {"parts": [{"text": "x", "size": 2}]}}],
        budget={"max_token": 3},
        question="typo",
    )

    assert {
        "question",
        "budget.max_token",
        "sources[0].colour",
        "sources[1].document.parts[0].size",
    } == set(parsed.ignored_fields)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[1]", "body: "),
        (b'{"sources": [{"text": NaN}]}', "strict JSON"),
        (b"\xff\xfe", "not valid UTF-8 at byte 0"),
        (b'{"sources": [{"text": "a\\ud800"}]}', "sources[0].text: a lone surrogate"),
        (b'{"sources": []}', "sources: "),
        (b'{"sources": [{}]}', "exactly one of text, messages, document"),
        (b'{"sources": [{"text": "a", "messages": []}]}', "exactly one"),
        (b'{"sources": [{"document": {"text": "a", "parts": [{"text": "b"}]}}]}', "not both"),
        (b'{"sources": [{"messages": [{"role": "alien"}]}]}', "sources[0].messages[0].role: "),
        (b'{"sources": [{"messages": [{"role": "user", "content": 3}]}]}', "content: "),
        (b'{"sources": [{"messages": [3]}]}', "sources[0].messages[0]"),
        (b'{"sources": [{"text": "a"}], "budget": {"max_tokens": "many"}}', "budget.max_tokens: "),
        (b'{"sources": [{"text": "a"}], "budget": {"max_tokens": -5}}', "budget.max_tokens: "),
        (b'{"sources": [{"text": "a"}], "budget": {"min_quality": 7}}', "budget.min_quality: "),
        (b'{"sources": [{"text": "a"}], "mode": "session"}', "mode: "),
        (b'{"sources": [{"text": "a", "priority": 0}]}', "priority: "),
    ],
)
def test_bad_bodies_are_refused_with_place_and_reason(body: bytes, says: str) -> None:
    """The caller learns where to look."""
    with pytest.raises(InvalidInputError) as refused:
        parse_process(body, LIMITS)

    assert says in str(refused.value)


def test_many_problems_are_summed_up() -> None:
    """A body that is wrong a thousand times gets a short message."""
    rows = [{"role": "alien"}] * 1000
    with pytest.raises(InvalidInputError, match="and 995 more"):
        parse(sources=[{"messages": rows}])


def test_nesting_a_thousand_deep_is_refused() -> None:
    """Depth has a limit of its own: recursion must never decide."""
    with pytest.raises(TooLargeError, match="nesting depth"):
        parse_process(b'{"sources":' + b"[" * 1000 + b"]" * 1000 + b"}", LIMITS)


def test_a_body_over_the_limit_is_refused_by_name() -> None:
    """The message states both the size and the limit."""
    limits = Limits(body_bytes_max=10, inline_body_bytes_max=5)
    with pytest.raises(TooLargeError, match="is more than the limit of"):
        parse_process(b'{"sources": [{"text": "long enough"}]}', limits)


@pytest.mark.parametrize("depth", [500, 5000])
def test_the_parsers_own_depth_limit_is_ours_too(depth: int) -> None:
    """However deep, the answer is the same refusal."""
    with pytest.raises(TooLargeError, match="nesting depth"):
        parse_process(b'{"sources":' + b"[" * depth + b"]" * depth + b"}", LIMITS)


def test_integers_that_would_be_rounded_are_refused_with_their_place() -> None:
    """What comes back must be equal; digits in a string are no integer."""
    row = b'{"sources":[{"messages":[{"role":"user","content":"x","id":%b}]}]}'
    with pytest.raises(InvalidInputError, match=r"sources\[0\].messages\[0\].id"):
        parse_process(row % b"12345678901234567890123", LIMITS)

    assert parse_process(row % b'"12345678901234567890123"', LIMITS).request.sources
    assert parse_process(row % b"18446744073709551615", LIMITS).request.sources


def test_limits_know_their_relations() -> None:
    """Settings that contradict each other fail at the start, not in a request."""
    with pytest.raises(InvalidInputError, match="inline_body_bytes_max"):
        Limits(body_bytes_max=1)


@given(body=st.binary(max_size=60) | st.text().map(str.encode))
def test_arbitrary_bytes_never_escape_the_tree_of_errors(body: bytes) -> None:
    """Whatever arrives, the caller gets one of our errors."""
    with pytest.raises(CallerError):
        parse_process(body, LIMITS)
