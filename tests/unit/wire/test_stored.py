from typing import Any

import orjson
import pytest

from tierfold.context import Document, Part
from tierfold.context.manifest import Head, Shape
from tierfold.context.stored import About, ContextInfo
from tierfold.engine.contents import Contents, chat_contents, document_contents, text_contents
from tierfold.wire import (
    context_body,
    contexts_body,
    deleted_body,
    handle_body,
    items_body,
    parse_messages,
)
from tierfold.wire.stored import ContextListModel, ContextModel, HandleModel, ItemListModel

ROWS: list[dict[str, Any]] = [
    {"role": "user", "content": "Find me a flight.", "extra": {"b": 1, "a": [2.5, None]}},
    {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function"}]},
]


def info(shape: Shape = Shape.MESSAGES, *, items: int = 2, ttl_ms: int = 0) -> ContextInfo:
    head = Head(
        id="trip",
        shape=shape,
        version=3,
        items=items,
        size_bytes=9,
        created_ms=1_000,
        updated_ms=2_500,
        ttl_ms=ttl_ms,
    )
    return ContextInfo(head=head, about=About(title="Oslo", metadata={"a": 1}))


def bodies(contents: Contents) -> list[bytes]:
    return [item.segment.body for item in contents.items]


def test_a_context_is_described_as_the_schema_says() -> None:
    """Moments are Unix seconds; what never ends has none."""
    body = context_body(info(ttl_ms=500))

    ContextModel.model_validate(body)
    assert (body["created_at"], body["updated_at"], body["expires_at"]) == (1.0, 2.5, 3.0)
    assert context_body(info())["expires_at"] is None
    assert context_body(info())["pinned_until"] is None
    assert "ignored_fields" not in body
    assert context_body(info(), ignored_fields=("colour",))["ignored_fields"] == ["colour"]


@pytest.mark.parametrize("count", [0, 2])
def test_a_page_names_its_first_and_last(count: int) -> None:
    """So that the next page can be asked for."""
    body = contexts_body([info()] * count, has_more=True)

    ContextListModel.model_validate(body)
    assert body["last_id"] == ("trip" if count else None)


@pytest.mark.parametrize(
    ("shape", "contents", "data"),
    [
        (Shape.MESSAGES, chat_contents(parse_messages(ROWS)), ROWS),
        (
            Shape.PARTS,
            document_contents(Document(parts=(Part(text="a", role="tool"), Part(text="b")))),
            [{"text": "a", "role": "tool"}, {"text": "b"}],
        ),
        (Shape.TEXT, text_contents("a\x00ß"), [{"text": "a\x00ß"}]),
    ],
)
def test_items_come_back_as_they_were_sent(
    shape: Shape, contents: Contents, data: list[object]
) -> None:
    """Rows equal as JSON, parts with their roles, texts as their pieces."""
    body = orjson.loads(orjson.dumps(items_body(info(shape), bodies(contents), start=0)))

    ItemListModel.model_validate(body)
    assert body["data"] == data
    assert body["has_more"] is (len(data) < 2)


def test_a_handle_brings_back_text_or_rows() -> None:
    """Never both."""
    text, rows = handle_body("h_1", info(), "when?"), handle_body("h_1", info(), [ROWS[0]])

    HandleModel.model_validate(text)
    assert (text["text"], rows["messages"]) == ("when?", [ROWS[0]])
    assert "messages" not in text
    assert "text" not in rows


def test_a_deleted_context_is_named() -> None:
    """As OpenAI says it."""
    assert deleted_body("trip") == {"id": "trip", "object": "context.deleted", "deleted": True}
