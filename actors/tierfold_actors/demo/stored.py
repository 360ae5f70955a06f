"""The demo's part on the store: a history that is resent every turn, asked, and brought back."""

import json
import textwrap
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tierfold
from tierfold.cli.contexts import Contexts
from tierfold.cli.local import LocalContexts
from tierfold.cli.progress import milliseconds, percent
from tierfold.cli.screen import Screen
from tierfold.cli.table import aligned, size
from tierfold.client.documents import BroughtBack, ContextObject
from tierfold.context import Budget
from tierfold.context.canonical import canonical_json
from tierfold_actors.demo.in_process import TOKENS, heading, reference
from tierfold_actors.demo.throwaway import STORE

_ID = "agent"
_LINES_MAX = 3
_ROWS_BEFORE = 2  # the turns: the system's and the user's
_ROWS_A_TURN = 2  # the call and its result

Json = dict[str, Any]
Rows = Sequence[Json]


def show_stored(number: int, ask: str, contexts: Contexts, screen: Screen) -> int:
    """Store a session turn by turn, ask it, bring back what was left out; returns bytes sent."""
    heading(f"{number}. A history that lasts", screen)
    screen.line(
        f"  An agent reads the same {len(reference())} documents, one a turn, and sends its"
    )
    screen.line("  whole history every time. The store keeps what is new in it.")
    screen.line()
    rows = session()
    sent = _resend(rows, contexts, screen)
    screen.line()
    screen.line(f"  The question of part 1, asked twice, to {TOKENS:,} tokens:")
    screen.line()
    answers = [_timed_question(ask, contexts), _timed_question(ask, contexts)]
    _show_answers(answers, screen)
    gap = telling_gap(answers[0][0])
    if gap is not None:
        _bring_back(gap, rows, contexts, screen)
    return sent


def session() -> list[Json]:
    """Return the rows of an agent that reads the reference topic by topic."""
    rows: list[Json] = [
        {"role": "system", "content": "You look things up before you speak."},
        {"role": "user", "content": "Read the language reference, one topic at a time."},
    ]
    for number, topic in enumerate(reference()):
        call_id = f"call_{number}"
        function = {"name": "read_topic", "arguments": json.dumps({"topic": topic.title})}
        call = {"id": call_id, "type": "function", "function": function}
        rows += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": call_id, "content": topic.text},
        ]
    return [*rows, {"role": "assistant", "content": "I have read it. What do you want to know?"}]


def show_disk(folder: Path, sent: int, screen: Screen) -> None:
    """Open the store that nobody serves any more, and say what is on the disk."""
    with tierfold.open(folder / STORE) as store:
        store.compact()
        body = LocalContexts(store).tiers()
    stored = next(tier["size_bytes"] for tier in body["tiers"] if tier["tier"] == "L3")
    index = sum(shard["search_bytes"] for shard in body["shards"])
    less = screen.paint(f"{sent / stored:,.0f}x less", "bold")
    screen.line(
        f"  All in all {size(sent)} of history were sent; on the disk are {size(stored)} ({less}), "
        f"and {size(index)} of search index"
    )


@contextmanager
def opened_here(folder: Path) -> Iterator[Contexts]:
    """Open the store of the folder in this process."""
    with tierfold.open(folder / STORE) as store:
        yield LocalContexts(store)


def _resend(rows: Rows, contexts: Contexts, screen: Screen) -> int:
    """Put the history as it grows, then with one row more; returns all bytes sent."""
    turns = [rows[:end] for end in range(_ROWS_BEFORE + _ROWS_A_TURN, len(rows), _ROWS_A_TURN)]
    before = _put(turns, contexts)
    after = _put([rows], contexts)
    new_bytes = after.context.size_bytes - before.context.size_bytes
    cells = [
        ("", "rows", "sent", "new in it", "", ""),
        before.cells(f"{len(turns)} turns", before.context.size_bytes),
        after.cells("one row more", new_bytes),
    ]
    for line in aligned(cells, right=frozenset({1, 2, 3, 4, 5}), width=screen.width):
        screen.line(f"  {line}")
    return before.sent_bytes + after.sent_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """What was sent, and what the store says it has after it."""

    sent_bytes: int
    context: ContextObject
    took_ms: float

    def cells(self, name: str, new_bytes: int) -> tuple[str, ...]:
        """Return a row for people: what was sent against what is new in it."""
        return (
            name,
            f"{self.context.items:,}",
            size(self.sent_bytes),
            size(new_bytes),
            f"{self.sent_bytes / new_bytes:,.0f}x less",
            milliseconds(self.took_ms),
        )


def _put(histories: Sequence[Rows], contexts: Contexts) -> _Sent:
    began = time.perf_counter()
    seen = [contexts.put(_ID, messages=rows) for rows in histories]
    took_ms = (time.perf_counter() - began) * 1000
    return _Sent(sent_bytes=sum(map(_sent_bytes, histories)), context=seen[-1], took_ms=took_ms)


def _sent_bytes(rows: Rows) -> int:
    return len(canonical_json({"messages": rows}))  # as the client writes it


def _timed_question(ask: str, contexts: Contexts) -> tuple[Json, float]:
    began = time.perf_counter()
    body = contexts.process(
        _ID,
        ask=ask,
        budget=Budget(max_tokens=TOKENS),
        stages=(),
        markers="handles",
        tokenizer="o200k",
        model="none",
    )
    return body, (time.perf_counter() - began) * 1000


def _show_answers(answers: Sequence[tuple[Json, float]], screen: Screen) -> None:
    cells = []
    for name, (body, took_ms) in zip(("asked", "asked again"), answers, strict=True):
        usage = body["usage"]
        cells.append(
            (
                name,
                f"{usage['prompt_tokens']:,} of {usage['original_prompt_tokens']:,} tokens",
                f"quality {percent(body['quality']['expected'])}",
                _where(body["timing"].get("tier")),
                milliseconds(took_ms),
            )
        )
    for line in aligned(cells, right=frozenset({1, 4}), width=screen.width):
        screen.line(f"  {line}")


def _where(tier: str | None) -> str:
    places = {"L0": "memory", "L1": "shared memory", "L2": "blocks in memory", "L3": "disk"}
    return f"from {tier}, {places.get(tier, 'object store')}" if tier else ""


def _bring_back(gap: Json, rows: Rows, contexts: Contexts, screen: Screen) -> None:
    """Fetch what was left out there, and hold it against what was sent."""
    began = time.perf_counter()
    text = contexts.handle(gap["handle"])
    took = milliseconds((time.perf_counter() - began) * 1000)
    sent = rows[gap["message"]]["content"][gap["start"] : gap["end"]]
    topic = reference()[(gap["message"] - _ROWS_BEFORE) // _ROWS_A_TURN].title
    same = (
        screen.paint("byte for byte what was sent", "green")
        if text == sent
        else screen.paint("NOT what was sent", "red")
    )
    screen.line()
    screen.line(
        f"  Every gap has a handle. The longest in the topic {topic}, {gap['tokens']:,} tokens:"
    )
    screen.line()
    screen.line("  " + screen.paint(f"$ tierfold get {gap['handle']}", "dim"))
    _show_text(text, screen)
    screen.line(f"  {len(text):,} characters in {took}, {same}")


def telling_gap(body: Json) -> Json | None:
    """Return the longest gap in what a tool said, in the row of which most was kept."""
    kept = [
        (len(row.get("content") or ""), row["tool_call_id"])
        for row in body["sources"][0]["messages"]
        if row["role"] == "tool"
    ]
    if not kept:
        return None
    number = int(max(kept)[1].removeprefix("call_"))
    message = _ROWS_BEFORE + number * _ROWS_A_TURN + 1
    gaps = [gap for gap in body["left_out"] if gap["message"] == message]
    return max(gaps, key=lambda gap: gap["tokens"], default=None)


def _show_text(text: BroughtBack, screen: Screen) -> None:
    words = text if isinstance(text, str) else "\n".join(str(row.get("content")) for row in text)
    lines = textwrap.wrap(
        " ".join(words.split()), screen.width - 4, max_lines=_LINES_MAX, placeholder=" ..."
    )
    for line in lines:
        screen.line(f"    {screen.paint(line, 'dim')}")
