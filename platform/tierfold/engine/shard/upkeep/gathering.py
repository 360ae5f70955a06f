"""Which rows are sealed together, and in which order: a context's in the order of its items."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import islice

from tierfold.context.manifest import Head
from tierfold.context.segment import Name
from tierfold.engine.shard.keys import (
    head_key,
    name_prefix,
    split_reference,
    split_tenant,
    tenant_prefix,
)
from tierfold.engine.shard.upkeep.bodies import StoredBodies
from tierfold.engine.shard.upkeep.reach import newest_first
from tierfold.engine.shard.upkeep.sweeping import sweep
from tierfold.errors import CorruptError, ObjectStoreError
from tierfold.ports import Family, KeyValues

ROWS_MAX = 16_384  # ordered at a time; where there are more, a conversation may be torn apart
RUNS_READ_MAX = 1024  # pages of one context that are looked through for the order of its rows


@dataclass(frozen=True, slots=True)
class Gathered:
    """Rows of one tenant in the order in which they are sealed."""

    names: Sequence[Name] = field(repr=False)
    after: bytes | None  # key behind which the next ones begin; None where these are the last


def gather(values: KeyValues, bodies: StoredBodies, tenant: str, *, after: bytes = b"") -> Gathered:
    """Return the next rows of a tenant."""
    contexts: dict[bytes, set[Name]] = {}
    key, count = b"", 0
    scanned = sweep(values, Family.BODY, tenant_prefix(tenant), after=after)
    for key, _ in islice(scanned, ROWS_MAX):
        name = Name(split_tenant(key)[1])
        contexts.setdefault(_first_context(values, tenant, name), set()).add(name)
        count += 1
    names = [
        name
        for digest, held in contexts.items()
        for name in ordered(values, bodies, (tenant, digest), held)
    ]
    return Gathered(names, key if count == ROWS_MAX else None)


def ordered(
    values: KeyValues, bodies: StoredBodies, context: tuple[str, bytes], held: Collection[Name]
) -> list[Name]:
    """Return these names in the order in which the context lists them, others at the end.

    Only an order is at stake: where a page cannot be read, what is known of it must do.
    """
    tenant, digest = context
    waiting = set(held)
    runs: list[list[Name]] = []
    try:
        stored = values.get(Family.HEAD, head_key(tenant, digest))
        if stored is not None:
            head = Head.decode(stored)
            newest = newest_first(head, lambda name: bodies.body(tenant, name))
            for run in islice(newest, RUNS_READ_MAX):
                runs.append([name for name in dict.fromkeys(run) if name in waiting])
                waiting.difference_update(run)
                if not waiting:
                    break
    except (CorruptError, ObjectStoreError):
        pass  # the audit names it, or L4 alone has it
    return [name for run in reversed(runs) for name in run] + sorted(waiting)


def _first_context(values: KeyValues, tenant: str, name: Name) -> bytes:
    """Return the digest of one context that needs a name, b"" for none."""
    found = next(sweep(values, Family.REFERENCE, name_prefix(tenant, name)), None)
    return b"" if found is None else split_reference(found[0])[2]
