"""JSON: sub-objects are units, and any choice of them is JSON again."""

import json
import time
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierfold.text import NO_FRAME, Joint, Kind, Pieces, cut

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30)
    | st.sampled_from(['a"b', "back\\slash", '\\"', "[{,}]", "line\nline", "😀" * 3, "x" * 450])
    | st.sampled_from(
        [
            "A sentence in a string. " * 48,
            "line\nother line of the log\n" * 45,
            "😀\n" * 600,
            "😀" * 700,
            "\\" * 1_400,
            '"' * 1_300,
            "\u0001" * 400,
        ]
    )
)
_CONTAINERS = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=12) | st.dictionaries(st.text(max_size=6), inner, max_size=8)
    ),
    max_leaves=40,
).filter(lambda value: isinstance(value, list | dict))
_DUMPED = st.builds(
    lambda value, indent, ascii_only, padding: (
        padding + json.dumps(value, indent=indent, ensure_ascii=ascii_only) + padding
    ),
    _CONTAINERS,
    st.none() | st.integers(0, 4),
    st.booleans(),
    st.sampled_from(["", " ", "\n\t"]),
)


def _render(text: str, pieces: Pieces, kept: set[int]) -> str:
    """Join the kept units and the framing of every frame they stand in, commas by JSON's rule."""
    shape = pieces.shape
    assert shape is not None
    opened = {NO_FRAME} | {0 for _ in shape.parents[:1]}
    for unit in kept:
        frame = shape.frame[unit]
        while frame != NO_FRAME:
            opened.add(frame)
            frame = shape.parents[frame]
    result = ""
    for unit, (start, end) in enumerate(zip([0, *pieces.ends], pieces.ends, strict=False)):
        frame = shape.frame[unit]
        if frame not in opened or not (shape.framing[unit] or unit in kept):
            continue
        piece = text[start:end]
        is_first = result.rstrip()[-1:] in ("[", "{") and shape.joint[unit] != Joint.TEXT
        if is_first and piece.lstrip()[:1] == ",":
            piece = piece.replace(",", "", 1)
        result += piece
    return result


@given(text=_DUMPED, share=st.sampled_from([0.05, 0.3, 0.8]), dice=st.randoms())
def test_any_choice_of_children_is_json(text: str, share: float, dice: Random) -> None:
    """Whatever is kept, with the frames around it, parses, and nothing else is in it."""
    pieces = cut(text)
    assert pieces.kind is Kind.JSON
    assert pieces.shape is not None
    inner = [unit for unit, framing in enumerate(pieces.shape.framing) if not framing]
    kept = {unit for unit in inner if dice.random() < share or not pieces.shape.parents}

    rendered = _render(text, pieces, kept)

    assert _is_part(json.loads(rendered), json.loads(text))


@given(text=_DUMPED)
def test_everything_kept_is_the_text(text: str) -> None:
    """The units of a JSON text joined are the text."""
    pieces = cut(text)

    assert text == _render(text, pieces, set(range(len(pieces.ends))))


def _is_part(part: Any, whole: Any) -> bool:
    if type(part) is not type(whole):
        return False
    if isinstance(whole, dict):
        return all(key in whole and _is_part(value, whole[key]) for key, value in part.items())
    if isinstance(whole, list):
        rest = iter(whole)
        return all(any(_is_part(value, other) for other in rest) for value in part)
    if isinstance(whole, str):
        rest_of_text = iter(whole)
        return all(character in rest_of_text for character in part)
    return bool(part == whole)


def test_children_carry_their_commas_and_keys() -> None:
    """A unit is what has to go when a child goes; brackets and their keys are framing."""
    flights = [{"number": f"HAT{n:03}", "price": n, "note": "x" * 90} for n in range(5)]
    text = json.dumps({"status": "ok", "flights": flights, "count": 5})

    pieces = cut(text)
    units = [text[a:b] for a, b in zip([0, *pieces.ends], pieces.ends, strict=False)]
    shape = pieces.shape

    assert shape is not None
    assert units[:3] == ["{", '"status": "ok"', ', "flights": [']
    assert units[-3:] == ["]", ', "count": 5', "}"]
    assert units[4].startswith(', {"number": "HAT001"')
    assert shape.parents == [NO_FRAME, 0]
    assert shape.joint[:4] == [Joint.TEXT, Joint.MEMBER, Joint.MEMBER, Joint.ITEM]
    assert shape.framing[:4] == [True, False, True, False]


def test_a_long_string_is_cut_inside() -> None:
    """The text in a tool's long string can be folded: its quotes are framing, its lines units."""
    text = json.dumps({"code": 0, "output": "A line of output, some words long.\n" * 200})

    pieces = cut(text)

    assert len(pieces.ends) > 90
    assert pieces.shape is not None
    assert pieces.shape.parents == [NO_FRAME, 0]
    assert text[: pieces.ends[2]].endswith('"output": "')


@pytest.mark.parametrize(
    "text",
    ["[1, 2,]", '{"a": NaN}', "{'a': 1}", '[{"a": 1}\n{"b": 2}]', '["\\ud800"]', "[" * 9 + "]"],
)
def test_what_is_not_strictly_json_is_another_kind(text: str) -> None:
    """Broken JSON is cut as text, never as JSON."""
    assert Kind.JSON is not cut(text).kind


def test_depth_of_a_thousand_is_json_and_more_is_text() -> None:
    """Nesting never recurses: 1,000 levels are cut, 100,000 are plain text."""
    deep = cut("[" * 1_000 + "1" + "]" * 1_000)

    assert Kind.JSON is deep.kind
    assert deep.shape is not None
    assert len(deep.shape.parents) == 32
    assert Kind.JSON is not cut("[" * 100_000 + "]" * 100_000).kind


def test_five_megabytes_are_cut_quickly() -> None:
    """Cutting is linear: 5 MB of records well below a second."""
    record = {"id": 12345, "name": "Ann Example", "tags": ["a", "b"], "text": "words and words"}
    text = json.dumps([record] * 50_000)

    start = time.process_time()
    pieces = cut(text)

    assert len(pieces.ends) == 50_002
    assert time.process_time() - start < 2.0
