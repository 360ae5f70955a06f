import orjson
import pytest

from tierfold.config import Limits
from tierfold.errors import InvalidInputError, TooLargeError
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


def test_an_unknown_mode_is_refused() -> None:
    """Headroom answers 400 there, and so does every gateway's error handling expect it."""
    body = {"messages": [], "config": {"mode": "magic"}}
    with pytest.raises(InvalidInputError, match="mode"):
        parse_compress(orjson.dumps(body), Limits())


def test_the_row_count_has_a_limit() -> None:
    """A hundred thousand rows are the most a body may hold."""
    body = {"messages": [{"role": "user", "content": ""}] * 3}
    with pytest.raises(TooLargeError):
        parse_compress(orjson.dumps(body), Limits(messages_max=2))
