"""What refused fields are told: in our words, by their place, and nothing of a text."""

import json
from typing import Any

import pytest

from tierfold.config import Limits
from tierfold.errors import InvalidInputError
from tierfold.wire import (
    parse_append,
    parse_create,
    parse_messages,
    parse_process,
    parse_put,
    parse_search,
)

SECRET = "the code of the safe is 4711"
ROLES = "'system', 'developer', 'user', 'assistant', 'tool' or 'function'"


def refusal(parse: Any, body: Any) -> InvalidInputError:
    """Return how a body is refused."""
    with pytest.raises(InvalidInputError) as caught:
        parse(json.dumps(body).encode(), Limits())
    return caught.value


@pytest.mark.parametrize(
    ("parse", "body", "said"),
    [
        (
            parse_process,
            {"sources": [{"text": 1}]},
            "sources[0].text: must be a text, not a number",
        ),
        (parse_process, {"sources": []}, "sources: must have at least 1 entry"),
        (parse_process, {}, "sources: is missing"),
        (parse_process, [SECRET], "body: must be an object, not a list"),
        (parse_put, {"messages": [{"role": SECRET}]}, f"messages[0].role: must be {ROLES}"),
        (
            parse_put,
            {"messages": [{"role": "user", "content": 5}]},
            "messages[0].content: must be a text or a list, not a number",
        ),
        (
            parse_put,
            {"messages": [{"role": "user", "content": [{"type": None}]}]},
            "messages[0].content[0].type: must be a text, not null",
        ),
        (parse_create, {"text": "", "ttl_s": SECRET}, "ttl_s: must be a number, not a text"),
        (parse_create, {"text": "", "ttl_s": -1}, "ttl_s: must be at least 0, not -1"),
        (parse_create, {"text": "", "metadata": []}, "metadata: must be an object, not a list"),
        (parse_create, {}, "body: send exactly one of messages, text, document; got none"),
        (
            parse_append,
            {"text": "", "expected_version": 1.5},
            "expected_version: must be a whole number, not 1.5",
        ),
        (parse_search, {"query": "", "limit": 1}, "query: must have at least 1 character"),
        (
            parse_search,
            {"query": SECRET * 50, "limit": True},
            (
                "query: must have at most 1000 characters; "
                "limit: must be a whole number, not true or false"
            ),
        ),
    ],
)
def test_a_refusal_names_place_and_kind(parse: Any, body: Any, said: str) -> None:
    """So that it can be mended, and so that no text gets into logs."""
    assert str(refusal(parse, body)) == said


def test_a_refusal_of_one_field_carries_its_path() -> None:
    """Programs need not cut it out of the sentence."""
    assert refusal(parse_create, {"text": "", "title": 1}).path == "title"


def test_of_many_refusals_the_first_are_named() -> None:
    """A page of them helps nobody."""
    rows = [{"role": SECRET}] * 9

    said = str(refusal(parse_put, {"messages": rows}))

    assert said.count("must be") == 5
    assert said.endswith("; and 4 more")
    assert SECRET not in said


def test_rows_that_are_given_alone_have_paths_too() -> None:
    """As they have in a request."""
    with pytest.raises(InvalidInputError, match=r"^messages\[1\]: must be an object, not a text$"):
        parse_messages([{"role": "user"}, SECRET])
