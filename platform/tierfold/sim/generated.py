"""Traces made from a seed: what caches meet, where there are no real ones to read."""

from collections.abc import Callable

import numpy as np

from tierfold.sim.trace import Integers, Trace

DEMONSTRATION = "chats"
_BLOCK_BYTES = 2048
_TURNS_MEAN = 12.0
_OPEN_CHATS = 24
_GAP_MS = 4000
_SKEW = 0.9


def generated(kind: str, accesses: int, *, seed: int = 0) -> Trace:
    """Return one of KINDS with about so many accesses, the same one for the same seed."""
    return KINDS[kind](max(accesses, 1), np.random.default_rng([seed, *kind.encode()]))


def chats(accesses: int, dice: np.random.Generator) -> Trace:
    """Return conversations that grow: a turn reads all blocks of its history and adds some."""
    columns: list[Integers] = []
    open_chats: list[tuple[int, Integers]] = []
    count = request = session = blocks = time = 0
    while count < accesses:
        time += int(dice.exponential(_GAP_MS)) + 1
        if len(open_chats) < _OPEN_CHATS:
            open_chats.append((session, np.zeros(0, np.int64)))
            session += 1
        at = int(dice.integers(len(open_chats)))
        number, history = open_chats[at]
        added = 1 + int(dice.geometric(0.3))
        history = np.concatenate([history, np.arange(blocks, blocks + added)])
        blocks += added
        whole = np.ones(len(history), np.int64)
        columns.append(np.stack([whole * time, history, whole * request, whole * number]))
        open_chats[at] = (number, history)
        if dice.random() < 1 / _TURNS_MEAN:
            del open_chats[at]
        request += 1
        count += len(history)
    stamp, key, asked, chat = np.concatenate(columns, axis=1)
    size = np.full(len(key), _BLOCK_BYTES, np.int64)
    return Trace(name="chats", time=stamp, key=key, size=size, request=asked, session=chat)


def zipf(accesses: int, dice: np.random.Generator) -> Trace:
    """Return accesses of which few keys get most, always the same."""
    return _units("zipf", _skewed(accesses, accesses // 10, dice))


def loop(accesses: int, dice: np.random.Generator) -> Trace:
    """Return accesses to the same keys in the same order, round after round."""
    width = max(1, accesses // int(dice.integers(20, 40)))
    return _units("loop", dice.permutation(width)[np.arange(accesses) % width].astype(np.int64))


def scan(accesses: int, dice: np.random.Generator) -> Trace:
    """Return accesses to a working set, and runs over keys that nobody asks for again."""
    key = _skewed(accesses, max(1, accesses // 50), dice)
    width = max(1, accesses // 40)
    for start in range(width, accesses - width, 4 * width):
        key[start : start + width] = np.arange(width) + accesses + start
    return _units("scan", key)


def phases(accesses: int, dice: np.random.Generator) -> Trace:
    """Return accesses where what is popular changes altogether, several times."""
    length = max(1, accesses // 6)
    parts = [
        _skewed(min(length, accesses - start), max(1, length // 10), dice) + start
        for start in range(0, accesses, length)
    ]
    return _units("phases", np.concatenate(parts))


def objects(accesses: int, dice: np.random.Generator) -> Trace:
    """Return accesses to objects of very different sizes, large ones no less often."""
    key = _skewed(accesses, accesses // 5, dice)
    sizes = dice.lognormal(8, 1.5, int(key.max()) + 1).astype(np.int64) + 1
    return _units("objects", key, sizes[key])


KINDS: dict[str, Callable[[int, np.random.Generator], Trace]] = {
    each.__name__: each for each in (chats, zipf, loop, scan, phases, objects)
}


def _skewed(accesses: int, keys: int, dice: np.random.Generator) -> Integers:
    weight = np.arange(1, max(keys, 1) + 1) ** -_SKEW
    rank = np.searchsorted(np.cumsum(weight / weight.sum()), dice.random(accesses))
    return dice.permutation(len(weight) + 1)[rank].astype(np.int64)


def _units(name: str, key: Integers, size: Integers | None = None) -> Trace:
    order = np.arange(len(key), dtype=np.int64)
    sizes = np.ones(len(key), np.int64) if size is None else size
    return Trace(name=name, time=order, key=key, size=sizes, request=order, session=order)
