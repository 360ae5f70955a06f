"""Texts of every kind and many sizes, made of what every machine with Python has."""

import random
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import orjson

SIZES = (20_000, 100_000, 400_000, 1_200_000, 3_000_000)  # characters, each as likely

_CODE_CHARACTERS = 3_000_000
_JSON_ROWS = 14_000
_WORDS_A_NOTE = 14


class Texts:
    """Prose, code and JSON, as long as the largest size each."""

    def __init__(self) -> None:
        self._kinds = tuple(_repeated(text) for text in (_prose(), _code(), _json()))
        self._sentences = [each for each in self._kinds[0].split(". ") if len(each) > 40]  # noqa: PLR2004  # no headings

    def drawn(self, dice: random.Random) -> str:
        """Return a piece of some kind and size."""
        text, size = dice.choice(self._kinds), dice.choice(SIZES)
        start = dice.randrange(len(text) - size + 1)
        return text[start : start + size]

    def of_each_kind(self, size: int) -> list[str]:
        """Return the beginning of each kind."""
        return [text[:size] for text in self._kinds]

    def rows(self, dice: random.Random, count: int) -> list[dict[str, Any]]:
        """Return rows of a chat."""
        return [
            {
                "role": ("user", "assistant")[row % 2],
                "content": ". ".join(dice.choices(self._sentences, k=dice.randrange(1, 12))),
            }
            for row in range(count)
        ]


def _repeated(text: str) -> str:
    return (text * (SIZES[-1] // len(text) + 1))[: SIZES[-1]]


def _prose() -> str:
    return "\n\n".join(topics.values())


def _code() -> str:
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    text = ""
    for file in files:
        text += file.read_text("utf-8", errors="replace")
        if len(text) >= _CODE_CHARACTERS:
            break
    return text


def _json() -> str:
    dice = random.Random(4)  # reproducible rows
    words = _words()
    rows = [
        {
            "id": dice.randrange(10**9),
            "name": " ".join(dice.choices(words, k=3)),
            "price": round(dice.random() * 1_000, 2),
            "note": " ".join(dice.choices(words, k=_WORDS_A_NOTE)),
        }
        for _ in range(_JSON_ROWS)
    ]
    return orjson.dumps(rows).decode()


def _words() -> Sequence[str]:
    return _prose().split()[:20_000]
