"""Canonical traces: each is where some policies are known to do well and others badly."""

import random
from collections.abc import Callable

from tests.unit.memory.policies.oracles import Access

ACCESSES = 1500


def loop() -> list[int]:
    return [at % 60 for at in range(ACCESSES)]


def scan_and_hot() -> list[int]:
    dice = random.Random(1)
    return [dice.randrange(20) if at % 3 else 1000 + at for at in range(ACCESSES)]


def zipf() -> list[int]:
    dice = random.Random(2)
    return [int(200 ** dice.random()) for _ in range(ACCESSES)]


def phases() -> list[int]:
    dice = random.Random(3)
    return [100 * (at // 400) + dice.randrange(50) for at in range(ACCESSES)]


def pools() -> list[int]:
    dice = random.Random(4)
    return [dice.randrange(10) if at % 2 else 100 + dice.randrange(300) for at in range(ACCESSES)]


KEYS: dict[str, Callable[[], list[int]]] = {
    each.__name__: each for each in (loop, scan_and_hot, zipf, phases, pools)
}


def unit(name: str) -> list[Access]:
    return [(key, 1) for key in KEYS[name]()]


def sized(name: str) -> list[Access]:
    """The same with sizes between 1 and 40, each key's always the same."""
    return [(key, 1 + key * 7919 % 40) for key in KEYS[name]()]
