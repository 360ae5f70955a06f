"""Staleness: what of a context a later part of it has overtaken, and which sources are due.

A tool result is overtaken where the same call was made again and answered later, or where a later
result says the very same. It is reported, never dropped: what a file said before an edit may be
what the question is about.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tierfold.context import Message

_SAME_CHARACTERS_MIN = 200  # shorter results are alike by chance: "ok", "0"

Reason = Literal["repeated_call", "same_content"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded:
    """A row that a later one has overtaken."""

    row: int
    by: int  # the newest row that has
    reason: Reason


def superseded(messages: Sequence[Message]) -> tuple[Superseded, ...]:
    """Return the tool results that later ones have overtaken, in order."""
    called: dict[str, tuple[str, str]] = {}  # what was asked under an id, which may be used again
    by_call: dict[tuple[str, str], int] = {}
    by_content: dict[str, int] = {}
    found: list[Superseded] = []
    calls = [_call_answered(message, called) for message in messages]
    for row in range(len(messages) - 1, -1, -1):
        call = calls[row]
        if call is None:
            continue
        content = "\n".join(messages[row].texts())
        newest = by_call.setdefault(call, row)
        same = by_content.setdefault(content, row)
        if newest != row:
            found.append(Superseded(row=row, by=newest, reason="repeated_call"))
        elif same != row and len(content) >= _SAME_CHARACTERS_MIN:
            found.append(Superseded(row=row, by=same, reason="same_content"))
    found.reverse()
    return tuple(found)


def is_due(*, read_ms: int, refresh_after_ms: int, now_ms: int) -> bool:
    """Return whether a source should be read again; 0 is never. A clock set back makes it due."""
    return refresh_after_ms > 0 and not 0 <= now_ms - read_ms < refresh_after_ms


def _call_answered(message: Message, called: dict[str, tuple[str, str]]) -> tuple[str, str] | None:
    """Note the calls that a row makes; return the one that it answers."""
    for call in message.tool_calls:
        called[call.id] = (call.name, _canonical(call.arguments))
    if message.role != "tool" or message.tool_call_id is None:
        return None
    return called.get(message.tool_call_id)


def _canonical(arguments: str) -> str:
    """Return arguments such that equal ones are equal, however they were written."""
    try:
        return json.dumps(json.loads(arguments), sort_keys=True)
    except (ValueError, RecursionError):
        return arguments
