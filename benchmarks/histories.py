"""Agents' conversations as an LLM's API sees them: every request resends the whole history."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.chats import generated_chat

Chat = list[dict[str, Any]]

_FILES = {"tau": "tau_airline_60conv.jsonl.gz", "swe": "swe_agent_histories.jsonl.gz"}


def generated_histories(count: int) -> list[Chat]:
    """Return conversations written from templates."""
    return [generated_chat(seed=seed) for seed in range(count)]


def real_histories(data: Path) -> dict[str, list[Chat]]:
    """Return the sets of `sessions/` by name."""
    return {name: _chats(data / "sessions" / file) for name, file in _FILES.items()}


def requests_of(chat: Chat) -> Iterator[Chat]:
    """Yield what is sent each time: all rows up to and with the next answer of the model."""
    for index, row in enumerate(chat):
        if row["role"] == "assistant":
            yield chat[: index + 1]


def _chats(file: Path) -> list[Chat]:
    with gzip.open(file, "rt", encoding="utf-8") as rows:
        return [json.loads(row)["messages"] for row in rows]
