"""An answer document as the answer it was, to show it like any other."""

from collections.abc import Iterable, Mapping
from typing import Any

from tierfold.cli.output import json_bytes
from tierfold.client.documents import MalformedReplyError
from tierfold.context import (
    Answer,
    Document,
    DocumentSource,
    LeftOut,
    MessagesSource,
    Part,
    QualityReport,
    Source,
    SourceShare,
    StageReport,
    StageTiming,
    StopReason,
    TextSource,
    Timing,
    Usage,
)


def answer_of(document: Mapping[str, Any]) -> Answer:
    """Return the answer; raises MalformedReplyError for a document that is none."""
    try:
        return _answer(document)
    except (KeyError, TypeError, ValueError) as error:
        problem = "an answer lacks fields"
        raise MalformedReplyError(problem) from error


def rendered_sources(sources: Iterable[Any]) -> bytes:
    """Return what is kept: a text as it is, a chat as JSON rows."""
    return b"\n\n".join(map(_rendered, sources))


def _rendered(source: Mapping[str, Any]) -> bytes:
    if "messages" in source:
        return json_bytes(source["messages"])
    if "text" in source:
        return str(source["text"]).encode()
    return _document(source["document"]).whole_text.encode()


def _answer(document: Mapping[str, Any]) -> Answer:
    quality = document["quality"]
    return Answer(
        sources=tuple(_source(each) for each in document["sources"]),
        stop_reason=StopReason(document["stop_reason"]),
        query_free=document["query_free"],
        quality=QualityReport(**_only(QualityReport, quality)),
        usage=_usage(document),
        stages=tuple(StageReport(**_only(StageReport, each)) for each in document["stages"]),
        left_out=tuple(LeftOut(**_only(LeftOut, each)) for each in document["left_out"]),
        timing=_timing(document["timing"]),
        shares=tuple(SourceShare(**_only(SourceShare, e)) for e in document.get("shares", ())),
    )


def _usage(document: Mapping[str, Any]) -> Usage:
    said = document["usage"]
    return Usage(
        prompt_tokens=said["prompt_tokens"],
        original_prompt_tokens=said["original_prompt_tokens"],
        original_is_estimate=said["original_is_estimate"],
        usd_net=document["savings"]["usd_net"],
        cost_usd=document["cost_usd"],
    )


def _timing(said: Mapping[str, Any]) -> Timing:
    return Timing(
        total_ms=said["total_ms"],
        cpu_ms=said["cpu_ms"],
        read_ms=said["read_ms"],
        index_ms=said["index_ms"],
        stages=tuple(StageTiming(**_only(StageTiming, each)) for each in said["stages"]),
    )


def _source(source: Mapping[str, Any]) -> Source:
    if "messages" in source:
        from tierfold.wire import parse_messages  # noqa: PLC0415  # a text needs no pydantic

        return MessagesSource(messages=parse_messages(source["messages"]))
    if "text" in source:
        return TextSource(text=source["text"])
    return DocumentSource(document=_document(source["document"]))


def _document(said: Mapping[str, Any]) -> Document:
    parts = said.get("parts")
    return Document(
        id=said.get("id"),
        title=said.get("title", ""),
        text=said.get("text", ""),
        parts=None
        if parts is None
        else tuple(Part(text=part["text"], role=part.get("role")) for part in parts),
    )


def _only(kind: Any, said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what this tierfold knows of it."""
    return {name: value for name, value in said.items() if name in kind.__dataclass_fields__}
