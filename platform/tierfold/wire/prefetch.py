"""Prefetch over HTTP: which contexts will be asked soon, and what becomes of the hint."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt

from tierfold.config import Limits
from tierfold.context import Tokenizer
from tierfold.wire.body import Model, load_json, unknown_fields, validate

HintName = Literal["asked", "session_opened", "tool_call_pending"]

CONTEXTS_MAX = 100
DEADLINE_MS_MAX = 600_000


class PrefetchContextModel(BaseModel):
    """The body of `POST /v1/contexts/{id}/prefetch`; it may be left out."""

    model_config = ConfigDict(extra="allow")

    hint: HintName = Field(default="asked", description="why it will be asked")
    tokenizer: Tokenizer | None = Field(
        default=None, description="of the questions to come; that of the last one"
    )
    deadline_ms: StrictInt | StrictFloat | None = Field(
        default=None, gt=0, le=DEADLINE_MS_MAX, description="how long the hint counts; 30 s"
    )


class PrefetchModel(PrefetchContextModel):
    """The body of `POST /v1/prefetch`."""

    contexts: list[str] = Field(min_length=1, max_length=CONTEXTS_MAX, description="ids")


class SkippedModel(BaseModel):
    """A context that is not brought up."""

    context: str
    reason: Literal["unknown", "damaged", "off", "no_room", "busy"]


class PrefetchedModel(BaseModel):
    """What becomes of hints."""

    object: Literal["prefetch"] = "prefetch"
    accepted: list[str] = Field(description="brought up in the background, or up already")
    ready: list[str] = Field(description="those of them that are up already")
    skipped: list[SkippedModel]
    ignored_fields: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedPrefetch:
    """A hint; without `contexts` the path names the one it is for."""

    contexts: tuple[str, ...]
    hint: HintName
    tokenizer: Tokenizer | None
    deadline_ms: float | None
    ignored_fields: tuple[str, ...]


def parse_prefetch(body: bytes, limits: Limits) -> ParsedPrefetch:
    """Return the hint for some contexts; raises InvalidInputError or TooLargeError."""
    model = _validated(PrefetchModel, body, limits)
    return _parsed(model, tuple(model.contexts))


def parse_context_prefetch(body: bytes, limits: Limits) -> ParsedPrefetch:
    """Return the hint for one context, in a body that may be empty; raises likewise."""
    return _parsed(_validated(PrefetchContextModel, body, limits), ())


def _validated(kind: type[Model], body: bytes, limits: Limits) -> Model:
    return validate(kind, load_json(body, limits) if body.strip() else {})


def _parsed(model: PrefetchContextModel, contexts: tuple[str, ...]) -> ParsedPrefetch:
    return ParsedPrefetch(
        contexts=contexts,
        hint=model.hint,
        tokenizer=model.tokenizer,
        deadline_ms=model.deadline_ms,
        ignored_fields=tuple(unknown_fields(model)),
    )
