import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierfold.context.segment import (
    PIECE_BYTES_MAX,
    SegmentKind,
    item,
    joined,
    kind_of,
    name_of,
    names_in,
    segment,
)
from tierfold.errors import CorruptError


@given(st.binary(max_size=100), st.sampled_from(SegmentKind))
def test_equal_content_has_one_name_and_other_kinds_another(
    content: bytes, kind: SegmentKind
) -> None:
    """A name stands for kind and content, and for nothing else."""
    made = segment(kind, content)
    assert made == segment(kind, content)
    assert made.name == name_of(made.body)
    others = {segment(other, content).name for other in SegmentKind}
    assert len(others) == len(SegmentKind)
    assert made.kind is kind


@given(st.integers(0, 3 * PIECE_BYTES_MAX + 1))
def test_a_large_item_is_split_and_joined_exactly(size: int) -> None:
    """The pieces of an item are its body again, whatever its size."""
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    made = item(SegmentKind.MESSAGE, content)
    body = joined([piece.body for piece in made.pieces]) if made.pieces else made.segment.body
    assert body == bytes((SegmentKind.MESSAGE,)) + content
    assert made.size_bytes == size
    assert bool(made.pieces) == (size > PIECE_BYTES_MAX)
    assert all(len(piece.body) <= PIECE_BYTES_MAX + 1 for piece in made.pieces)
    assert made.segments() == (made.segment, *made.pieces)


def test_a_split_item_names_its_pieces_in_order() -> None:
    """The item's own segment is what is needed to find the pieces."""
    made = item(SegmentKind.MESSAGE, b"x" * (2 * PIECE_BYTES_MAX))
    assert made.segment.kind is SegmentKind.SPLIT
    assert names_in(made.segment.body[1:]) == tuple(piece.name for piece in made.pieces)


@pytest.mark.parametrize("body", [b"", b"\x00x", b"\xffx"])
def test_a_body_of_no_known_kind_is_damage(body: bytes) -> None:
    """Nothing is guessed about bytes that we did not write."""
    with pytest.raises(CorruptError, match="kind"):
        kind_of(body)


def test_a_torn_list_of_names_is_damage() -> None:
    """Names are 16 bytes each; a remainder means that something is missing."""
    with pytest.raises(CorruptError, match="whole names"):
        names_in(b"x" * 17)


@pytest.mark.parametrize("size", [10, 200_000])
def test_items_travel_between_processes_as_they_are(size: int) -> None:
    """Flat, so that large histories do not take seconds; split ones with their pieces."""
    sent = item(SegmentKind.TEXT, b"x" * size)
    packed = pickle.dumps(sent, protocol=5)

    assert pickle.loads(packed) == sent  # noqa: S301  # our own
    assert len(packed) < len(pickle.dumps([each.body for each in sent.segments()])) + 400
