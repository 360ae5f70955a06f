"""`POST /v1/process`: a question, sources and a budget."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tierfold.config import Limits
from tierfold.context import (
    Budget,
    Document,
    DocumentSource,
    MessagesSource,
    Part,
    Request,
    Source,
    TextSource,
)
from tierfold.wire.body import Json, load_json, unknown_fields, validate
from tierfold.wire.message import MessageField

Whole = Annotated[int, Field(strict=True)]
Real = Annotated[float, Field(strict=True)]


class _Listed(BaseModel):
    """A shape whose unknown fields are named in the answer's `ignored_fields`."""

    model_config = ConfigDict(extra="allow")


class BudgetModel(_Listed):
    """Limits of the request; leave out what should not be limited."""

    max_tokens: Whole | None = Field(
        default=None, description="tokens of the answer, markers included"
    )
    latency_ms: Real | None = Field(
        default=None, description="soft deadline; the best answer so far is sent"
    )
    memory_bytes: Whole | None = Field(default=None, description="peak of working set and answer")
    cost_usd: Real | None = Field(
        default=None, description="kept tokens at the model's price + CPU"
    )
    min_quality: Real | None = Field(
        default=None, description="floor of the expected share of evidence"
    )


class PartModel(_Listed):
    """A piece of a document that is kept whole or dropped."""

    text: str
    role: str | None = None


class DocumentModel(_Listed):
    """A titled text, whole (`text`) or in `parts`."""

    id: str | None = None
    title: str = ""
    text: str = ""
    parts: list[PartModel] | None = None

    @model_validator(mode="after")
    def _one_of_text_and_parts(self) -> "DocumentModel":
        if self.text and self.parts:
            msg = "send either `text` or `parts`, not both"
            raise ValueError(msg)
        return self


class SourceModel(_Listed):
    """Exactly one of `text`, `messages` and `document`."""

    text: str | None = None
    messages: list[MessageField] | None = None
    document: DocumentModel | None = None
    priority: Real = Field(
        default=1.0, gt=0, le=1000, description="weight against the other sources"
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> "SourceModel":
        given = [n for n in ("text", "messages", "document") if getattr(self, n) is not None]
        if len(given) != 1:
            msg = f"send exactly one of text, messages, document; got {', '.join(given) or 'none'}"
            raise ValueError(msg)
        return self


class ProcessModel(_Listed):
    """The body of `POST /v1/process`."""

    sources: list[SourceModel] = Field(min_length=1)
    ask: str = Field(default="", description="the question; empty is query-free")
    budget: BudgetModel = BudgetModel()
    mode: Literal["select"] = "select"
    stages: list[str] = Field(default_factory=list, description="run exactly these stages")
    markers: Literal["none", "short"] = "short"
    tokenizer: Literal["o200k", "cl100k"] = "o200k"
    model: str = Field(
        default="none", description="whose token price the bill uses; `none` is free"
    )
    bypass: bool = Field(default=False, description="answer with the input")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedRequest:
    """The request as a value, and what in it nobody understood."""

    request: Request
    ignored_fields: tuple[str, ...]


def parse_process(body: bytes | Json, limits: Limits) -> ParsedRequest:
    """Return the request; raises InvalidInputError or TooLargeError."""
    value = load_json(body, limits) if isinstance(body, bytes) else body
    model = validate(ProcessModel, value)
    request = Request(
        sources=tuple(_source(source) for source in model.sources),
        ask=model.ask,
        budget=Budget(**model.budget.model_dump(include=set(BudgetModel.model_fields))),
        stages=tuple(model.stages),
        markers=model.markers,
        tokenizer=model.tokenizer,
        model=model.model,
        bypass=model.bypass,
    )
    return ParsedRequest(request=request, ignored_fields=tuple(unknown_fields(model)))


def parse_document(value: Json) -> Document:
    """Return one document; raises InvalidInputError with the path of what is malformed."""
    return _document(validate(DocumentModel, value))


def _source(model: SourceModel) -> Source:
    if model.text is not None:
        return TextSource(text=model.text, priority=model.priority)
    if model.document is not None:
        return DocumentSource(document=_document(model.document), priority=model.priority)
    messages: Any = model.messages  # MessageField validates to Message values
    return MessagesSource(messages=tuple(messages), priority=model.priority)


def _document(model: DocumentModel) -> Document:
    return Document(
        id=model.id,
        title=model.title,
        text=model.text,
        parts=None
        if model.parts is None
        else tuple(Part(text=part.text, role=part.role) for part in model.parts),
    )
