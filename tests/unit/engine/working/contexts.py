"""Random contexts: what is stored of them, and working sets compared to the last array."""

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tierfold.context import Document, Message, Part
from tierfold.context.identity import ContextKey
from tierfold.context.manifest import Head, Shape
from tierfold.context.segment import Item, joined
from tierfold.context.stored import About, ContextInfo
from tierfold.engine.contents import Contents, chat_contents, document_contents
from tierfold.engine.working import Loaded, build, message_of
from tierfold.text import Intake

KEY = ContextKey("local", "a-context")
QUESTION = "What does the second result say of the budget in 2024?"

_SENTENCES = st.sampled_from(
    [
        "The budget of the school was raised in 2024. ",
        "Nobody asked for it! ",
        "\n\n",
        "# Heading\n\nWords under it, and some more of them to read.\n",
        "  indented line\n",
        "/slash",
        " ",
        "日本語の文です。",
        "<keep>",
        "</keep>",
        "```\ncode = 1\nmore = 2\n```\n",
        "| a | b |\n|---|---|\n| 1 | 2 |\n",
        "x" * 300,
        '{"rows": ["' + "word " * 40 + '", "' + "more " * 40 + '", 3], "total": 3}',
    ]
)
TEXTS = st.lists(_SENTENCES, max_size=6).map("".join)
JSON_TEXTS = st.just('[{"id": 1, "note": "' + "filler " * 40 + '"}, {"id": 2}, {"id": 3}]')
_NAMES = st.sampled_from(["a", "b", "c"])


@st.composite
def rows(draw: st.DrawFn) -> list[Message]:
    """Any well-formed rows, calls and results in any order, as a lenient reader takes them."""
    kinds = ["user", "assistant", "call", "tool", "system", "parts", "function"]
    return [
        message_of(_row(draw, kind))
        for kind in draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=14))
    ]


def _row(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    match kind:
        case "call":
            names = draw(st.lists(_NAMES, min_size=1, max_size=2, unique=True))
            calls = [
                {"id": n, "type": "function", "function": {"name": f"get_{n}", "arguments": "{}"}}
                for n in names
            ]
            return {"role": "assistant", "content": None, "tool_calls": calls}
        case "tool":
            content = draw(st.one_of(TEXTS, JSON_TEXTS))
            return {"role": "tool", "tool_call_id": draw(_NAMES), "content": content}
        case "function":
            return {"role": "function", "name": draw(_NAMES), "content": draw(TEXTS)}
        case "parts":
            image = {"type": "image_url", "image_url": {"url": "data:,", "detail": "low"}}
            parts = [{"type": "text", "text": text} for text in draw(st.lists(TEXTS, max_size=2))]
            return {"role": "user", "content": [*parts, image]}
        case _:
            return {"role": kind, "content": draw(TEXTS)}


PARTS = st.lists(
    st.builds(Part, text=TEXTS, role=st.sampled_from([None, "user", "assistant", "tool"])),
    min_size=1,
    max_size=10,
)


def bodies_of(items: tuple[Item, ...]) -> tuple[bytes, ...]:
    return tuple(
        joined([piece.body for piece in item.pieces]) if item.pieces else item.segment.body
        for item in items
    )


def info_of(shape: Shape, items: int, *, title: str = "") -> ContextInfo:
    head = Head(id=KEY.id, shape=shape, version=items + 1, items=items)
    return ContextInfo(head=head, about=About(title=title))


def built(contents: Contents, *, count: int | None = None, title: str = "") -> Loaded:
    """The working set of the first `count` items."""
    bodies = bodies_of(contents.items[:count])
    info = info_of(contents.shape, len(bodies), title=title)
    return build(info, bodies, tokenizer="o200k", digest=KEY.digest)


def chat(messages: list[Message]) -> Contents:
    return chat_contents(messages)


def document(parts: list[Part]) -> Contents:
    return document_contents(Document(parts=tuple(parts)))


def assert_same(left: Any, right: Any, path: str = "") -> None:
    """Equal in every field, every array in type and values."""
    if isinstance(left, np.ndarray):
        assert left.dtype == right.dtype, path
        np.testing.assert_array_equal(left, right, err_msg=path)
    elif is_dataclass(left):
        names = [each.name for each in fields(left)]
        if isinstance(left, Intake):
            names.remove("chat")  # what is only needed to grow
        assert type(left) is type(right), path
        assert_same(
            [getattr(left, name) for name in names], [getattr(right, name) for name in names], path
        )
    elif isinstance(left, dict):
        assert_same(list(left.items()), list(right.items()), path)
    elif isinstance(left, tuple | list):
        assert len(left) == len(right), path
        for index, (one, other) in enumerate(zip(left, right, strict=True)):
            assert_same(one, other, f"{path}[{index}]")
    else:
        assert left == right, path


def assert_same_loaded(left: Loaded, right: Loaded) -> None:
    assert left.info == right.info
    assert left.items == right.items
    assert_same(left.prepared.intake, right.prepared.intake)
    assert_same(left.prepared.sources, right.prepared.sources)
    assert_same(left.prepared.places, right.prepared.places)
    assert_same(left.prepared.working().postings, right.prepared.working().postings)
    assert_same(left.prepared.working().signals, right.prepared.working().signals)
