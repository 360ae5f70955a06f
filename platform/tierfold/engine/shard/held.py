"""All that a context refers to, for the changes that leave some of it behind."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice

from tierfold.context.identity import DIGEST_BYTES
from tierfold.context.manifest import Head
from tierfold.context.segment import Name
from tierfold.engine.shard.fetched import ChangeReader
from tierfold.engine.shard.keys import split_reference, tenant_prefix
from tierfold.engine.shard.names import reach_of
from tierfold.engine.shard.view import Stored
from tierfold.errors import CorruptError, ObjectStoreError
from tierfold.ports import Family

_ITEMS_AT_ONCE = 1024  # their bodies are in memory together
_SCANNED_MAX = 10_000_000  # references: some ten seconds


@dataclass(frozen=True, slots=True)
class Held:
    """The names a context refers to, and the pieces of those items that are split."""

    names: frozenset[Name] = frozenset()
    pieces: Mapping[Name, tuple[Name, ...]] = field(default_factory=dict)
    is_read: bool = True  # else items could not be read, and some may be split


def held_by(head: Head, reader: ChangeReader, stored: Stored, context: tuple[str, bytes]) -> Held:
    """Return what a context refers to.

    Where it is damaged, or its object store does not answer, the references are looked through
    instead: what is broken can still be removed.
    """
    try:
        return _read(head, reader)
    except (CorruptError, ObjectStoreError):
        return found_by_scan(stored, context)


def found_by_scan(stored: Stored, context: tuple[str, bytes]) -> Held:
    """Return the references of a context among all of its tenant's.

    After so many it ends: those that stay are garbage, which the audit finds.
    """
    tenant, digest = context
    scanned = islice(stored.scan(Family.REFERENCE, tenant_prefix(tenant)), _SCANNED_MAX)
    mine = (key for key, _ in scanned if key[-DIGEST_BYTES:] == digest)
    return Held(frozenset(split_reference(key)[1] for key in mine), is_read=False)


def _read(head: Head, reader: ChangeReader) -> Held:
    reach = reach_of(head, reader.bodies)
    pieces: dict[Name, tuple[Name, ...]] = {}
    items = list(dict.fromkeys(reach.items))
    for start in range(0, len(items), _ITEMS_AT_ONCE):
        pieces.update(reader.pieces(items[start : start + _ITEMS_AT_ONCE]))
    about = () if head.about is None else (head.about,)
    parts = (piece for each in pieces.values() for piece in each)
    return Held(frozenset((*reach.structure, *reach.items, *parts, *about)), pieces)
