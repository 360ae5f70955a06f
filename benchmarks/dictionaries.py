"""Makes the bootstrap dictionary out of text the project owns, and says whether it is the same.

`python -m benchmarks.dictionaries [--write]`; without `--write` it only compares. What was shipped
once is never overwritten by something else: stored bytes need it for ever.
"""

import json
import random
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import dictionary_talk as talk
from benchmarks import dictionary_tools as tools
from benchmarks.meter import finish, parse, parser, say
from tierfold.compression.lossless.dictionaries import bootstrap_dictionaries, trained_bytes
from tierfold.context.canonical import canonical_json, part_item
from tierfold.context.segment import SegmentKind, item
from tierfold.context.source import Part

NUMBER = 1
SIZE_BYTES = 32 * 1024
MESSAGES = 6_000
SEED = 20_261_124
_FILE = Path("platform/tierfold/compression/lossless") / f"bootstrap-{NUMBER}.dict"
_CODE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"
_ID_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_RECORDS_MAX = 6


def main() -> None:
    """Train, compare, and write where that is asked for and nothing is there yet."""
    made = parser(__doc__)
    made.add_argument("--write", action="store_true", help="write it where there is none yet")
    options = parse(made)
    data = bootstrap_bytes()
    if options.rest.write and not _FILE.exists():
        _FILE.write_bytes(data)
        say(f"written: {_FILE}")
    is_same = bootstrap_dictionaries()[NUMBER - 1].data == data
    finish({"size_bytes": len(data), "is_same": is_same})
    sys.exit(int(not is_same))


def bootstrap_bytes() -> bytes:
    """Return the dictionary of the generated bodies; equal on every machine."""
    data = trained_bytes(generated_bodies(count=MESSAGES, seed=SEED), SIZE_BYTES)
    assert data is not None, "so much text always has something in common"
    return data


def generated_bodies(*, count: int, seed: int) -> list[bytes]:
    """Return bodies as they are stored: messages of chats and agents, parts of documents."""
    dice = random.Random(seed)
    makers = [*_MAKERS]
    weights = [_MAKERS[maker] for maker in makers]
    return [maker(dice) for maker in dice.choices(makers, weights, k=count)]


def body_of(row: Mapping[str, Any]) -> bytes:
    """Return a message's body."""
    return item(SegmentKind.MESSAGE, canonical_json(row)).segment.body


def user(dice: random.Random) -> bytes:
    """Return what a person writes."""
    template = dice.choice(dice.choice((talk.ASKING, talk.REPLYING)))
    return body_of({"role": "user", "content": filled(template, dice)})


def assistant(dice: random.Random) -> bytes:
    """Return what a model answers."""
    parts = (talk.OPENING, talk.LISTS, talk.MIDDLES, talk.MIDDLES, talk.CLOSING)
    text = " ".join(dice.choice(part) for part in parts)
    return body_of({"role": "assistant", "content": filled(text, dice)})


def thought(dice: random.Random) -> bytes:
    """Return what a coding agent says before it runs something."""
    text = f"{dice.choice(talk.THINKING)} {dice.choice(talk.THINKING)}\n\n"
    text += dice.choice(tools.COMMANDS)
    return body_of({"role": "assistant", "content": filled(text, dice)})


def rules(dice: random.Random) -> bytes:
    """Return a system message."""
    text = "\n\n".join(dice.sample(talk.RULES, 4))
    return body_of({"role": "system", "content": filled(text, dice)})


def output(dice: random.Random) -> bytes:
    """Return what a command printed, as a tool's row or as a user's."""
    pieces = dice.choice((tools.LISTINGS, tools.CODE))
    text = filled("".join(dice.choices(pieces, k=dice.randint(1, 4))), dice)
    if dice.random() < 0.5:  # noqa: PLR2004 - both are in use
        return body_of({"role": "user", "content": text})
    return body_of({"role": "tool", "content": text, "tool_call_id": call_id(dice)})


def call(dice: random.Random) -> bytes:
    """Return a message that calls a tool."""
    name, keys = dice.choice(tools.CALLS)
    arguments = json.dumps({key: _argument(key, dice) for key in keys})
    function = {"name": name, "arguments": arguments}
    row: dict[str, Any] = {"role": "assistant", "content": None}
    row["tool_calls"] = [{"id": call_id(dice), "type": "function", "function": function}]
    return body_of(row)


def result(dice: random.Random) -> bytes:
    """Return a tool's result in JSON."""
    make = dice.choice((_order, _person, _event))
    records: Any = [make(dice) for _ in range(dice.randint(1, _RECORDS_MAX))]
    value = dice.choice((records, records[0], {"results": records, "count": len(records)}))
    name = dice.choice(tools.CALLS)[0]
    row = {"role": "tool", "content": json.dumps(value), "tool_call_id": call_id(dice)}
    return body_of({**row, "name": name})


def part(dice: random.Random) -> bytes:
    """Return a part of a document."""
    text = " ".join(dice.choices((*talk.PROSE, *talk.MIDDLES), k=4))
    return part_item(Part(text=filled(text, dice))).segment.body


def filled(template: str, dice: random.Random) -> str:
    """Return a template with something in each of its blanks; other braces stay."""
    text = template
    for blank, fill in _BLANKS.items():
        while blank in text:
            text = text.replace(blank, fill(dice), 1)
    return text


def call_id(dice: random.Random) -> str:
    """Return an id as providers make them."""
    return "call_" + "".join(dice.choices(_ID_LETTERS, k=24))


def _code(dice: random.Random) -> str:
    return "".join(dice.choices(_CODE_LETTERS, k=6))


def _date(dice: random.Random) -> str:
    return f"20{dice.randint(22, 26)}-{dice.randint(1, 12):02}-{dice.randint(1, 28):02}"


def _time(dice: random.Random) -> str:
    return f"{dice.randint(0, 23):02}:{dice.choice((0, 15, 30, 45)):02}"


def _price(dice: random.Random) -> float:
    return dice.randint(10, 900) + dice.choice((0.0, 0.5, 0.99))


def _argument(key: str, dice: random.Random) -> Any:
    if key.endswith("_line") or key in ("limit", "timeout"):
        return dice.randint(1, 200)
    if key in ("new_text", "content"):
        return filled(dice.choice(tools.CODE), dice)
    return filled(dice.choice(_ARGUMENTS.get(key, ("{name} {thing}", "{code}"))), dice)


def _person(dice: random.Random) -> dict[str, Any]:
    first, last = dice.choice(talk.PEOPLE), dice.choice(talk.FAMILIES)
    return {
        "id": dice.randint(1, 99_999),
        "user_id": f"{first}_{last.lower()}_{dice.randint(1000, 9999)}",
        "name": {"first_name": first.title(), "last_name": last},
        "email": f"{first}.{last.lower()}{dice.randint(10, 99)}@example.com",
        "address": {
            "address1": f"{dice.randint(1, 999)} Main Street",
            "address2": f"Suite {dice.randint(1, 999)}",
            "city": dice.choice(talk.PLACES),
            "state": dice.choice(("CA", "NY", "TX", "WA")),
            "country": "USA",
            "zip": str(dice.randint(10_000, 99_999)),
        },
        "date_of_birth": f"19{dice.randint(50, 99)}-{dice.randint(1, 12):02}-15",
        "payment_methods": [{"type": "credit_card", "last4": str(dice.randint(1000, 9999))}],
        "orders": [_code(dice), _code(dice)],
    }


def _order(dice: random.Random) -> dict[str, Any]:
    return {
        "order_id": _code(dice),
        "user_id": f"{dice.choice(talk.PEOPLE)}_{dice.randint(1000, 9999)}",
        "status": dice.choice(talk.STATUSES),
        "items": [{"product_id": str(dice.randint(1, 10**9)), "price": _price(dice)}],
        "payment_history": [{"amount": _price(dice), "payment_id": f"card_{_code(dice)}"}],
        "total": _price(dice),
        "currency": "USD",
        "created_at": f"{_date(dice)}T{_time(dice)}:00Z",
        "updated_at": None,
        "is_gift": dice.choice((True, False)),
    }


def _event(dice: random.Random) -> dict[str, Any]:
    return {
        "id": dice.randint(1, 10**6),
        "type": dice.choice(("event", "message", "file", "issue", "product")),
        "title": filled("{Thing}", dice),
        "description": filled(dice.choice(talk.MIDDLES), dice),
        "start_time": f"{_date(dice)}T{_time(dice)}:00Z",
        "end_time": f"{_date(dice)}T{_time(dice)}:00Z",
        "location": dice.choice(talk.PLACES),
        "url": f"https://www.example.com/items/{dice.randint(1, 10**6)}",
        "status": dice.choice(talk.STATUSES),
        "price": _price(dice),
        "quantity": dice.randint(0, 20),
        "tags": dice.sample(tools.NAMES, 2),
    }


_ARGUMENTS = {
    "user_id": ("{person}_{number}",),
    "order_id": ("{code}",),
    "date": ("{date}",),
    "city": ("{Place}",),
    "path": ("/srv/project/src/{file}",),
    "command": ("python {file}", "grep -rn {name} .", "ls -la"),
    "sql": ("SELECT * FROM {name} WHERE id = {number}",),
    "reason": ("change of plan", "no longer needed", "other"),
    "status": ("{status}",),
}
_BLANKS: Mapping[str, Callable[[random.Random], str]] = {
    "{more}": lambda dice: dice.choice(talk.MORE),
    "{thing}": lambda dice: dice.choice(talk.THINGS),
    "{Thing}": lambda dice: dice.choice(talk.THINGS).capitalize(),
    "{Place}": lambda dice: dice.choice(talk.PLACES),
    "{person}": lambda dice: dice.choice(talk.PEOPLE),
    "{status}": lambda dice: dice.choice(talk.STATUSES),
    "{name}": lambda dice: dice.choice(tools.NAMES),
    "{Name}": lambda dice: dice.choice(tools.NAMES).title().replace("_", ""),
    "{file}": lambda dice: dice.choice(tools.FILES),
    "{code}": _code,
    "{date}": _date,
    "{time}": _time,
    "{price}": lambda dice: f"{_price(dice):g}",
    "{number}": lambda dice: str(dice.randint(100, 9999)),
    "{few}": lambda dice: str(dice.randint(1, 9)),
}
# How many of each, as in agents' traffic: calls and results are half of it.
_MAKERS: Mapping[Callable[[random.Random], bytes], float] = {
    user: 3,
    assistant: 4,
    thought: 2,
    rules: 0.5,
    output: 4,
    call: 3,
    result: 3,
    part: 1,
}


if __name__ == "__main__":
    main()
