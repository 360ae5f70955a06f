"""Rows that know whether they are whole, and the account of those that were acknowledged."""

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import orjson

ROWS_MAX = 3  # of one append
_CHARACTERS = (10, 4_000)
_BIG_EVERY = 200  # appends, one is larger than what is stored in one piece
_BIG_CHARACTERS = 150_000


@dataclass(slots=True, kw_only=True)
class Acknowledged:
    """What the writers were told is stored."""

    rows: dict[str, dict[int, str]] = field(default_factory=dict)  # context, index: hash
    last: dict[str, tuple[int, int]] = field(default_factory=dict)  # context: last append's run

    anywhere: dict[str, list[str]] = field(default_factory=dict)  # context: hashes without a place
    doubled: int = 0  # rows in a place that was somebody else's: one of the two is lost

    def add(self, line: bytes) -> None:
        """Take one acknowledgement."""
        said = orjson.loads(line)
        context, first, hashes = said["context"], said["first"], said["hashes"]
        rows = self.rows.setdefault(context, {})
        for index, hashed in enumerate(hashes, first):
            self.doubled += rows.setdefault(index, hashed) != hashed
        self.last[context] = max(self.last.get(context, (0, 0)), (first, first + len(hashes)))

    def add_anywhere(self, context: str, contents: Sequence[str]) -> None:
        """Take an acknowledgement that does not say where: of a change that was made before."""
        self.anywhere.setdefault(context, []).extend(map(hash_of, contents))

    def forget_appends(self) -> None:
        """Forget which rows came together: where there were no keys, none can be sent again."""
        self.last.clear()

    def __len__(self) -> int:
        """Return the number of acknowledged rows."""
        return sum(map(len, (*self.rows.values(), *self.anywhere.values())))

    def encode(self) -> bytes:
        """Return all of it as JSON."""
        return orjson.dumps(asdict(self), option=orjson.OPT_NON_STR_KEYS)

    @classmethod
    def decode(cls, data: bytes) -> "Acknowledged":
        """Return what was encoded."""
        told = orjson.loads(data)
        rows = {
            context: {int(index): hashed for index, hashed in each.items()}
            for context, each in told["rows"].items()
        }
        last = {context: tuple(run) for context, run in told["last"].items()}
        return cls(rows=rows, last=last, anywhere=told["anywhere"], doubled=told["doubled"])


def line_of(context: str, first: int, contents: Sequence[str]) -> bytes:
    """Return the acknowledgement of an append as a line."""
    said = {"context": context, "first": first, "hashes": [hash_of(each) for each in contents]}
    return orjson.dumps(said) + b"\n"


def contents_of(dice: random.Random) -> list[str]:
    """Return what one append adds.

    Every row says which of how many it is and ends in its own hash, so that half an append and half
    a row are known for what they are even if nobody acknowledged them.
    """
    if not dice.randrange(_BIG_EVERY):
        return [_content(dice, 1, 1, _BIG_CHARACTERS)]
    count = dice.randint(1, ROWS_MAX)
    return [_content(dice, at, count, dice.randint(*_CHARACTERS)) for at in range(1, count + 1)]


def _content(dice: random.Random, at: int, count: int, characters: int) -> str:
    text = f"{at}/{count} {dice.randbytes(characters // 2).hex()}"
    return f"{text} {hash_of(text)}"


def hash_of(text: str) -> str:
    """Return a hash of 64 bits."""
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def damage(stored: Sequence[str], acknowledged: Mapping[int, str]) -> dict[str, int]:
    """Return how many rows of a context are lost, torn, and stored though nobody was told.

    An acknowledged row that stands elsewhere is lost from its place: order counts.
    """
    lost = sum(
        index >= len(stored) or hash_of(stored[index]) != hashed
        for index, hashed in acknowledged.items()
    )
    return {
        "lost": lost,
        "torn": _torn(stored),
        "unacknowledged": len(stored) - len(acknowledged),
    }


def _torn(stored: Sequence[str]) -> int:
    """Return the rows that are damaged, or of an append that is not all there."""
    torn, expected = 0, (1, 0)
    for content in stored:
        text, _, said = content.rpartition(" ")
        if hash_of(text) != said:
            torn += 1
            continue
        at, count = map(int, text.split(" ", 1)[0].split("/"))
        torn += at != 1 if expected == (1, 0) else (at, count) != expected
        expected = (1, 0) if at == count else (at + 1, count)
    return torn + (expected != (1, 0))
