"""What a change shows of what comes next."""

import pytest

from tests.unit.engine.shard.worlds import key, message, replacing
from tierfold.context.canonical import canonical_json
from tierfold.context.manifest import Shape
from tierfold.context.segment import Item, SegmentKind, item
from tierfold.engine.shard.operations import Append, Changing, Create, Delete
from tierfold.engine.shard.pending import is_tool_call_pending

SAID = message("hello")
QUOTED = message('he wrote ,\\"tool_calls\\":[ to me')


def calling(arguments: str = "{}") -> Item:
    """Return a row that calls a tool."""
    function = {"name": "find", "arguments": arguments}
    call = {"id": "1", "type": "function", "function": function}
    row = {"role": "assistant", "content": None, "tool_calls": [call]}
    return item(SegmentKind.MESSAGE, canonical_json(row))


CALLS = calling()
LONG = calling("x" * 100_000)


def append(*items: Item) -> Append:
    return Append(context=key("a"), shape=Shape.MESSAGES, items=items)


@pytest.mark.parametrize(
    ("operation", "is_pending"),
    [
        (append(SAID, CALLS), True),
        (append(LONG), True),
        (replacing("a", [SAID, CALLS], sent=[CALLS]), True),
        (append(CALLS, SAID), False),
        (append(QUOTED), False),
        (append(), False),
        (replacing("a", [CALLS, SAID], sent=[CALLS]), False),
        (replacing("a", [SAID, CALLS]), False),
        (Create(context=key("a"), shape=Shape.MESSAGES, items=(CALLS,)), False),
        (Delete(context=key("a")), False),
    ],
)
def test_a_tool_call_pends_where_the_last_row_calls(
    operation: Changing, *, is_pending: bool
) -> None:
    """Its result comes next; a row that only talks of calls, or was answered, is no sign."""
    assert is_tool_call_pending(operation) == is_pending
