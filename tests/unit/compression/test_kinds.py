import base64
import random

import pytest

from tierfold.compression.lossless import ContentKind, content_kind
from tierfold.context.canonical import canonical_json, message_item, part_item
from tierfold.context.manifest import Spine
from tierfold.context.message import Message
from tierfold.context.segment import SegmentKind, segment
from tierfold.context.source import Part
from tierfold.errors import CorruptError

LOG = "2026-05-01 12:00:01,204 INFO worker 7 took 1204 ms\n" * 30
CODE = 'def main(argv):\n    if argv[1] == "x":\n        return {"a": [1, 2]}\n' * 20
PROSE = "The ferry leaves at noon, and nobody knows when it will be back. " * 20


def message(content: object, role: str = "user", **more: object) -> bytes:
    row = {"role": role, "content": content, **more}
    return segment(SegmentKind.MESSAGE, canonical_json(row)).body


def dense(size_bytes: int) -> str:
    return base64.b64encode(random.Random(3).randbytes(size_bytes)).decode()


CASES = [
    (message("Where is my order?"), ContentKind.CHAT),
    (message(PROSE), ContentKind.CHAT),
    (message(CODE), ContentKind.CODE),
    (message(LOG), ContentKind.LOG),
    (message('He said "tool_calls":[ and "role":"tool"'), ContentKind.CHAT),
    (message("[File: a.py (10 lines)] is open"), ContentKind.CHAT),
    (message('{"id": 4, "tags": []}', role="tool"), ContentKind.TOOL_JSON),
    (message('[\n  {"id": 4}]', role="tool"), ContentKind.TOOL_JSON),
    (message("done", role="tool"), ContentKind.LOG),
    (message(CODE, role="function"), ContentKind.CODE),
    (
        message(None, role="assistant", tool_calls=[{"function": {"name": "find"}, "id": "1"}]),
        ContentKind.TOOL_JSON,
    ),
    (message("x", tool_calls=[]), ContentKind.TOOL_JSON),
    (message({"parts": 1}), ContentKind.CHAT),
    (segment(SegmentKind.ABOUT, b"{}").body, ContentKind.TOOL_JSON),
    (part_item(Part(text='{"a": 1}', role="tool")).segment.body, ContentKind.TOOL_JSON),
    (part_item(Part(text=PROSE)).segment.body, ContentKind.PROSE),
    (segment(SegmentKind.TEXT, b"").body, ContentKind.PROSE),
    (segment(SegmentKind.TEXT, CODE.encode()).body, ContentKind.CODE),
    (segment(SegmentKind.PIECE, LOG.encode()).body, ContentKind.LOG),
    (segment(SegmentKind.TEXT, "船は正午に出る。".encode() * 200).body, ContentKind.PROSE),
    (segment(SegmentKind.PAGE, bytes(32)).body, ContentKind.NAMES),
    (segment(SegmentKind.SPLIT, bytes(32)).body, ContentKind.NAMES),
    (Spine().segment().body, ContentKind.NAMES),
    (message(dense(9000)), ContentKind.OPAQUE),
    (segment(SegmentKind.PIECE, random.Random(4).randbytes(9000)).body, ContentKind.OPAQUE),
    (message(dense(4000) + PROSE * 8), ContentKind.LOG),  # its middle is text, so no OPAQUE
    (message("a" * 5000), ContentKind.CHAT),  # no blank, and yet it shrinks
]


@pytest.mark.parametrize(("body", "kind"), CASES, ids=map(str, range(len(CASES))))
def test_a_body_is_told_by_what_it_holds(body: bytes, kind: ContentKind) -> None:
    """The table chooses by content, so content must be told apart."""
    assert content_kind(body) is kind


def test_a_real_item_has_the_form_that_is_looked_for() -> None:
    """The look relies on canonical JSON: sorted keys, no blanks, quotes with a backslash."""
    raw = {"tool_calls": [{"id": "1"}], "role": "assistant", "content": None}
    made = message_item(Message(role="assistant", content=None, raw=raw))

    assert content_kind(made.segment.body) is ContentKind.TOOL_JSON


@pytest.mark.parametrize("body", [b"", b"\x00abc", b"\xffabc"])
def test_what_is_no_segment_is_damage(body: bytes) -> None:
    """A body without a kind is not packed as if it were one."""
    with pytest.raises(CorruptError, match="no kind"):
        content_kind(body)
