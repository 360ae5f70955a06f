"""What must never happen: overshoots, split tool exchanges, broken JSON, answers that differ."""

import gzip
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from benchmarks.chats import generated_chat
from benchmarks.data import Query, as_sources
from benchmarks.evidence import EvidenceMeter
from benchmarks.meter import say
from tierfold.config import Settings
from tierfold.context import (
    Answer,
    Budget,
    DocumentSource,
    Markers,
    MessagesSource,
    Part,
    Request,
    Source,
    TextSource,
)
from tierfold.engine import Engine, MonotonicClock
from tierfold.errors import BudgetTooSmallError, InvalidInputError
from tierfold.text import MARKER, TOKENS_REPLY, message_overhead, token_counter
from tierfold.wire import answer_body, parse_messages

_SESSIONS = ("tau_airline_60conv.jsonl.gz", "swe_agent_histories.jsonl.gz")
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
    """Ask every query twice, the second time of a context read anew; look into the answer."""
    faults = Faults()
    for query in queries[::every]:
        budget = Budget(max_tokens=int(0.10 * sum(meter.context(query).tokens)))
        first = meter.answer(query, budget)
        second = meter.answer(query, budget, is_fresh=True)
        faults += Faults(
            checked=2,
            overshoots=_recount(first) > (budget.max_tokens or 0),
            split_atoms=split_parts(as_sources(meter.context(query)), first),
            invalid_json=broken_parts(as_sources(meter.context(query)), first),
            nondeterministic=content_bytes(first) != content_bytes(second),
        )
    return faults


def check_sessions(folder: Path, *, every: int) -> Faults:
    """Fold recorded agent conversations and look at their tool exchanges."""
    faults = Faults()
    for name in _SESSIONS:
        with gzip.open(folder / name, "rt", encoding="utf-8") as lines:
            chats = [_as_openai(json.loads(line)["messages"]) for line in lines][::every]
        taken = [chat for chat in chats if _is_well_formed(chat)]
        say(f"{name}: {len(taken)} chats folded, {len(chats) - len(taken)} refused as malformed")
        faults += check_chats(taken, markers="short")
    say()
    return faults


def _as_openai(chat: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows with `tool_call_id` where the recorder wrote a list of one."""
    rows = []
    for message in chat:
        ids: list[str] = message.get("tool_call_ids") or []
        one = {"tool_call_id": ids[0]} if len(ids) == 1 else {}
        rows.append({k: v for k, v in message.items() if k != "tool_call_ids"} | one)
    return rows


def _is_well_formed(chat: list[dict[str, Any]]) -> bool:
    engine = Engine(settings=Settings(), clock=MonotonicClock())
    try:
        engine.prepare((MessagesSource(messages=parse_messages(chat)),))
    except InvalidInputError:
        return False
    return any(message["role"] == "user" for message in chat)


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
        split_atoms=split_exchanges(answer.messages),
        invalid_json=broken_results(chat, answer.messages),
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
                parts = source.document.parts or ()
                tokens += counter.count("".join(p.text for p in parts) or source.document.text)
    return tokens


def split_exchanges(messages: Sequence[dict[str, Any]]) -> int:
    """Return the calls without a result and the results without a call, each as often as it is.

    Calls of the last row but results may stay open: the results are still to come.
    """
    calls = Counter(call["id"] for m in messages for call in m.get("tool_calls") or ())
    results = Counter(m.get("tool_call_id") for m in messages if m["role"] == "tool")
    rows = [m for m in messages if m["role"] != "tool"]
    last_calls = Counter(call["id"] for m in rows[-1:] for call in m.get("tool_calls") or ())
    alone = (calls - results) + (results - calls)
    return (alone - last_calls).total()


def split_parts(sources: Sequence[Source], answer: Answer) -> int:
    """Return the parts of documents, which are kept whole or dropped, that are cut in two."""
    return sum(
        run.start > 0 or run.end < len(_parts(sources[run.source])[run.part].text)
        for run in answer.left_out
        if run.part is not None and _parts(sources[run.source])
    )


def broken_parts(sources: Sequence[Source], answer: Answer) -> int:
    """Return the kept parts that were JSON before and are not in the answer.

    A marker for what lies beside such a part must not stand in it.
    """
    dropped = {(run.source, run.part) for run in answer.left_out}
    broken = 0
    for index, (before, after) in enumerate(zip(sources, answer.sources, strict=True)):
        kept = [p for n, p in enumerate(_parts(before)) if p.text and (index, n) not in dropped]
        shown = [part for part in _parts(after) if part.text]
        broken += abs(len(kept) - len(shown))
        broken += sum(
            _is_container(was.text) and not _is_container(now.text)
            for was, now in zip(kept, shown, strict=False)  # the difference is counted above
        )
    return broken


def _parts(source: Source) -> tuple[Part, ...]:
    return (source.document.parts or ()) if isinstance(source, DocumentSource) else ()


def broken_results(before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]) -> int:
    """Return the tool results that were JSON before and are not in the answer."""
    results = [m for m in before if m["role"] == "tool"]
    # Recorded conversations use some ids twice: only those whose every result is JSON are judged.
    was_json = {m["tool_call_id"] for m in results} - {
        m["tool_call_id"] for m in results if not _is_container(m["content"])
    }
    return sum(
        m["role"] == "tool"
        and m["tool_call_id"] in was_json
        and m["content"] not in {"", MARKER}
        and not _is_container(m["content"])
        for m in after
    )


def _is_container(text: object) -> bool:
    try:
        return isinstance(orjson.loads(str(text)), dict | list)
    except orjson.JSONDecodeError:
        return False
