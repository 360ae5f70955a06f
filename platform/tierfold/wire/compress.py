"""`POST /v1/compress`: the wire that LiteLLM's `headroom` guardrail speaks.

The row count and the roles never change, and a well-formed body is never a 4xx.
"""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tierfold.config import Limits
from tierfold.context import Message
from tierfold.wire.body import Json, load_json, unknown_fields, validate
from tierfold.wire.message import MessageField


class CompressConfigModel(BaseModel):
    """Headroom's own options, by the same names; what cannot be used is ignored and listed."""

    model_config = ConfigDict(extra="allow")

    mode: Literal["ccr", "lossy_inline", "lossless_then_lossy"] | None = None
    compress_user_messages: bool = False
    target_ratio: float | None = Field(default=None, gt=0, lt=1)
    protect_recent: int = Field(default=0, ge=0)
    frozen_message_count: int = Field(default=0, ge=0)


class CompressModel(BaseModel):
    """The body of `POST /v1/compress`."""

    model_config = ConfigDict(extra="allow")

    messages: list[MessageField]
    model: str | None = None
    token_budget: int | None = Field(default=None, ge=0)
    config: CompressConfigModel = CompressConfigModel()


class CompressAnswerModel(BaseModel):
    """The answer of `POST /v1/compress`."""

    messages: list[dict[str, Any]]
    tokens_before: int
    tokens_after: int
    tokens_saved: int
    compression_ratio: float = Field(description="after / before; 1.0 is nothing done")
    transforms_applied: list[str]
    compression_skipped: bool
    skip_reason: str | None = None
    token_budget_minimum: int | None = Field(
        default=None, description="the smallest budget that would have worked"
    )
    ignored_fields: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressRequest:
    """Rows to shorten in place."""

    messages: tuple[Message, ...]
    token_budget: int | None
    target_ratio: float | None
    compress_user_messages: bool
    protect_recent: int
    frozen_message_count: int
    ignored_fields: tuple[str, ...] = ()


def parse_compress(body: bytes | Json, limits: Limits) -> CompressRequest:
    """Return the request; raises InvalidInputError or TooLargeError where the rows are malformed.

    A gateway gives up on any answer but 200, so an option must never cost it the rows: one that
    means nothing here is left out and listed.
    """
    value = load_json(body, limits) if isinstance(body, bytes) else body
    unusable = _unusable_options(value)
    model = validate(CompressModel, _without(value, unusable))
    rows: Any = model.messages  # MessageField validates to Message values
    return CompressRequest(
        messages=tuple(rows),
        token_budget=model.token_budget,
        target_ratio=model.config.target_ratio,
        compress_user_messages=model.config.compress_user_messages,
        protect_recent=model.config.protect_recent,
        frozen_message_count=model.config.frozen_message_count,
        ignored_fields=(*map(".".join, unusable), *unknown_fields(model)),
    )


def _unusable_options(value: Json) -> list[tuple[str, ...]]:
    """Return the paths of options that do not validate: a field, or one of `config`."""
    if not isinstance(value, dict):
        return []
    try:
        CompressModel.model_validate(value | {"messages": []})
    except ValidationError as error:
        places = [tuple(map(str, problem["loc"])) for problem in error.errors()]
        return list(dict.fromkeys(p[:2] if p[0] == "config" else p[:1] for p in places))
    return []


def _without(value: Json, paths: list[tuple[str, ...]]) -> Json:
    for name, *inside in paths:
        kept = (
            {key: each for key, each in value[name].items() if key not in inside}
            if inside
            else None
        )
        value = {key: each for key, each in value.items() if key != name}
        if kept is not None:
            value[name] = kept
    return value
