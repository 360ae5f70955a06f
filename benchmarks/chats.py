"""An agent's conversations, written from templates: tool calls, JSON, logs, code fences."""

import json
import random
from typing import Any

from benchmarks.generated_words import PEOPLE, PLACES, THINGS

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
_ITEMS = [name for names in THINGS for name in names]
_TOOL_RESULTS = 6
_RECORDS = 25


def generated_chat(*, seed: int) -> list[dict[str, Any]]:
    """Return an agent's conversation with tool calls, JSON results, code fences and logs."""
    dice = random.Random(seed)  # reproducible text, no secrets
    chat: list[dict[str, Any]] = [
        {"role": "system", "content": "You keep the harbour's books. Answer with figures only."}
    ]
    for number in range(_TOOL_RESULTS):
        place = dice.choice(PLACES)
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
    chat.append(
        {
            "role": "user",
            "content": f"Who ordered {dice.choice(_ITEMS)}?",
        }
    )
    return chat


def _result(number: int, dice: random.Random) -> str:
    records = [
        {
            "order": dice.randint(1000, 9999),
            "by": dice.choice(PEOPLE),
            "item": dice.choice(_ITEMS),
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
