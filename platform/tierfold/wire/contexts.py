"""Bodies that make and change stored contexts, and what a query string may say of them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, model_validator

from tierfold.config import Limits
from tierfold.context import Document, Message, Part
from tierfold.errors import InvalidInputError
from tierfold.wire.body import Json, Model, load_json, unknown_fields, validate
from tierfold.wire.message import MessageField
from tierfold.wire.process import DocumentModel, PartModel, document_of, require_one

SECONDS_MAX = 1e9  # 31 years

_WHOLE = re.compile(r"-?[0-9]+")  # `int` takes 1_0 too

Seconds = Annotated[StrictFloat | StrictInt, Field(ge=0, le=SECONDS_MAX)]


class _Listed(BaseModel):
    """A shape whose unknown fields are named in the answer's `ignored_fields`."""

    model_config = ConfigDict(extra="allow")


class CreateContextModel(_Listed):
    """The body of `POST /v1/contexts`: exactly one of `messages`, `text` and `document`."""

    id: str | None = Field(default=None, description="made for you where you give none")
    messages: list[MessageField] | None = Field(default=None, description="[] begins a chat")
    text: str | None = None
    document: DocumentModel | None = None
    title: str = ""
    metadata: dict[str, Any] = Field(default_factory=dict)
    ttl_s: Seconds | None = Field(default=None, description="life after the last change")

    @model_validator(mode="after")
    def _exactly_one(self) -> "CreateContextModel":
        require_one(self, ("messages", "text", "document"))
        return self


class AppendItemsModel(_Listed):
    """The body of `POST /v1/contexts/{id}/items`: exactly one of `messages`, `text`, `parts`."""

    messages: list[MessageField] | None = None
    text: str | None = None
    parts: list[PartModel] | None = None
    expected_version: StrictInt | None = Field(
        default=None, ge=0, description="as If-Match, where a header is hard to set"
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> "AppendItemsModel":
        require_one(self, ("messages", "text", "parts"))
        return self


class PutItemsModel(_Listed):
    """The body of `PUT /v1/contexts/{id}/items`: the whole list, as when it was created."""

    messages: list[MessageField] | None = None
    text: str | None = None
    document: DocumentModel | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "PutItemsModel":
        require_one(self, ("messages", "text", "document"))
        return self


class PatchContextModel(_Listed):
    """The body of `PATCH /v1/contexts/{id}`; what is left out stays as it is."""

    title: str | None = None
    metadata: dict[str, Any] | None = None
    ttl_s: Seconds | None = Field(default=None, description="0 or null is for ever")
    pinned_s: Seconds | None = Field(default=None, description="from now; 0 or null unpins")


@dataclass(frozen=True, slots=True, kw_only=True)
class SentItems:
    """Items as the caller sent them; exactly one field is set."""

    messages: tuple[Message, ...] | None = None
    text: str | None = None
    document: Document | None = None
    parts: tuple[Part, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedCreate:
    """A context to make."""

    id: str | None
    sent: SentItems
    title: str
    metadata: Mapping[str, Any]
    ttl_s: float | None
    ignored_fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedItems:
    """Items to add or to put in place of all others."""

    sent: SentItems
    expected_version: int | None
    ignored_fields: tuple[str, ...]
    title: str = ""  # of a document, where it is made by being put


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedPatch:
    """What to change besides the items; None leaves a field as it is."""

    title: str | None
    metadata: Mapping[str, Any] | None
    ttl_s: float | None
    pinned_s: float | None
    ignored_fields: tuple[str, ...]


def parse_create(body: bytes | Json, limits: Limits) -> ParsedCreate:
    """Return the context to make; raises InvalidInputError or TooLargeError."""
    model = _validated(CreateContextModel, body, limits)
    document = None if model.document is None else document_of(model.document)
    return ParsedCreate(
        id=model.id,
        sent=SentItems(messages=_rows(model.messages), text=model.text, document=document),
        title=model.title or ("" if document is None else document.title),
        metadata=model.metadata,
        ttl_s=model.ttl_s,
        ignored_fields=tuple(unknown_fields(model)),
    )


def parse_append(body: bytes | Json, limits: Limits) -> ParsedItems:
    """Return the items to add; raises InvalidInputError or TooLargeError."""
    model = _validated(AppendItemsModel, body, limits)
    parts = None
    if model.parts is not None:
        parts = tuple(Part(text=part.text, role=part.role) for part in model.parts)
    return ParsedItems(
        sent=SentItems(messages=_rows(model.messages), text=model.text, parts=parts),
        expected_version=model.expected_version,
        ignored_fields=tuple(unknown_fields(model)),
    )


def parse_put(body: bytes | Json, limits: Limits) -> ParsedItems:
    """Return the whole list; raises InvalidInputError or TooLargeError."""
    model = _validated(PutItemsModel, body, limits)
    document = None if model.document is None else document_of(model.document)
    return ParsedItems(
        sent=SentItems(messages=_rows(model.messages), text=model.text, document=document),
        expected_version=None,
        ignored_fields=tuple(unknown_fields(model)),
        title="" if document is None else document.title,
    )


def parse_patch(body: bytes | Json, limits: Limits) -> ParsedPatch:
    """Return what to change: a field that is null is emptied, one that is absent stays."""
    model = _validated(PatchContextModel, body, limits)
    given = model.model_fields_set
    return ParsedPatch(
        title=model.title or "" if "title" in given else None,
        metadata=model.metadata or {} if "metadata" in given else None,
        ttl_s=model.ttl_s or 0 if "ttl_s" in given else None,
        pinned_s=model.pinned_s or 0 if "pinned_s" in given else None,
        ignored_fields=tuple(unknown_fields(model)),
    )


def parse_whole(text: str | None, *, name: str, default: int, between: tuple[int, int]) -> int:
    """Return a whole number of a query string; raises InvalidInputError with its name."""
    if text is None:
        return default
    lowest, highest = between
    is_whole = _WHOLE.fullmatch(text) and len(text) <= len(str(highest)) + 1
    value = int(text) if is_whole else highest + 1
    if not lowest <= value <= highest:
        problem = f"must be a whole number from {lowest} to {highest}"
        raise InvalidInputError(problem, path=name)
    return value


def _validated(kind: type[Model], body: bytes | Json, limits: Limits) -> Model:
    return validate(kind, load_json(body, limits) if isinstance(body, bytes) else body)


def _rows(rows: Any) -> tuple[Message, ...] | None:
    """Return rows that MessageField made values of."""
    return None if rows is None else tuple(rows)
