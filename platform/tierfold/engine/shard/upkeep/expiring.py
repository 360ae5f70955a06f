"""The reaper: contexts whose time is over are deleted, in the order of time."""

from collections.abc import Callable, Iterator
from functools import partial

from tierfold.context.manifest import Head
from tierfold.engine.shard.keys import head_key, split_expiry
from tierfold.engine.shard.upkeep.steps import Commits
from tierfold.engine.shard.upkeep.sweeping import one_by_one
from tierfold.engine.shard.view import Stored
from tierfold.errors import CorruptError
from tierfold.ports import Batch, Family, KeyValues, WallClock

Removal = Callable[[Stored, Batch], None]  # puts the deletion of one context into a batch

# Does beforehand what takes long, and returns the rest, which is the same as when a caller deletes.
Remove = Callable[[str, Head], Removal]


class Reaper:
    """Deletes expired contexts, one step each, so that no change waits long behind it."""

    def __init__(
        self, *, values: KeyValues, commits: Commits, wall: WallClock, remove: Remove
    ) -> None:
        self._values = values
        self._commits = commits
        self._wall = wall
        self._remove = remove

    def one_pass(self) -> Iterator[tuple[str, bytes]]:
        """Delete what has expired by now; yields tenant and digest of each."""
        for key, _ in one_by_one(self._values, Family.EXPIRY):
            at_ms, tenant, digest = split_expiry(key)
            if at_ms > self._wall.unix_ms():
                return
            try:
                is_gone = self._is_removed(key)
            except CorruptError:
                continue  # the audit names it; others do not wait for it
            if is_gone:
                yield tenant, digest

    def _is_removed(self, key: bytes) -> bool:
        _, tenant, digest = split_expiry(key)
        stored = self._values.get(Family.HEAD, head_key(tenant, digest))
        removal = None if stored is None else self._remove(tenant, Head.decode(stored))
        return self._commits.run(partial(_expired, key=key, removal=removal))


def _expired(view: Stored, batch: Batch, *, key: bytes, removal: Removal | None) -> bool:
    """Delete a context if this is still the key it ends by; returns whether it was."""
    at_ms, tenant, digest = split_expiry(key)
    stored = view.get(Family.HEAD, head_key(tenant, digest))
    if stored is not None and Head.decode(stored).expires_ms == at_ms:
        if removal is None:
            return False  # it was made this moment, by one who saw it expired
        removal(view, batch)
        batch.delete(Family.EXPIRY, key)
        return True
    batch.delete(Family.EXPIRY, key)  # left over: the context ends at another time
    return False
