"""A store that has got another object store, or its first: all that it has waits to go there."""

from collections.abc import Iterator
from functools import partial
from itertools import islice

from tierfold.engine.shard.blocks import ObjectSource
from tierfold.engine.shard.keys import (
    UPLOADED,
    outbox_block_key,
    outbox_context_key,
    split_tenant,
    stub_hash,
)
from tierfold.engine.shard.upkeep.steps import Commits
from tierfold.engine.shard.upkeep.sweeping import sound, sweep
from tierfold.engine.shard.view import Stored
from tierfold.errors import SetupError
from tierfold.ports import Batch, Family, KeyValues

URL_KEY = b"object store"

_KEYS_PER_STEP = 4096
_KINDS = ((Family.BLOCK, b"b"), (Family.HEAD, b"c"))


def adopt(values: KeyValues, commits: Commits, source: ObjectSource) -> bool:
    """Put everything into the outbox where the store followed another L4; returns whether so.

    Raises SetupError where that one alone has something.
    """
    url = source.objects.url.encode()
    if values.get(Family.META, URL_KEY) == url:
        return False
    require_nothing_left(values)
    _forget_uploads(values, commits)
    for family, kind in _KINDS:
        for keys in _runs(values, family):
            commits.run(partial(_ask, kind=kind, keys=keys))
    commits.run(lambda _, batch: batch.put(Family.META, URL_KEY, url))
    return True


def require_nothing_left(values: KeyValues) -> None:
    """Refuse to leave an object store that alone has some blocks."""
    if any(stub_hash(value) is not None for _, value in sound(values, Family.BLOCK)):
        before = (values.get(Family.META, URL_KEY) or b"another").decode()
        problem = (
            f"some blocks of this store lie in object store {before} alone: open it with that one"
        )
        raise SetupError(problem)


def _forget(_: Stored, batch: Batch, *, keys: list[bytes]) -> None:
    for key in keys:
        batch.delete(Family.META, key)


def _ask(_: Stored, batch: Batch, *, kind: bytes, keys: list[bytes]) -> None:
    for key in keys:
        tenant, rest = split_tenant(key)
        if kind == b"b":
            batch.put(Family.OUTBOX, outbox_block_key(tenant, int.from_bytes(rest, "big")), b"")
        else:
            batch.put(Family.OUTBOX, outbox_context_key(tenant, rest), b"")


def _forget_uploads(values: KeyValues, commits: Commits) -> None:
    for keys in _runs(values, Family.META, UPLOADED):
        commits.run(partial(_forget, keys=keys))


def _runs(values: KeyValues, family: Family, prefix: bytes = b"") -> Iterator[list[bytes]]:
    after = b""
    while keys := [
        key for key, _ in islice(sweep(values, family, prefix, after=after), _KEYS_PER_STEP)
    ]:
        yield keys
        after = keys[-1]
