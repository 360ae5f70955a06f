from tierfold.compression.lossless import Codec
from tierfold.context.segment import SegmentKind, item, segment
from tierfold.engine.shard.encoding import encoded, frame_of

CODEC = Codec()
SENTENCE = b"The ferry to Narvik leaves at noon. "


def test_short_rows_are_packed_when_they_are_sealed_and_long_ones_at_once() -> None:
    """An append does not pay for bytes that are saved for half a minute."""
    short = segment(SegmentKind.TEXT, SENTENCE * 30)
    long = segment(SegmentKind.TEXT, SENTENCE * 300)

    assert len(frame_of(short, CODEC)) == len(short.body) + 1
    assert len(frame_of(long, CODEC)) < len(long.body) / 2
    assert [CODEC.unframe(frame_of(each, CODEC)) for each in (short, long)] == [
        short.body,
        long.body,
    ]


def test_equal_items_and_pieces_are_framed_once() -> None:
    """A change brings each body along one time, however often it lists it."""
    row = item(SegmentKind.MESSAGE, b'{"content":"yes","role":"user"}')
    split = item(SegmentKind.TEXT, SENTENCE * 9000)
    together = encoded([row, split, row, split], CODEC)

    assert set(together.frames) == {row.segment.name, split.segment.name}
    assert together.pieces == {split.segment.name: tuple(each.name for each in split.pieces)}
    assert set(together.piece_frames) == {each.name for each in split.pieces}
