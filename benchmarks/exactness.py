"""What must never happen: overshoots, split tool exchanges, broken JSON, answers that differ."""

import gzip
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from benchmarks.data import Query
from benchmarks.evidence import EvidenceMeter
from benchmarks.generated import generated_chat
from tierfold.config import Settings
from tierfold.context import Answer, Budget, Markers, MessagesSource, Request, TextSource
from tierfold.engine import Engine, MonotonicClock
from tierfold.errors import BudgetTooSmallError
from tierfold.text import TOKENS_REPLY, message_overhead, token_counter
from tierfold.wire import answer_body, parse_messages

_SHARES = (0.5, 0.25, 0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """How often each happened, and over how many answers."""

    checked: int = 0
    overshoots: int = 0
    split_atoms: int = 0
    invalid_json: int = 0
    nondeterministic: int = 0

    def __add__(self, other: "Faults") -> "Faults":
        return Faults(
            checked=self.checked + other.checked,
            overshoots=self.overshoots + other.overshoots,
            split_atoms=self.split_atoms + other.split_atoms,
            invalid_json=self.invalid_json + other.invalid_json,
            nondeterministic=self.nondeterministic + other.nondeterministic,
        )


def content_bytes(answer: Answer) -> bytes:
    """Return everything of an answer but its timing."""
    body = answer_body(answer)
    del body["timing"]
    return orjson.dumps(body)


def check_evaluation(meter: EvidenceMeter, queries: Sequence[Query], *, every: int) -> Faults:
    """Ask every query twice, the second time of a context read anew; recount the answer."""
    faults = Faults()
    for query in queries[::every]:
        budget = Budget(max_tokens=int(0.10 * sum(meter.context(query).tokens)))
        first = meter.answer(query, budget)
        second = meter.answer(query, budget, is_fresh=True)
        faults += Faults(
            checked=2,
            overshoots=_recount(first) > (budget.max_tokens or 0),
            nondeterministic=content_bytes(first) != content_bytes(second),
        )
    return faults


def check_sessions(folder: Path, *, every: int) -> Faults:
    """Fold recorded agent conversations and look at their tool exchanges."""
    path = folder / "tau_airline_60conv.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        chats = [json.loads(line)["messages"] for line in lines]
    return check_chats(chats[::every], markers="short")


def check_generated(*, markers: Markers) -> Faults:
    """Fold generated agent conversations."""
    return check_chats([generated_chat(seed=seed) for seed in range(12)], markers=markers)


def check_chats(chats: Iterable[list[dict[str, Any]]], *, markers: Markers) -> Faults:
    """Fold each chat to several shares of its tokens and inspect the answers."""
    engine = Engine(settings=Settings(), clock=MonotonicClock())
    faults = Faults()
    for chat in chats:
        source = MessagesSource(messages=parse_messages(chat))
        question = str(next(m["content"] for m in reversed(chat) if m["role"] == "user"))
        prepared = engine.prepare((source,))
        minimum = _minimum(engine, source)
        for share in _SHARES:
            room = minimum + share * (prepared.intake.tokens - minimum)
            budget = Budget(max_tokens=int(room))
            request = Request(sources=(source,), ask=question, budget=budget, markers=markers)
            answer = engine.answer(request, prepared=prepared)
            faults += _inspect(answer, chat, budget)
            again = engine.answer(request)
            faults += Faults(nondeterministic=content_bytes(again) != content_bytes(answer))
    return faults


def _minimum(engine: Engine, source: MessagesSource) -> int:
    """Return the tokens of what must be kept, as the engine's own refusal states them."""
    try:
        answer = engine.answer(Request(sources=(source,), budget=Budget(max_tokens=1)))
    except BudgetTooSmallError as refusal:
        return int(refusal.minimum)
    return answer.tokens


def _inspect(answer: Answer, chat: list[dict[str, Any]], budget: Budget) -> Faults:
    return Faults(
        checked=1,
        overshoots=_recount(answer) > (budget.max_tokens or 0),
        split_atoms=_split_exchanges(answer.messages),
        invalid_json=_broken_json(chat, answer.messages),
    )


def _recount(answer: Answer) -> int:
    counter = token_counter("o200k")
    tokens = 0
    for source in answer.sources:
        match source:
            case MessagesSource(messages=messages):
                tokens += TOKENS_REPLY
                for message in messages:
                    tokens += message_overhead(message, counter)
                    tokens += sum(counter.count(text) for text in message.texts())
            case TextSource(text=text):
                tokens += counter.count(text)
            case _:
                parts = source.document.parts
                tokens += counter.count("".join(p.text for p in parts) or source.document.text)
    return tokens


def _split_exchanges(messages: list[dict[str, Any]]) -> int:
    """Return the calls without a result and the results without a call."""
    calls = [c["id"] for m in messages for c in m.get("tool_calls") or ()]
    results = [m["tool_call_id"] for m in messages if m["role"] == "tool"]
    last_calls = {c["id"] for c in (messages[-1].get("tool_calls") or ())} if messages else set()
    return len(set(calls) ^ set(results) - last_calls)


def _broken_json(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> int:
    results = [m for m in before if m["role"] == "tool"]
    # Recorded conversations use some ids twice: only those whose every result is JSON are judged.
    was_json = {m["tool_call_id"] for m in results} - {
        m["tool_call_id"] for m in results if not _is_container(m["content"])
    }
    return sum(
        m["role"] == "tool"
        and m["tool_call_id"] in was_json
        and m["content"] not in {"", "[…]"}
        and not _is_container(m["content"])
        for m in after
    )


def _is_container(text: object) -> bool:
    try:
        return isinstance(orjson.loads(str(text)), dict | list)
    except orjson.JSONDecodeError:
        return False
