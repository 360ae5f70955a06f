"""`POST /v1/process`: a question, sources and a budget."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator

from tierfold.config import Limits
from tierfold.context import (
    Budget,
    Document,
    DocumentSource,
    Markers,
    MessagesSource,
    Part,
    Request,
    Source,
    TextSource,
    Tokenizer,
)
from tierfold.context.source import ContextSource
from tierfold.context.stored import Consistency
from tierfold.errors import InvalidInputError
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
    """Exactly one of `text`, `messages`, `document` and `context_id`."""

    text: str | None = None
    messages: list[MessageField] | None = None
    document: DocumentModel | None = None
    context_id: str | None = Field(default=None, description="a stored context")
    priority: Real = Field(
        default=1.0, gt=0, le=1000, description="weight against the other sources"
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> "SourceModel":
        require_one(self, ("text", "messages", "document", "context_id"))
        return self


class QuestionModel(_Listed):
    """The body of `POST /v1/contexts/{id}/process`."""

    ask: str = Field(default="", description="the question; empty is query-free")
    budget: BudgetModel = BudgetModel()
    mode: Literal["select"] = "select"
    stages: list[str] = Field(default_factory=list, description="run exactly these stages")
    markers: Markers = Field(
        default="short", description="`handles` only where the one source is a stored context"
    )
    tokenizer: Tokenizer = "o200k"
    model: str = Field(
        default="none", description="whose token price the bill uses; `none` is free"
    )
    bypass: StrictBool = Field(default=False, description="answer with the input")
    consistency: Consistency = Field(
        default="session", description="how old a stored context may be for this question"
    )


class ProcessModel(QuestionModel):
    """The body of `POST /v1/process`."""

    sources: list[SourceModel] = Field(min_length=1)


def require_one(model: BaseModel, names: tuple[str, ...]) -> None:
    """Raise ValueError unless exactly one of these fields was given a value."""
    given = [name for name in names if getattr(model, name) is not None]
    if len(given) != 1:
        msg = f"send exactly one of {', '.join(names)}; got {', '.join(given) or 'none'}"
        raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question as it was sent; the stored contexts among its sources are not read yet."""

    sources: tuple[Source | ContextSource, ...]
    ask: str
    budget: Budget
    stages: tuple[str, ...]
    markers: Markers
    tokenizer: Tokenizer
    model: str
    bypass: bool
    consistency: Consistency
    ignored_fields: tuple[str, ...]

    def request(self, sources: tuple[Source, ...]) -> Request:
        """Return the request about these sources: its own, every stored context read."""
        return Request(
            sources=sources,
            ask=self.ask,
            budget=self.budget,
            stages=self.stages,
            markers=self.markers,
            tokenizer=self.tokenizer,
            model=self.model,
            bypass=self.bypass,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedRequest:
    """The request as a value, and what in it nobody understood."""

    request: Request
    ignored_fields: tuple[str, ...]


def parse_process(body: bytes | Json, limits: Limits) -> ParsedRequest:
    """Return the request; raises InvalidInputError or TooLargeError, also for stored contexts."""
    question = parse_question(body, limits)
    read: list[Source] = []
    for index, source in enumerate(question.sources):
        if isinstance(source, ContextSource):
            problem = "only a server with a store reads contexts, for a body of up to 1 MiB"
            raise InvalidInputError(problem, path=f"sources[{index}].context_id")
        read.append(source)
    return ParsedRequest(
        request=question.request(tuple(read)), ignored_fields=question.ignored_fields
    )


def parse_question(body: bytes | Json, limits: Limits) -> Question:
    """Return what `POST /v1/process` asks; raises InvalidInputError or TooLargeError."""
    value = load_json(body, limits) if isinstance(body, bytes) else body
    model = validate(ProcessModel, value)
    return _question(model, tuple(_source(source) for source in model.sources))


def parse_context_question(body: bytes, limits: Limits, *, context: str) -> Question:
    """Return what is asked of one stored context; an empty body asks nothing in particular."""
    model = validate(QuestionModel, load_json(body, limits) if body else {})
    return _question(model, (ContextSource(id=context),))


def parse_document(value: Json) -> Document:
    """Return one document; raises InvalidInputError with the path of what is malformed."""
    return document_of(validate(DocumentModel, value))


def _question(model: QuestionModel, sources: tuple[Source | ContextSource, ...]) -> Question:
    budget = model.budget
    return Question(
        sources=sources,
        ask=model.ask,
        budget=Budget(**{name: getattr(budget, name) for name in BudgetModel.model_fields}),
        stages=tuple(model.stages),
        markers=model.markers,
        tokenizer=model.tokenizer,
        model=model.model,
        bypass=model.bypass,
        consistency=model.consistency,
        ignored_fields=tuple(unknown_fields(model)),
    )


def _source(model: SourceModel) -> Source | ContextSource:
    if model.context_id is not None:
        return ContextSource(id=model.context_id, priority=model.priority)
    if model.text is not None:
        return TextSource(text=model.text, priority=model.priority)
    if model.document is not None:
        return DocumentSource(document=document_of(model.document), priority=model.priority)
    messages: Any = model.messages  # MessageField validates to Message values
    return MessagesSource(messages=tuple(messages), priority=model.priority)


def document_of(model: DocumentModel) -> Document:
    """Return the model as a value."""
    return Document(
        id=model.id,
        title=model.title,
        text=model.text,
        parts=None
        if model.parts is None
        else tuple(Part(text=part.text, role=part.role) for part in model.parts),
    )
