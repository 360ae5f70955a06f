from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierfold.context import Message, Part
from tierfold.context.canonical import (
    canonical_json,
    json_of,
    message_item,
    part_item,
    part_of,
    text_items,
    text_of,
)
from tierfold.context.segment import PIECE_BYTES_MAX, SegmentKind, segment
from tierfold.errors import CorruptError, InvalidInputError

TEXT = st.text(st.characters(codec="utf-8"))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def message(raw: dict[str, Any]) -> Message:
    return Message(role="user", content=raw.get("content"), raw=raw)


@given(st.dictionaries(TEXT, JSON, max_size=5), TEXT)
def test_a_row_comes_back_equal_whatever_it_carries(extra: dict[str, Any], content: str) -> None:
    """Text is kept byte for byte, the JSON around it equal as JSON, integers of any size too."""
    raw = {**extra, "role": "user", "content": content}
    body = message_item(message(raw)).segment.body
    assert json_of(body) == raw
    assert json_of(body)["content"] == content


@pytest.mark.parametrize("number", [2**63, 2**64 + 1, -(2**70) - 1, 10**400])
def test_integers_of_any_size_come_back_exactly(number: int) -> None:
    """A float in their place would be equal to the eye and wrong."""
    raw = {"role": "user", "content": "", "x": [number]}
    found = json_of(message_item(message(raw)).segment.body)["x"][0]
    assert isinstance(found, int)
    assert found == number


def test_the_order_of_keys_does_not_make_another_message() -> None:
    """Clients write the same row with keys in another order; it is stored once."""
    one = message_item(message({"role": "user", "content": "a", "name": "b"}))
    other = message_item(message({"name": "b", "content": "a", "role": "user"}))
    assert one == other


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), [1.0, float("-inf")], ("x", float("nan"))]
)
def test_numbers_that_are_no_json_are_refused_with_their_path(value: Any) -> None:
    """orjson would silently write null."""
    with pytest.raises(InvalidInputError, match=r"row\.x.*finite"):
        canonical_json({"x": value}, path="row")


@pytest.mark.parametrize("value", [{1, 2}, {"a": object()}, {"b": 2**70, "c": {1}}])
def test_what_is_no_json_is_refused(value: Any) -> None:
    """A Python caller can hand over anything."""
    with pytest.raises(InvalidInputError, match="row: is no JSON"):
        canonical_json({"x": value}, path="row")


def test_lone_surrogates_are_refused_with_their_place() -> None:
    """They have no bytes, so they could not come back."""
    with pytest.raises(InvalidInputError, match="U\\+D800 at position 1"):
        part_item(Part(text="a\ud800"), path="parts[0]")
    with pytest.raises(InvalidInputError, match="row"):
        canonical_json({"x": "\ud800"}, path="row")
    with pytest.raises(InvalidInputError, match="text"):
        list(text_items("\ud800"))


@given(TEXT, st.none() | st.sampled_from(["user", "assistant"]))
def test_a_part_comes_back_exactly(text: str, role: str | None) -> None:
    """NUL characters in the text included."""
    part = Part(text=text, role=role)
    assert part_of(part_item(part).segment.body) == part


def test_a_part_without_the_end_of_its_role_is_damage() -> None:
    """Never guess where a text begins."""
    with pytest.raises(CorruptError):
        part_of(segment(SegmentKind.PART, b"no end").body)


@given(
    st.integers(0, 5), st.sampled_from(["a", "ß", "漢", "🙂", "\n", " ", "word ", "line\n", "\r\n"])
)
def test_the_pieces_of_a_text_are_the_text(times: int, unit: str) -> None:
    """Whatever the alphabet, pieces join without loss and none is above the limit."""
    text = unit * (times * PIECE_BYTES_MAX // 3) + "end"
    items = list(text_items(text))
    assert "".join(text_of(each.segment.body) for each in items) == text
    assert all(0 < each.size_bytes <= PIECE_BYTES_MAX for each in items)


def test_a_text_is_cut_at_the_best_border_near() -> None:
    """A paragraph's end is better than a line's, a line's better than a blank."""
    half = "x" * (PIECE_BYTES_MAX - 100)
    first, _ = text_items(half + " a\nb\n\n" + "y" * 200)
    assert text_of(first.segment.body).endswith("b\n\n")
