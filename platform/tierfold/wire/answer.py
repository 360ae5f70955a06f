"""The answer on the wire: the same schema in JSON, in streams and from the CLI."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from pydantic import BaseModel, Field

from tierfold.context import (
    Answer,
    Document,
    DocumentSource,
    LeftOut,
    MessagesSource,
    Part,
    Source,
    SourceShare,
    StopReason,
    TextSource,
    Timing,
    Usage,
)


class QualityModel(BaseModel):
    """How much of what the question needs is in the answer."""

    expected: float = Field(description="calibrated expected share of the needed evidence, 0..1")
    floor: float | None = Field(description="what the budget asked for")
    p_floor: float = Field(description="probability that the share reaches the floor")
    floor_met: bool


class TokenDetailsModel(BaseModel):
    """OpenAI's own details of prompt tokens."""

    cached_tokens: int


class UsageModel(BaseModel):
    """Tokens after and before, in OpenAI's names."""

    prompt_tokens: int
    original_prompt_tokens: int
    original_is_estimate: bool = Field(description="there was no time to count all of it")
    total_tokens: int
    prompt_tokens_details: TokenDetailsModel


class SourceShareModel(BaseModel):
    """What one of several sources got of the budget."""

    source: int
    prompt_tokens: int
    original_prompt_tokens: int = Field(
        description="as its units were counted; estimated where a deadline left some unread"
    )
    share: float = Field(description="of the answer's tokens")


class SavingsModel(BaseModel):
    """What folding was worth; `usd_net` may be negative."""

    tokens: int
    usd_net: float
    baseline: Literal["everything sent fresh"] = "everything sent fresh"


class StageModel(BaseModel):
    """What one stage reached."""

    stage: str
    quality: float
    tokens: int


class LeftOutModel(BaseModel):
    """A run of characters of the caller's input that is not in the answer."""

    source: int
    message: int | None
    part: int | None
    start: int
    end: int
    tokens: int
    handle: str | None = Field(default=None, description="brings it back; only of stored contexts")
    count: int = Field(
        default=1,
        description="rows or parts from this one on that a deadline left unread; then `end` is of "
        "all their characters, estimated",
    )


class StageTimingModel(BaseModel):
    """What one stage took, and what it was expected to take."""

    stage: str
    predicted_ms: float
    ms: float


class TimingModel(BaseModel):
    """Everything that depends on the machine and the moment."""

    total_ms: float
    cpu_ms: float
    read_ms: float = Field(description="cutting and counting the sources")
    index_ms: float = Field(description="their words and vectors")
    stages: list[StageTimingModel]
    tier: str | None = Field(
        default=None, description="the lowest tier that stored contexts were read from, L0 to L4"
    )
    checked_ms_ago: float | None = Field(
        default=None, description="since their versions were confirmed"
    )


class StoredVersionModel(BaseModel):
    """Which version of a stored context was asked."""

    id: str
    version: int


class AnswerModel(BaseModel):
    """The answer of `POST /v1/process`; stage events carry the same shape with `final: false`."""

    object: Literal["answer"] = "answer"
    final: bool
    sources: list[dict[str, Any]] = Field(description="as sent, folded: text, messages or document")
    stop_reason: StopReason | None
    query_free: bool
    quality: QualityModel
    usage: UsageModel
    savings: SavingsModel
    cost_usd: float
    stages: list[StageModel]
    left_out: list[LeftOutModel]
    shares: list[SourceShareModel] = Field(
        default=[], description="how the budget was split, where there are several sources"
    )
    ignored_fields: list[str]
    contexts: list[StoredVersionModel] = Field(default=[], description="stored contexts asked")
    timing: TimingModel


class ReadContext(Protocol):
    """Where a stored context was found: `engine.verbs.ReadAccount`."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def version(self) -> int:
        """The version that was asked."""
        ...

    @property
    def tier(self) -> str:
        """The lowest tier that was read, L0 to L4."""
        ...

    @property
    def checked_ms_ago(self) -> float | None:
        """Since home confirmed the version."""
        ...


def answer_body(
    answer: Answer,
    *,
    ignored_fields: tuple[str, ...] = (),
    contexts: Sequence[ReadContext] = (),
) -> dict[str, Any]:
    """Return the answer as plain objects, ready for any JSON encoder."""
    quality = answer.quality
    body = {
        "object": "answer",
        "final": answer.final,
        "sources": [_source(source) for source in answer.sources],
        "stop_reason": answer.stop_reason.value if answer.final else None,
        "query_free": answer.query_free,
        "quality": {
            "expected": round(quality.expected, 4),
            "floor": quality.floor,
            "p_floor": round(quality.p_floor, 4),
            "floor_met": quality.floor_met,
        },
        **_bill(answer.usage),
        "stages": [
            {"stage": s.stage, "quality": round(s.quality, 4), "tokens": s.tokens}
            for s in answer.stages
        ],
        "left_out": _left_out(answer.left_out),
        "ignored_fields": list(ignored_fields),
        "timing": _timing(answer.timing),
    }
    if answer.shares:
        body["shares"] = [_share(each) for each in answer.shares]
    if contexts:
        body["contexts"] = [{"id": each.id, "version": each.version} for each in contexts]
        body["timing"] |= _reached(contexts)
    return body


def _share(share: SourceShare) -> dict[str, Any]:
    return {
        "source": share.source,
        "prompt_tokens": share.prompt_tokens,
        "original_prompt_tokens": share.original_prompt_tokens,
        "share": round(share.share, 4),
    }


def _left_out(runs: Sequence[LeftOut]) -> list[dict[str, Any]]:
    """Return the runs; a long chat has thousands, so there is no call for each."""
    found: list[dict[str, Any]] = [
        {
            "source": run.source,
            "message": run.message,
            "part": run.part,
            "start": run.start,
            "end": run.end,
            "tokens": run.tokens,
        }
        for run in runs
    ]
    for body, run in zip(found, runs, strict=True):
        if run.handle is not None:
            body["handle"] = run.handle
        if run.count > 1:
            body["count"] = run.count
    return found


def _timing(timing: Timing) -> dict[str, Any]:
    return {
        "total_ms": round(timing.total_ms, 3),
        "cpu_ms": round(timing.cpu_ms, 3),
        "read_ms": round(timing.read_ms, 3),
        "index_ms": round(timing.index_ms, 3),
        "stages": [
            {"stage": s.stage, "predicted_ms": round(s.predicted_ms, 3), "ms": round(s.ms, 3)}
            for s in timing.stages
        ],
    }


def _reached(contexts: Sequence[ReadContext]) -> dict[str, Any]:
    """Return the lowest tier, and the longest time since a version was confirmed."""
    ages = [each.checked_ms_ago for each in contexts if each.checked_ms_ago is not None]
    return {
        "tier": max(each.tier for each in contexts),
        "checked_ms_ago": round(max(ages), 3) if ages else None,
    }


def _bill(usage: Usage) -> Mapping[str, Any]:
    return {
        "usage": {
            "prompt_tokens": usage.prompt_tokens,
            "original_prompt_tokens": usage.original_prompt_tokens,
            "original_is_estimate": usage.original_is_estimate,
            "total_tokens": usage.prompt_tokens,
            "prompt_tokens_details": {"cached_tokens": 0},
        },
        "savings": {
            "tokens": usage.original_prompt_tokens - usage.prompt_tokens,
            "usd_net": usage.usd_net,
            "baseline": "everything sent fresh",
        },
        "cost_usd": usage.cost_usd,
    }


def _source(source: Source) -> dict[str, Any]:
    match source:
        case TextSource(text=text):
            return {"text": text}
        case MessagesSource(messages=messages):
            return {"messages": [message.to_dict() for message in messages]}
        case DocumentSource(document=document):
            return {"document": _document(document)}


def _document(document: Document) -> dict[str, Any]:
    body: dict[str, Any] = {"id": document.id, "title": document.title}
    if document.parts is None:
        return body | {"text": document.text}
    return body | {"parts": [_part(part) for part in document.parts]}


def _part(part: Part) -> dict[str, Any]:
    return {"text": part.text} if part.role is None else {"text": part.text, "role": part.role}
