"""What holds for every text, whatever it is made of."""

import itertools
import json
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tierfold.text import Kind, Pieces, cut

_LINES = st.sampled_from(
    [
        "One sentence. Another one here! ",
        "A line without an end",
        "- an item. With a sentence",
        "1. numbered item",
        "# Heading",
        "```python",
        "```",
        "~~~~",
        "| a | b |",
        "|---|---|",
        "| 1 | 2 |",
        "user: what is this?",
        "assistant: it is that.",
        "2024-05-01T10:00:00 INFO started",
        "    at frame.one(two)",
        "def function(argument):",
        "    return argument + 1",
        "@decorator",
        "a,b,c",
        '"quoted, cell",2,3',
        "<keep>",
        "</keep>",
        "keep <keep>this. And</keep> not that",
        "这是一句话。还有一句\uff01真的吗\uff1f",
        "هل هذا سؤال؟ نعم.",
        "यह एक वाक्य है। दूसरा भी।",
        "e\u0301 👩‍👩‍👧 🇩🇪🇫🇷 👍🏽.",
        "",
        "   ",
        "\t\u2028\x0b\x0c\x85\r",
        "word " * 300,
        "x" * 2_500,
        '{"a": [1, 2, {"b": "c"}]}',
        "\x00",
    ]
)
_DOCUMENTS = st.lists(_LINES, max_size=30).map("\n".join)
_TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
    _DOCUMENTS,
    _DOCUMENTS.map(lambda text: text.replace("\n", "\r\n")),
    st.recursive(
        st.none() | st.integers() | st.text(max_size=80),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=8), inner),
        max_leaves=60,
    ).map(lambda value: json.dumps([value] * 4, indent=1)),
)


@given(text=_TEXTS, whole=st.booleans())
@example(text="", whole=False)
@example(text=" ", whole=False)
@example(text="\n\n", whole=False)
@example(text="</keep><keep></keep>", whole=False)
@example(text="<keep>" * 5 + "</keep>" * 9, whole=False)
def test_units_partition_the_text(text: str, *, whole: bool) -> None:
    """Every character is in exactly one unit, in order, and no unit is empty."""
    pieces = cut(text, whole=whole)

    bounds = [0, *pieces.ends]
    assert len(text) == bounds[-1]
    assert all(a < b for a, b in itertools.pairwise(bounds))
    assert whole is False or len(pieces.ends) <= 1
    _require_consistent(pieces)


@given(text=_TEXTS)
def test_cutting_is_a_pure_function(text: str) -> None:
    """The same text is cut the same way, so that cuts can be cached by content."""
    assert cut(text) == cut(text)


@given(text=_TEXTS.filter(lambda text: "keep>" not in text))
def test_no_unit_begins_inside_a_cluster(text: str) -> None:
    """A border never parts a letter from its accent, a joined emoji, or CR from LF."""
    pieces = cut(text)

    for end in pieces.ends[:-1]:
        pair = text[end - 1 : end + 1]
        assert pair != "\r\n"
        if not pair[0].isspace() and pieces.kind is not Kind.JSON:
            assert "\u200d" not in pair
            assert unicodedata.combining(pair[1]) == 0 or pair[0] in "\x0b\x0c\x1c\x1d\x1e\x85"


@pytest.mark.parametrize("character", ["a", " ", "あ", "👍🏽", "e\u0301", ".", "\n", "\u0301", "7"])
def test_a_text_without_any_border_is_still_cut(character: str) -> None:
    """No unit of a text of one repeated character is longer than the maximum."""
    text = character * 20_000

    ends = cut(text).ends

    if character != "\n":
        assert max(b - a for a, b in zip([0, *ends], ends, strict=False)) <= 1_000


def test_a_whole_part_is_cut_only_when_it_is_far_too_large() -> None:
    """Borders that the caller chose are kept up to 64 KiB."""
    text = "This is a sentence of the part. " * 1_000

    assert len(cut(text, whole=True).ends) == 1
    assert len(cut(text * 3, whole=True).ends) == 3_000


def _require_consistent(pieces: Pieces) -> None:
    shape = pieces.shape
    if shape is None:
        return
    count = len(pieces.ends)
    assert {count} == {len(c) for c in (shape.kind, shape.joint, shape.framing, shape.frame)}
    assert all(parent < index for index, parent in enumerate(shape.parents))
    assert all(-1 <= frame < len(shape.parents) for frame in shape.frame)
    framed = {f for f, framing in zip(shape.frame, shape.framing, strict=True) if framing}
    assert framed == set(range(len(shape.parents)))
