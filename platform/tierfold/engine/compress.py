"""Rows shortened in place, for gateways that speak `/v1/compress`.

The row count, the roles and the order never change. Without a budget only what can be undone
exactly is done, and only where it pays; with one, what the question does not need leaves a stub in
its row. A request that cannot be met is answered with the rows as they came.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tierfold.context import (
    Answer,
    Budget,
    Message,
    MessagesSource,
    OpaquePart,
    Request,
    StopReason,
)
from tierfold.engine.engine import Engine
from tierfold.engine.minify import minify_json
from tierfold.errors import BudgetTooSmallError
from tierfold.processing import Prepared
from tierfold.text import Intake, token_counter
from tierfold.wire import CompressRequest

_ROLES_NEVER_FOLDED = frozenset({"system", "developer"})
# A rewritten row is billed once as a cache write (1.25) where the old one would have been read at
# .1 of the price: below these savings a short conversation pays more than it saves.
_SAVED_TOKENS_MIN = 64
_SAVED_SHARE_MIN = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """Rows after, tokens before and after, and how."""

    messages: tuple[Message, ...]
    tokens_before: int
    tokens_after: int
    transforms: tuple[str, ...] = ()
    skip_reason: str | None = None
    minimum: int | None = None  # the smallest token_budget that would have worked


def compress_rows(request: CompressRequest, engine: Engine) -> dict[str, Any]:
    """Return the body of the answer; every well-formed request has one."""
    rows = _folded(request, engine) if request.messages else _nothing_sent()
    return _body(rows) | {"ignored_fields": list(request.ignored_fields)}


def _nothing_sent() -> _Rows:
    return _Rows(messages=(), tokens_before=0, tokens_after=0, skip_reason="no_messages")


def _folded(request: CompressRequest, engine: Engine) -> _Rows:
    sources = (MessagesSource(messages=request.messages),)
    prepared = engine.prepare(sources, strict=False)
    budget = _token_budget(request, prepared.intake.tokens)
    if budget is None:
        return _minified(request, prepared.intake.tokens)
    folding = Request(
        sources=sources,
        ask=_question(request.messages)[: engine.settings.limits.question_characters_max],
        budget=Budget(max_tokens=max(1, budget)),
    )
    prepared = prepared.with_intake(_in_place(prepared.intake, request))
    try:
        answer = engine.answer(folding, prepared=prepared)
    except BudgetTooSmallError as error:
        unchanged = _unchanged(request, prepared, "token_budget_below_minimum")
        return replace(unchanged, minimum=int(error.minimum))
    if answer.stop_reason is StopReason.FITS_ALREADY:
        return _unchanged(request, prepared, "fits_already")
    return _from_answer(answer)


def _token_budget(request: CompressRequest, tokens: int) -> int | None:
    if request.token_budget is not None:
        return request.token_budget
    if request.target_ratio is not None:
        return int(request.target_ratio * tokens)
    return None


def _question(messages: tuple[Message, ...]) -> str:
    users = (message for message in reversed(messages) if message.role == "user")
    return " ".join(next((message.texts() for message in users), ()))


def _is_protected(request: CompressRequest, index: int) -> bool:
    message = request.messages[index]
    return (
        index < request.frozen_message_count
        or index >= len(request.messages) - request.protect_recent
        or message.role in _ROLES_NEVER_FOLDED
        or (message.role == "user" and not request.compress_user_messages)
        or any(isinstance(part, OpaquePart) for part in message.content or ())
    )


def _in_place(intake: Intake, request: CompressRequest) -> Intake:
    """Return the intake with every row fixed and the protected ones verbatim."""
    units = intake.units
    frames_pinned = units.frames.pinned.copy()
    frames_pinned[[row.frame for row in intake.rows]] = True
    is_protected = np.array(
        [_is_protected(request, block.origin.message or 0) for block in intake.blocks], np.bool_
    )
    pinned = units.pinned | is_protected[units.block]
    frames = replace(units.frames, pinned=frames_pinned)
    return replace(intake, units=replace(units, frames=frames, pinned=pinned))


def _minified(request: CompressRequest, tokens: int) -> _Rows:
    messages = tuple(
        message if _is_protected(request, index) else _minified_row(message)
        for index, message in enumerate(request.messages)
    )
    count = token_counter("o200k").count
    saved = sum(
        count(str(before.content)) - count(str(after.content))
        for before, after in zip(request.messages, messages, strict=True)
        if before is not after
    )
    return _Rows(
        messages=messages,
        tokens_before=tokens,
        tokens_after=tokens - saved,
        transforms=("json:minify",) if saved else (),
        skip_reason=None if saved else "nothing_reversible_pays",
    )


def _minified_row(message: Message) -> Message:
    if not isinstance(message.content, str):
        return message
    shorter = minify_json(message.content)
    if shorter is None:
        return message
    count = token_counter("o200k").count
    before, after = count(message.content), count(shorter)
    pays = before - after >= max(_SAVED_TOKENS_MIN, _SAVED_SHARE_MIN * before)
    return message.with_content(shorter) if pays else message


def _unchanged(request: CompressRequest, prepared: Prepared, reason: str) -> _Rows:
    return _Rows(
        messages=request.messages,
        tokens_before=prepared.intake.tokens,
        tokens_after=prepared.intake.tokens,
        skip_reason=reason,
    )


def _from_answer(answer: Answer) -> _Rows:
    chat = answer.sources[0]
    assert isinstance(chat, MessagesSource)  # sources come back in the shape they went in
    return _Rows(
        messages=chat.messages,
        tokens_before=answer.usage.original_prompt_tokens,
        tokens_after=answer.usage.prompt_tokens,
        transforms=tuple(f"fold:{stage.stage}" for stage in answer.stages),
    )


def _body(rows: _Rows) -> dict[str, Any]:
    before, after = rows.tokens_before, rows.tokens_after
    return {
        "messages": [message.to_dict() for message in rows.messages],
        "tokens_before": before,
        "tokens_after": after,
        "tokens_saved": before - after,
        "compression_ratio": round(after / before, 4) if before else 1.0,
        "transforms_applied": list(rows.transforms),
        "compression_skipped": rows.skip_reason is not None,
        "skip_reason": rows.skip_reason,
        "token_budget_minimum": rows.minimum,
    }
