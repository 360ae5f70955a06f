"""Hints to a server that contexts will be asked soon: the request of both clients."""

from collections.abc import Sequence
from typing import Any, Literal

from tierfold.client.calls import Call, context_path
from tierfold.context import Tokenizer
from tierfold.context.canonical import canonical_json

HintName = Literal["asked", "session_opened", "tool_call_pending"]


def prefetch(
    ids: str | Sequence[str],
    *,
    hint: HintName,
    tokenizer: Tokenizer | None,
    deadline_ms: float | None,
) -> Call:
    """Say that one context will be asked, or several."""
    said: dict[str, Any] = {"hint": hint, "tokenizer": tokenizer, "deadline_ms": deadline_ms}
    said = {name: value for name, value in said.items() if value is not None}
    if isinstance(ids, str):
        path = f"{context_path(ids)}/prefetch"
        return Call(method="POST", path=path, body=canonical_json(said), about={"context": ids})
    body = canonical_json({"contexts": list(ids), **said})
    return Call(method="POST", path="/v1/prefetch", body=body)
