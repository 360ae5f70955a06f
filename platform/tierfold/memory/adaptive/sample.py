"""Which keys the shadow caches see: a fixed part of all, chosen by a hash of the key."""

import zlib

from tierfold.memory.policies import Key

RATE_MAX = 32  # one key in so many
OBJECTS_MIN = 256  # that a shadow should hold: with fewer, chance decides who looks best
MULTIPLIER = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1

_REST = 1.25  # times the present rate that a larger one must be: so that it rests


def stable_hash(key: Key) -> int:
    """Return a number for a key, the same in every process."""
    return key if isinstance(key, int) else zlib.crc32(repr(key).encode())


def limit_of(rate: int) -> int:
    """Return what the hash of a key must lie under for the key to be one in `rate`.

    A smaller rate samples what a larger one does, and more.
    """
    return (MASK + 1) // rate


def is_under(limit: int, number: int) -> bool:
    """Return whether a key with this number is sampled: the upper bits of its product decide."""
    return number * MULTIPLIER & MASK < limit


def rate_for(objects: float, rate: int) -> int:
    """Return the rate for a cache of so many objects: the present one while it serves."""
    best = min(max(1, int(objects / OBJECTS_MIN)), RATE_MAX)
    return best if best < rate or best >= rate * _REST else rate
