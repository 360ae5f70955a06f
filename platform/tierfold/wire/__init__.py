"""The shapes of requests, answers and events on every wire, and their mapping to values."""

from tierfold.wire.answer import AnswerModel, answer_body
from tierfold.wire.body import load_json
from tierfold.wire.compress import CompressModel, CompressRequest, parse_compress
from tierfold.wire.event import encode_event
from tierfold.wire.message import parse_messages
from tierfold.wire.problem import PROBLEM_MEDIA_TYPE, problem_body
from tierfold.wire.process import ParsedRequest, ProcessModel, parse_document, parse_process

__all__ = [
    "PROBLEM_MEDIA_TYPE",
    "AnswerModel",
    "CompressModel",
    "CompressRequest",
    "ParsedRequest",
    "ProcessModel",
    "answer_body",
    "encode_event",
    "load_json",
    "parse_compress",
    "parse_document",
    "parse_messages",
    "parse_process",
    "problem_body",
]
