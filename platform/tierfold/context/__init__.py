"""Values of the domain: immutable, validated once, free of input and output."""

from tierfold.context.answer import (
    Answer,
    LeftOut,
    QualityReport,
    SourceShare,
    StageReport,
    StageTiming,
    StopReason,
    Timing,
    Usage,
)
from tierfold.context.budget import UNLIMITED, Budget
from tierfold.context.message import CHAT_ROLES, Message, OpaquePart, TextPart, ToolCall
from tierfold.context.request import Markers, Request, Tokenizer
from tierfold.context.source import (
    Document,
    DocumentSource,
    MessagesSource,
    Part,
    Source,
    TextSource,
)

__all__ = [
    "CHAT_ROLES",
    "UNLIMITED",
    "Answer",
    "Budget",
    "Document",
    "DocumentSource",
    "LeftOut",
    "Markers",
    "Message",
    "MessagesSource",
    "OpaquePart",
    "Part",
    "QualityReport",
    "Request",
    "Source",
    "SourceShare",
    "StageReport",
    "StageTiming",
    "StopReason",
    "TextPart",
    "TextSource",
    "Timing",
    "Tokenizer",
    "ToolCall",
    "Usage",
]
