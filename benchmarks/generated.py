"""Contexts with known evidence, written from templates: for machines that have no data folder."""

import json
import random
from typing import Any

from benchmarks.data import Context, EvaluationSet, Query, Segment
from tierfold.text import token_counter

_PEOPLE = ("Ada", "Bruno", "Chen", "Divya", "Emil", "Farah", "Goran", "Hana", "Ines", "Jonas")
_THINGS = (
    "the harbour crane", "a grey bicycle", "the spare compressor", "her violin", "the north gate",
    "an old kayak", "the beehives", "the greenhouse heater", "a box of lenses", "the water pump",
    "the ferry timetable", "a weather balloon", "the bakery oven", "his field notes",
    "the tide gauge",
)  # fmt: skip
_VERBS = ("repaired", "sold", "painted", "lent out", "lost", "insured", "photographed", "moved")
_PLACES = ("Aarhus", "Bilbao", "Cork", "Dresden", "Esbjerg", "Faro", "Ghent", "Haifa", "Izmir")
_FILLER = (
    "The meeting went on for a while and nobody wrote anything down.",
    "It rained most of the week, so the yard stayed closed.",
    "We should talk about the invoices some other day.",
    "Lunch was late again, which annoyed everyone a little.",
    "Somebody left the lights on in the workshop overnight.",
    "The new schedule is still being discussed by the board.",
    "There was no news from the supplier this morning.",
    "A short walk along the quay helped to clear the head.",
)
_CONTEXTS_OF_EACH_KIND = 12
_FACTS = 40
_TOOL_RESULTS = 6
_RECORDS = 25


def generated_set(*, seed: int) -> EvaluationSet:
    """Return dialogues, documents and code: a dozen contexts of each, three questions to one."""
    dice = random.Random(seed)  # reproducible text, no secrets
    contexts: dict[str, Context] = {}
    queries: list[Query] = []
    for kind in ("dialogue", "multidoc", "code"):
        for number in range(_CONTEXTS_OF_EACH_KIND):
            context, asked = _context(kind, f"{kind}/{number}", dice)
            contexts[context.id] = context
            queries += asked
    return EvaluationSet(name="generated", contexts=contexts, queries=tuple(queries))


def _context(kind: str, name: str, dice: random.Random) -> tuple[Context, list[Query]]:
    facts = [
        (person, thing)
        for person in dice.sample(_PEOPLE, 8)
        for thing in dice.sample(_THINGS, _FACTS // 8)
    ]
    asked = dice.sample(range(len(facts)), 3)
    segments: list[Segment] = []
    queries: list[Query] = []
    for index, (person, thing) in enumerate(facts):
        segments += [_noise(kind, dice) for _ in range(dice.randint(1, 4))]
        verb, place, year = dice.choice(_VERBS), dice.choice(_PLACES), dice.randint(1950, 2025)
        segments.append(_fact(kind, person, thing, verb, f"{place} in {year}"))
        if index in asked:
            evidence = ((len(segments) - 1,),)
            question = f"Where was {thing} when {person} {verb} it?"
            if kind == "code":
                question = f"Which function {verb} {thing} for {person}?"
            queries.append(Query(context_id=name, question=question, evidence=evidence))
    count = token_counter("o200k").count
    tokens = tuple(count(segment.text) for segment in segments)
    context = Context(id=name, kind=kind, segments=tuple(segments), tokens=tokens)
    return context, queries


def _noise(kind: str, dice: random.Random) -> Segment:
    if kind == "code":
        number = dice.randint(1, 999)
        return Segment(
            text=f"def step_{number}(value: int) -> int:\n    return value * {number} + 1\n",
            group="module",
        )
    text = dice.choice(_FILLER)
    if kind == "dialogue":
        return Segment(text=f"{dice.choice(_PEOPLE)}: {text}")
    return Segment(text=text, group=dice.choice(_PLACES))


def _fact(kind: str, person: str, thing: str, verb: str, where: str) -> Segment:
    if kind == "code":
        name = "_".join([verb.split(maxsplit=1)[0], *thing.split()[1:]])
        return Segment(
            text=f"def {name}_{person.lower()}(ledger: list[str]) -> None:\n"
            f'    """Note that {person} {verb} {thing}."""\n'
            f'    ledger.append("{where}")\n',
            group="module",
        )
    if kind == "dialogue":
        return Segment(text=f"{person}: I {verb} {thing} down in {where}, you remember.")
    return Segment(text=f"{person} {verb} {thing} at {where}.", group=where.split(maxsplit=1)[0])


def generated_chat(*, seed: int) -> list[dict[str, Any]]:
    """Return an agent's conversation with tool calls, JSON results, code fences and logs."""
    dice = random.Random(seed)  # reproducible text, no secrets
    chat: list[dict[str, Any]] = [
        {"role": "system", "content": "You keep the harbour's books. Answer with figures only."}
    ]
    for number in range(_TOOL_RESULTS):
        place = dice.choice(_PLACES)
        chat.append(
            {"role": "user", "content": f"What is on order for {place}? {dice.choice(_FILLER)}"}
        )
        call = {
            "id": f"call_{seed}_{number}",
            "type": "function",
            "function": {"name": "find_orders", "arguments": json.dumps({"place": place})},
        }
        chat.append({"role": "assistant", "content": None, "tool_calls": [call]})
        chat.append({"role": "tool", "tool_call_id": call["id"], "content": _result(number, dice)})
        chat.append({"role": "assistant", "content": " ".join(dice.sample(_FILLER, 4))})
    chat.append({"role": "user", "content": f"Who ordered {dice.choice(_THINGS)}?"})
    return chat


def _result(number: int, dice: random.Random) -> str:
    records = [
        {
            "order": dice.randint(1000, 9999),
            "by": dice.choice(_PEOPLE),
            "item": dice.choice(_THINGS),
            "notes": {"urgent": dice.choice([True, False]), "remark": dice.choice(_FILLER)},
        }
        for _ in range(_RECORDS)
    ]
    style = ("json", "log", "script")[number % 3]
    if style == "log":
        lines = [
            f"2026-01-{i + 1:02d} 10:00:00 INFO order {r['order']} by {r['by']}"
            for i, r in enumerate(records)
        ]
        return "\n".join(lines)
    if style == "script":
        body = "\n".join(f"print({r['order']})" for r in records)
        return f"The script:\n\n```python\n{body}\n```\n\n{dice.choice(_FILLER)}"
    return json.dumps({"orders": records, "total": len(records)}, indent=dice.choice([None, 2]))
