"""Reading a family from end to end, past what is damaged."""

from collections.abc import Iterator
from contextlib import suppress
from typing import TypeVar

from tierfold.engine.shard.keys import split_tenant
from tierfold.errors import CorruptError
from tierfold.ports import Family, KeyValues

_BEHIND = b"\xff" * 32  # sorts behind whatever follows a tenant in a key

T = TypeVar("T")
Swept = tuple[bytes, bytes | CorruptError]  # a key, and its value or why that is none


def sweep(
    values: KeyValues, family: Family, prefix: bytes = b"", *, after: bytes = b""
) -> Iterator[Swept]:
    """Yield all keys of a family with their values, or why a value is none.

    Raises CorruptError where there is no way past the damage: a table of the disk is broken, and
    which keys it had is not known. A sweep never ends early as if that were all.
    """
    while True:
        try:
            for key, value in values.scan(family, prefix, after=after):
                yield key, value
                after = key
        except CorruptError as error:
            damaged = error.key
            if damaged is None or damaged <= after:
                raise
            yield damaged, error
            after = damaged
        else:
            return


def sound(values: KeyValues, family: Family, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a family that are not damaged; raises as `sweep` does."""
    for key, value in sweep(values, family, prefix):
        if not isinstance(value, CorruptError):
            yield key, value


def known(swept: Iterator[T]) -> Iterator[T]:
    """Yield what a sweep yields, up to damage that there is no way past: for counts and caches."""
    with suppress(CorruptError):
        yield from swept


def one_by_one(values: KeyValues, family: Family, prefix: bytes = b"") -> Iterator[Swept]:
    """Sweep while what is swept changes: each key is looked for when the one before is done."""
    after = b""
    while (found := next(sweep(values, family, prefix, after=after), None)) is not None:
        yield found
        after = found[0]


def tenants(values: KeyValues, family: Family) -> Iterator[str]:
    """Yield every tenant that has a key in a family."""
    after = b""
    while (found := next(sweep(values, family, after=after), None)) is not None:
        yield split_tenant(found[0])[0]
        after = found[0][: 1 + found[0][0]] + _BEHIND
