import json
from typing import Any

import orjson

from tierfold.config import Limits, Settings
from tierfold.engine import Engine, FakeClock
from tierfold.engine.compress import compress_rows
from tierfold.wire import parse_compress

RECORDS = [{"id": i, "name": f"item {i}", "note": "word " * 12} for i in range(40)]
TOOL = json.dumps(RECORDS, indent=2)


def compress(messages: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    body = orjson.dumps({"messages": messages} | fields)
    engine = Engine(settings=Settings(), clock=FakeClock())
    return compress_rows(parse_compress(body, Limits()), engine)


def rows(*contents: tuple[str, Any]) -> list[dict[str, Any]]:
    return [{"role": role, "content": content} for role, content in contents]


def test_no_rows_are_an_answer() -> None:
    """Zeros and a ratio of one."""
    answer = compress([])

    assert (
        answer["messages"],
        answer["tokens_before"],
        answer["compression_ratio"],
    ) == ([], 0, 1.0)


def test_without_a_budget_only_what_can_be_undone_is_done() -> None:
    """White space leaves JSON; prose and short rows stay to the letter."""
    sent = rows(("user", "What is item 3?"), ("tool", TOOL), ("tool", "plain words " * 200))
    answer = compress(sent)

    assert json.loads(answer["messages"][1]["content"]) == RECORDS
    assert len(answer["messages"][1]["content"]) < len(TOOL)
    assert sent[0] == answer["messages"][0]
    assert sent[2] == answer["messages"][2]
    assert answer["tokens_saved"] == answer["tokens_before"] - answer["tokens_after"] > 0


def test_a_row_is_left_alone_unless_its_saving_pays() -> None:
    """Rewriting costs a cache write."""
    sent = rows(("tool", '{"a": 1, "b": [1, 2]}'))
    answer = compress(sent)

    assert sent == answer["messages"]
    assert answer["skip_reason"] == "nothing_reversible_pays"
    assert answer["compression_skipped"]


def test_with_a_budget_rows_keep_their_number_and_roles() -> None:
    """Dropped content leaves a stub; a result without its call is no error."""
    sent = rows(
        ("system", "Be brief."),
        ("tool", TOOL),
        ("assistant", "It was a long day. " * 40),
        ("tool", "log line of some length\n" * 80),
        ("user", "What is the note of item 7?"),
    )
    answer = compress(sent, token_budget=400)

    assert [row["role"] for row in sent] == [row["role"] for row in answer["messages"]]
    assert (sent[0], sent[-1]) == (answer["messages"][0], answer["messages"][-1])
    assert answer["tokens_after"] <= 400 < answer["tokens_before"]
    assert all(row["content"] for row in answer["messages"])


def test_a_ratio_is_a_budget() -> None:
    """Headroom's target_ratio."""
    sent = rows(("tool", "words of a log line " * 300), ("user", "what?"))
    answer = compress(sent, config={"target_ratio": 0.5})

    assert 0.35 < answer["compression_ratio"] <= 0.5


def test_a_budget_below_the_stubs_changes_nothing() -> None:
    """200 with the rows as they came, and the reason."""
    sent = rows(("tool", TOOL), ("user", "what?"))
    answer = compress(sent, token_budget=3)

    assert sent == answer["messages"]
    assert answer["skip_reason"] == "token_budget_below_minimum"
    again = compress(sent, token_budget=answer["token_budget_minimum"])
    assert again["tokens_after"] <= answer["token_budget_minimum"]


def test_a_budget_above_the_rows_changes_nothing() -> None:
    """There is nothing to do."""
    sent = rows(("tool", TOOL))

    assert compress(sent, token_budget=10**6)["skip_reason"] == "fits_already"


def test_protected_rows_come_back_byte_for_byte() -> None:
    """The frozen head, the recent tail, rows of users, rows with pictures."""
    picture = {
        "role": "user",
        "content": [{"type": "text", "text": "x " * 90}, {"type": "image_url"}],
    }
    long = "some words in a row " * 60
    sent = [*rows(("tool", long), ("tool", long), ("user", long)), picture, *rows(("tool", long))]
    answer = compress(
        sent,
        token_budget=1_900,
        config={"frozen_message_count": 1, "protect_recent": 1},
    )

    assert [i for i, (a, b) in enumerate(zip(sent, answer["messages"], strict=True)) if a == b] == [
        0,
        2,
        3,
        4,
    ]
    assert answer["tokens_after"] <= 1_900


def test_user_rows_are_folded_when_asked_for() -> None:
    """`compress_user_messages`, but never the question."""
    sent = rows(("user", "some words in a row " * 60), ("user", "what?"))
    answer = compress(sent, token_budget=100, config={"compress_user_messages": True})

    assert answer["tokens_after"] <= 100
    assert sent[1] == answer["messages"][1]


def test_a_long_question_is_cut_and_never_refused() -> None:
    """A last user row of a hundred thousand characters is well-formed."""
    sent = rows(("tool", TOOL), ("user", "words of a question " * 6_000))
    answer = compress(sent, token_budget=26_000)

    assert len(answer["messages"]) == 2
    assert answer["tokens_after"] <= 26_000


def test_options_nobody_knows_are_listed() -> None:
    """Nothing a caller sends is dropped in silence."""
    assert compress(rows(("tool", "x")), colour="red")["ignored_fields"] == ["colour"]
