from typing import Any

import orjson
import pytest

from tierfold.config import Limits
from tierfold.errors import InvalidInputError
from tierfold.wire import parse_compress


def test_headrooms_own_fields_are_understood() -> None:
    """A gateway that speaks to Headroom speaks to tierfold."""
    request = parse_compress(
        orjson.dumps(
            {
                "messages": [{"role": "tool", "content": "x"}],
                "model": "gpt",
                "token_budget": 7,
                "config": {"target_ratio": 0.5, "protect_recent": 2, "frozen_message_count": 1},
            }
        ),
        Limits(),
    )

    assert (
        request.token_budget,
        request.target_ratio,
        request.protect_recent,
        request.frozen_message_count,
        request.compress_user_messages,
    ) == (7, 0.5, 2, 1, False)


@pytest.mark.parametrize(
    ("fields", "ignored"),
    [
        ({"config": {"mode": "magic"}}, "config.mode"),
        ({"config": {"target_ratio": 1.5}}, "config.target_ratio"),
        ({"config": None}, "config"),
        ({"token_budget": -1}, "token_budget"),
        ({"model": 3}, "model"),
        ({"colour": "red"}, "colour"),
        ({"config": {"size": 3, "protect_recent": 2}}, "config.size"),
    ],
)
def test_options_that_mean_nothing_are_listed_and_never_cost_the_rows(
    fields: dict[str, Any], ignored: str
) -> None:
    """A gateway gives up on anything but 200."""
    body = {"messages": [{"role": "tool", "content": "x"}]} | fields
    request = parse_compress(orjson.dumps(body), Limits())

    assert len(request.messages) == 1
    assert request.ignored_fields == (ignored,)


@pytest.mark.parametrize("body", [{}, [], {"messages": [{"role": "alien"}]}, {"messages": 3}])
def test_malformed_rows_are_refused(body: Any) -> None:
    """There is nothing to answer with."""
    with pytest.raises(InvalidInputError):
        parse_compress(orjson.dumps(body), Limits())
