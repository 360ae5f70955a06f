"""Which rows of a stored chat later ones have overtaken, and what they cost."""

from collections.abc import Iterable
from typing import Any

from tierfold.client.documents import ItemsPage
from tierfold.memory.lifecycle.staleness import superseded
from tierfold.text import token_counter
from tierfold.wire import parse_messages


def stale_rows(pages: Iterable[ItemsPage]) -> dict[str, Any]:
    """Return the rows and their tokens; nothing where there is none."""
    messages = parse_messages([dict(item) for page in pages for item in page.items])
    found = superseded(messages)
    if not found:
        return {}
    count = token_counter("o200k").count
    tokens = [sum(map(count, messages[each.row].texts())) for each in found]
    rows = [
        {"row": each.row, "by": each.by, "reason": each.reason, "tokens": size}
        for each, size in zip(found, tokens, strict=True)
    ]
    return {"tokens": sum(tokens), "rows": rows}
