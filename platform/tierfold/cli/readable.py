"""A chat row as people read it."""

from collections.abc import Iterator, Mapping
from typing import Any


def chat_row(row: Mapping[str, Any], *, index: int | None = None) -> bytes:
    """Return who speaks, what is said, and which tools are called."""
    number = "" if index is None else f"[{index}] "
    name = f" {row['name']}" if row.get("name") else ""
    said = "\n".join(_said(row))
    return f"{number}{row.get('role', '?')}{name}\n{said}\n\n".encode()


def _said(row: Mapping[str, Any]) -> Iterator[str]:
    content = row.get("content")
    if isinstance(content, str):
        yield content
    for part in content if isinstance(content, list) else ():
        is_text = part.get("type") == "text" and part.get("text") is not None
        yield str(part["text"]) if is_text else f"({part.get('type', 'unknown')})"
    for call in row.get("tool_calls") or ():
        called = call.get("function") or call.get("custom") or {}
        given = called.get("arguments", called.get("input", ""))
        yield f"calls {called.get('name', call.get('type', '?'))}({given})"
