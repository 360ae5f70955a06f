"""`POST /v1/compress`: the wire that LiteLLM's `headroom` guardrail speaks.

The row count and the roles never change, and a well-formed body is never a 4xx.
"""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tierfold.config import Limits
from tierfold.context import Message
from tierfold.errors import TooLargeError
from tierfold.wire.body import Json, load_json, validate
from tierfold.wire.message import MessageField


class CompressConfigModel(BaseModel):
    """Headroom's own options, by the same names."""

    model_config = ConfigDict(extra="allow")

    mode: Literal["ccr", "lossy_inline", "lossless_then_lossy"] | None = None
    compress_user_messages: bool = False
    target_ratio: float | None = Field(default=None, gt=0, le=1)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressRequest:
    """Rows to shorten in place."""

    messages: tuple[Message, ...]
    token_budget: int | None
    target_ratio: float | None
    compress_user_messages: bool
    protect_recent: int
    frozen_message_count: int


def parse_compress(body: bytes | Json, limits: Limits) -> CompressRequest:
    """Return the request; raises InvalidInputError or TooLargeError for a malformed body only."""
    value = load_json(body, limits) if isinstance(body, bytes) else body
    model = validate(CompressModel, value)
    if len(model.messages) > limits.messages_max:
        raise TooLargeError(what="messages", size=len(model.messages), limit=limits.messages_max)
    rows: Any = model.messages  # MessageField validates to Message values
    return CompressRequest(
        messages=tuple(rows),
        token_budget=model.token_budget,
        target_ratio=model.config.target_ratio,
        compress_user_messages=model.config.compress_user_messages,
        protect_recent=model.config.protect_recent,
        frozen_message_count=model.config.frozen_message_count,
    )
