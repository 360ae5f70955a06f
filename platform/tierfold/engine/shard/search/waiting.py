"""Segments that wait to be looked at, and how they are taken without losing a change.

A waiting key is turned into a claim before the segment is looked at. A change that comes meanwhile
writes the waiting key anew, so what was seen too early is looked at again; a crash leaves the
claim, and the next step takes that first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from tierfold.context.segment import Name
from tierfold.engine.shard.keys import tenant_prefix
from tierfold.engine.shard.search.keys import (
    CLAIMED,
    WAITING,
    claimed_key,
    position_of,
    split_waiting,
    waiting_key,
    waiting_value,
)
from tierfold.ports import Batch, Family, KeyValues


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Segments of one tenant to look at, each with the position that was told."""

    tenant: str
    positions: Mapping[Name, int]


class Waiting:
    """The list of what waits; one thread takes from it, any may add to it."""

    def __init__(self, values: KeyValues) -> None:
        self._values = values
        self._after = b""  # so that what cannot be read now does not keep back the rest

    def take(self, limit: int) -> Claim | None:
        """Return what to look at now, all of one tenant; None where nothing waits."""
        left = self._first(CLAIMED, b"", limit)
        if left is not None:
            return left
        taken = self._first(WAITING, self._after, limit) or self._first(WAITING, b"", limit)
        if taken is None:
            return None
        batch = Batch()
        for name, position in taken.positions.items():
            batch.delete(Family.SEARCH, waiting_key(taken.tenant, name))
            batch.put(Family.SEARCH, claimed_key(taken.tenant, name), waiting_value(position))
            self._after = waiting_key(taken.tenant, name)
        self._values.write(batch, durable=False)
        return taken

    def count(self) -> int:
        """Return how many segments wait."""
        return sum(1 for _ in self._values.scan(Family.SEARCH, WAITING))

    def is_longer_than(self, limit: int) -> bool:
        """Whether more than so many segments wait."""
        scan = self._values.scan(Family.SEARCH, WAITING)
        return next(islice(scan, limit, None), None) is not None

    def of_tenant(self, tenant: str, limit: int) -> dict[Name, int]:
        """Return a tenant's segments that wait or are being looked at, up to a limit.

        Waiting ones are read first: one that is claimed in between is found at its new place.
        """
        found: dict[Name, int] = {}
        for kind in (WAITING, CLAIMED):
            for key, value in self._values.scan(Family.SEARCH, kind + tenant_prefix(tenant)):
                if len(found) >= limit:
                    break
                found.setdefault(split_waiting(key)[1], position_of(value))
        return found

    def _first(self, kind: bytes, after: bytes, limit: int) -> Claim | None:
        scan = self._values.scan(Family.SEARCH, kind, after=after)
        positions: dict[Name, int] = {}
        of = ""
        for key, value in islice(scan, limit):
            tenant, name = split_waiting(key)
            if positions and tenant != of:
                break
            of = tenant
            positions[name] = position_of(value)
        return Claim(tenant=of, positions=positions) if positions else None


def settle(batch: Batch, tenant: str, names: Sequence[Name]) -> None:
    """Remove claims: these segments were looked at."""
    for name in names:
        batch.delete(Family.SEARCH, claimed_key(tenant, name))


def put_back(batch: Batch, tenant: str, positions: Mapping[Name, int]) -> None:
    """Let segments wait again that could not be read now."""
    settle(batch, tenant, list(positions))
    add_waiting(batch, tenant, positions.items())


def add_waiting(batch: Batch, tenant: str, positions: Iterable[tuple[Name, int]]) -> None:
    """Put segments on the list."""
    for name, position in positions:
        batch.put(Family.SEARCH, waiting_key(tenant, name), waiting_value(position))
