"""What of a chat later rows have overtaken."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tierfold.context import Message, ToolCall
from tierfold.memory.lifecycle.staleness import is_due, superseded

LONG = "the same words again and again " * 10


def call(id: str, name: str = "read", arguments: str = "{}") -> Message:  # noqa: A002  # as callers say
    calls = (ToolCall(id=id, name=name, arguments=arguments),)
    return Message(role="assistant", content=None, tool_calls=calls, raw={})


def result(id: str, content: Any = "text") -> Message:  # noqa: A002  # as above
    return Message(role="tool", content=content, tool_call_id=id, raw={})


def found(*messages: Message) -> list[tuple[int, int, str]]:
    return [(each.row, each.by, each.reason) for each in superseded(messages)]


def test_a_call_that_was_made_again_overtakes_its_results() -> None:
    """Equal arguments in any order; the newest result stands for all before it."""
    rows = (
        call("1", arguments='{"path": "a", "n": 1}'),
        result("1", "old"),
        call("2", arguments='{"n":1,"path":"a"}'),
        result("2", "newer"),
        call("3", arguments='{"n":1, "path":"a"}'),
        result("3", "newest"),
    )

    assert found(*rows) == [(1, 5, "repeated_call"), (3, 5, "repeated_call")]


def test_other_calls_and_calls_without_a_later_result_overtake_nothing() -> None:
    """Another file, another tool, or a call that nobody has answered yet."""
    rows = (
        call("1", arguments='{"path": "a"}'),
        result("1", "old"),
        call("2", arguments='{"path": "b"}'),
        result("2", "x"),
        call("3", "write", arguments='{"path": "a"}'),
        result("3", "y"),
        call("4", arguments='{"path": "a"}'),
        result("unknown", "z"),
    )

    assert found(*rows) == []


def test_an_id_that_is_used_again_is_the_new_calls() -> None:
    """Some agents count their calls anew in every turn."""
    rows = (
        call("1", arguments='{"path": "a"}'),
        result("1", "of a"),
        call("1", arguments='{"path": "b"}'),
        result("1", "of b"),
    )

    assert found(*rows) == []


def test_a_long_result_that_comes_again_is_overtaken() -> None:
    """Whatever was called; short ones are alike by chance."""
    rows = (
        call("1", "open"),
        result("1", LONG),
        call("2", "show"),
        result("2", LONG),
        call("3", "a"),
        result("3", "ok"),
        call("4", "b"),
        result("4", "ok"),
    )

    assert found(*rows) == [(1, 3, "same_content")]


def test_arguments_that_are_no_json_are_compared_as_they_are() -> None:
    """A provider's broken string is still the same string; depth breaks nothing."""
    deep = "[" * 100_000
    rows = (
        call("1", arguments="{broken"),
        result("1"),
        call("2", arguments="{broken"),
        result("2"),
        call("3", arguments=deep),
        result("3"),
        call("4", arguments=deep),
        result("4"),
    )

    assert found(*rows) == [(1, 3, "repeated_call"), (5, 7, "repeated_call")]


@given(
    st.lists(
        st.one_of(
            st.builds(call, st.sampled_from("12"), st.just("f"), st.sampled_from(["{}", "[1]"])),
            st.builds(result, st.sampled_from("12"), st.sampled_from(["a", LONG])),
            st.just(Message(role="user", content=LONG, raw={})),
        ),
        max_size=12,
    )
)
def test_what_overtakes_is_a_later_result_that_nothing_overtakes_by_a_call(
    messages: list[Message],
) -> None:
    """Rows are named once, in order, and only results by later results."""
    overtaken = superseded(messages)
    rows = [each.row for each in overtaken]
    by_call = {each.row for each in overtaken if each.reason == "repeated_call"}

    assert rows == sorted(set(rows))
    for each in overtaken:
        assert each.row < each.by
        assert messages[each.row].role == messages[each.by].role == "tool"
        assert each.reason != "repeated_call" or each.by not in by_call
    assert superseded([m for m in messages if m.role == "user"]) == ()


@given(read_ms=st.integers(0, 100), after_ms=st.integers(0, 100), now_ms=st.integers(0, 300))
def test_a_source_is_due_when_its_time_has_passed(read_ms: int, after_ms: int, now_ms: int) -> None:
    """Without a policy never; a clock that was set back is a reason to look."""
    due = is_due(read_ms=read_ms, refresh_after_ms=after_ms, now_ms=now_ms)

    assert due == (after_ms > 0 and (now_ms < read_ms or now_ms >= read_ms + after_ms))
