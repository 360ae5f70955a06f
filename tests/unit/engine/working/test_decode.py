"""Bodies back to the source they were stored from."""

from typing import Any

import orjson
import pytest
from hypothesis import given

from tests.unit.engine.working.contexts import bodies_of, chat, info_of, rows
from tierfold.context import Document, DocumentSource, Message, MessagesSource, Part
from tierfold.context.manifest import Shape
from tierfold.context.segment import PIECE_BYTES_MAX, SegmentKind, item_name
from tierfold.engine.contents import chat_contents, document_contents
from tierfold.engine.working import source_of
from tierfold.errors import CorruptError
from tierfold.wire import parse_messages

ROWS: list[dict[str, Any]] = [
    {"role": "system", "content": "be brief", "name": "rules", "x_own": {"kept": [1, None]}},
    {"role": "user", "content": [{"type": "text", "text": "look"}, {"type": "image_url"}]},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "b", "type": "custom", "custom": {"name": "g", "input": "free"}},
            {"id": "c", "type": "strange"},
            {"id": "d", "type": "function", "function": {"name": "h"}},
        ],
    },
    {"role": "tool", "tool_call_id": "a", "content": "done"},
    {"role": "assistant", "tool_calls": None},
]


def test_rows_are_what_the_wire_makes_of_them() -> None:
    """Read from the disk or from a request, a row means the same."""
    messages = parse_messages(ROWS)
    bodies = bodies_of(chat_contents(messages).items)

    source = source_of(info_of(Shape.MESSAGES, len(bodies)), bodies)

    assert source == MessagesSource(messages=messages)


@given(messages=rows())
def test_any_chat_comes_back(messages: list[Message]) -> None:
    """Storing and reading changes nothing."""
    bodies = bodies_of(chat(messages).items)

    assert source_of(info_of(Shape.MESSAGES, len(bodies)), bodies) == MessagesSource(
        messages=tuple(messages)
    )


def test_documents_come_back_with_their_title() -> None:
    """Parts keep their borders and roles; a text is whole again, however it was cut."""
    long_text = "A long text, in some pieces. " * 9000
    for document in (
        Document(parts=(Part(text="one", role="user"), Part(text=""), Part(text="three"))),
        Document(text=long_text),
    ):
        contents = document_contents(document)
        bodies = bodies_of(contents.items)
        source = source_of(info_of(contents.shape, len(bodies), title="A title"), bodies)

        assert isinstance(source, DocumentSource)
        assert source.document.title == "A title"
        assert (source.document.parts, source.document.text) == (document.parts, document.text)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        bytes((SegmentKind.PART,)) + b"\x00text",
        bytes((SegmentKind.MESSAGE,)) + b"{not json",
        bytes((SegmentKind.MESSAGE,)) + b"[]",
        bytes((SegmentKind.MESSAGE,)) + orjson.dumps({"role": "nobody", "content": "x"}),
        bytes((SegmentKind.MESSAGE,)) + orjson.dumps({"role": "user", "content": [3]}),
    ],
)
def test_damaged_items_are_named_as_such(body: bytes) -> None:
    """What was never written by us is no failure of the caller."""
    with pytest.raises(CorruptError):
        source_of(info_of(Shape.MESSAGES, 1), [body])


@pytest.mark.parametrize("size", [10, PIECE_BYTES_MAX, PIECE_BYTES_MAX + 1])
def test_the_name_of_an_item_is_found_from_its_body(size: int) -> None:
    """A split item is named by its pieces, as it was when it was stored."""
    contents = chat_contents(parse_messages([{"role": "user", "content": "x" * size}]))

    assert item_name(bodies_of(contents.items)[0]) == contents.names[0]
