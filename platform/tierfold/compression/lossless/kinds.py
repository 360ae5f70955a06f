"""What a body is made of, told in microseconds: it decides codec, dictionary and neighbours."""

import re
from enum import IntEnum, unique
from typing import Final

import zstandard

from tierfold.context.segment import SegmentKind, kind_of


@unique
class ContentKind(IntEnum):
    """What a body is made of. Numbers stand in stored dictionaries and never change."""

    CHAT = 1  # what people and models say to each other
    TOOL_JSON = 2  # tool calls, their results where those are JSON, other JSON
    PROSE = 3
    CODE = 4
    LOG = 5  # lines with many digits: logs, tables, listings
    NAMES = 6  # hashes one after another: pages, branches, spines, split items
    OPAQUE = 7  # base64 and what is packed or encrypted already


_SAMPLE_BYTES: Final = 2048  # enough to tell prose from code
_PROBE_BYTES: Final = 4096  # level 1 takes 20 us for so many
_DENSE_BYTES_MIN: Final = 512  # shorter ones are never worth a probe
_DENSE_GAPS: Final = 64  # text has a blank far more often than once in so many bytes
_GAIN_ASCII: Final = 1.45  # base64 shrinks to 3/4 by its alphabet alone: that is 1.33
_GAIN_MIN: Final = 1.05  # below it, packing is not worth unpacking
_LONG_BYTES: Final = 512  # a message from here on may be a listing that somebody pasted
_SIGNS_CODE: Final = 0.07  # share of signs that prose has no use for
_DIGITS_LOG: Final = 0.12
_LETTERS: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DIGITS: Final = b"0123456789"
_ORDINARY: Final = _LETTERS + _DIGITS + b" \n\r\t.,;:!?'\"-()\\*" + bytes(range(128, 256))

# An object or a list begins so, also inside a string, where quotes and lines have a backslash.
_JSON: Final = re.compile(rb'[\s"]*(?:\[(?:\s|\\n)*)*(?:\{(?:\s|\\n)*\\?"|\[(?:\\?"|[\d\]-]))')

_NAMES = (SegmentKind.SPLIT, SegmentKind.PAGE, SegmentKind.BRANCH, SegmentKind.SPINE)
_CONTENT: Final = b'"content":'
_CONTENT_WITHIN: Final = 256  # keys that sort before it are few and short


def content_kind(body: bytes) -> ContentKind:
    """Return what a body is made of; raises CorruptError for one without a kind of segment."""
    kind = kind_of(body)
    if kind in _NAMES:
        return ContentKind.NAMES
    if kind is SegmentKind.ABOUT:
        return ContentKind.TOOL_JSON
    if _is_dense(body):
        return ContentKind.OPAQUE
    if kind is SegmentKind.MESSAGE:
        return _message_kind(body)
    start = 1 if kind is not SegmentKind.PART else body.find(b"\x00") + 1  # after the role
    return _look(body[start : start + _SAMPLE_BYTES])


def content_start(body: bytes) -> int:
    """Return where the content of a message's canonical JSON begins, 0 where it has none."""
    at = body.find(_CONTENT, 0, _CONTENT_WITHIN)
    return at + len(_CONTENT) if at >= 0 else 0


def is_tool_call(body: bytes) -> bool:
    """Whether a message's JSON has tool calls: inside its strings every quote has a backslash."""
    return b',"tool_calls":[' in body


def is_tool_result(body: bytes) -> bool:
    """Whether a message is what a tool answered."""
    return b'"role":"tool"' in body or b'"role":"function"' in body


def _message_kind(body: bytes) -> ContentKind:
    if is_tool_call(body):
        return ContentKind.TOOL_JSON
    start = content_start(body)
    looks = _look(body[start : start + _SAMPLE_BYTES])
    if is_tool_result(body):
        return ContentKind.LOG if looks is ContentKind.PROSE else looks
    is_said = len(body) < _LONG_BYTES or looks is ContentKind.PROSE
    return ContentKind.CHAT if is_said else looks


def _look(sample: bytes) -> ContentKind:
    """Tell JSON, code, listings and prose from the first bytes of a text."""
    if _JSON.match(sample):
        return ContentKind.TOOL_JSON
    size = len(sample)
    if not size:
        return ContentKind.PROSE
    digits = size - len(sample.translate(None, _DIGITS))
    if digits / size > _DIGITS_LOG:
        return ContentKind.LOG
    signs = len(sample.translate(None, _ORDINARY))
    return ContentKind.CODE if signs / size > _SIGNS_CODE else ContentKind.PROSE


def _is_dense(body: bytes) -> bool:
    """Whether level 1 finds nothing but an alphabet at the start, nor in the middle."""
    if len(body) < _DENSE_BYTES_MIN:
        return False
    middle = len(body) // 2
    return _is_dense_piece(body[:_PROBE_BYTES]) and _is_dense_piece(
        body[middle : middle + _PROBE_BYTES]
    )


def _is_dense_piece(piece: bytes) -> bool:
    if (piece.count(b" ") + piece.count(b"\\n") + piece.count(b"\n")) * _DENSE_GAPS > len(piece):
        return False
    gain = len(piece) / len(zstandard.ZstdCompressor(level=1).compress(piece))
    return gain < (_GAIN_ASCII if piece.isascii() else _GAIN_MIN)
