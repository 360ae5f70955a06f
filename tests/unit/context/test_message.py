from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tierfold.context import OpaquePart, TextPart
from tierfold.wire import parse_messages

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
known = {"role", "content", "name", "tool_calls", "tool_call_id"}
text_parts = st.fixed_dictionaries({"type": st.just("text"), "text": st.text()})
other_parts = st.fixed_dictionaries(
    {"type": st.sampled_from(["image_url", "input_audio", "file"]), "payload": json_values}
)
rows = st.builds(
    lambda base, extra: {k: v for k, v in extra.items() if k not in known} | base,
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["system", "user", "assistant", "tool"]),
            "content": st.none() | st.text() | st.lists(text_parts | other_parts, max_size=4),
        }
    ),
    st.dictionaries(st.text(min_size=1), json_values, max_size=3),
)


@given(rows=st.lists(rows, max_size=5))
def test_messages_come_back_equal(rows: list[dict[str, Any]]) -> None:
    """What tierfold does not change it does not touch: fields it never heard of, order, parts."""
    assert rows == [message.to_dict() for message in parse_messages(rows)]


def test_only_text_parts_can_be_folded() -> None:
    """Images and files are opaque, and so is a text part without text."""
    parts = [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {}},
        {"type": "text"},
    ]
    (message,) = parse_messages([{"role": "user", "content": parts}])

    assert [TextPart, OpaquePart, OpaquePart] == [type(part) for part in message.content or ()]
    assert message.texts() == ("a",)


def test_new_content_leaves_the_rest_alone() -> None:
    """A folded row keeps its name, its calls and what the caller added."""
    row = {"role": "assistant", "content": "long", "name": "x", "mine": 1}
    (message,) = parse_messages([row])

    assert row | {"content": "short"} == message.with_content("short").to_dict()
