"""The shapes of requests, answers and events on every wire, and their mapping to values."""

from tierfold.wire.answer import AnswerModel, ReadContext, answer_body
from tierfold.wire.body import load_json
from tierfold.wire.compress import CompressModel, CompressRequest, parse_compress
from tierfold.wire.contexts import (
    ParsedCreate,
    ParsedItems,
    ParsedPatch,
    SentItems,
    parse_append,
    parse_create,
    parse_patch,
    parse_put,
    parse_whole,
)
from tierfold.wire.event import encode_event
from tierfold.wire.message import parse_messages
from tierfold.wire.problem import PROBLEM_MEDIA_TYPE, problem_body
from tierfold.wire.process import (
    ParsedRequest,
    ProcessModel,
    Question,
    parse_context_question,
    parse_document,
    parse_process,
    parse_question,
)
from tierfold.wire.search import ParsedSearch, parse_search
from tierfold.wire.stored import (
    context_body,
    contexts_body,
    deleted_body,
    handle_body,
    items_body,
)

__all__ = [
    "PROBLEM_MEDIA_TYPE",
    "AnswerModel",
    "CompressModel",
    "CompressRequest",
    "ParsedCreate",
    "ParsedItems",
    "ParsedPatch",
    "ParsedRequest",
    "ParsedSearch",
    "ProcessModel",
    "Question",
    "ReadContext",
    "SentItems",
    "answer_body",
    "context_body",
    "contexts_body",
    "deleted_body",
    "encode_event",
    "handle_body",
    "items_body",
    "load_json",
    "parse_append",
    "parse_compress",
    "parse_context_question",
    "parse_create",
    "parse_document",
    "parse_messages",
    "parse_patch",
    "parse_process",
    "parse_put",
    "parse_question",
    "parse_search",
    "parse_whole",
    "problem_body",
]
