"""References of one context, as one change adds and removes them."""

from collections.abc import Iterable

from tierfold.context.segment import Name
from tierfold.engine.shard.keys import Place, name_prefix
from tierfold.engine.shard.view import Stored
from tierfold.ports import Batch, Family


class Referring:
    """Puts the references of a change into its batch, and rows with those that need them."""

    def __init__(self, view: Stored, batch: Batch, tenant: str, digest: bytes) -> None:
        self._view = view
        self._batch = batch
        self._tenant = tenant
        self._digest = digest
        self._added: set[Name] = set()
        self.rows_bytes = 0  # of the rows put

    def add(self, name: Name, frame: bytes) -> bool:
        """Refer to a segment; returns whether its body is new here and got a row."""
        self._added.add(name)
        prefix = name_prefix(self._tenant, name)
        key = prefix + self._digest
        found = next(self._view.scan(Family.REFERENCE, prefix), None)
        if found is None:
            self._batch.put(Family.BODY, prefix, frame)
            self._batch.put(Family.REFERENCE, key, b"")
            self.rows_bytes += len(frame)
            return True
        if found[0] != key:
            self._batch.put(Family.REFERENCE, key, found[1])
        return False

    def add_stored(self, name: Name) -> Place | None:
        """Refer to a segment whose body is here; None where it is not."""
        prefix = name_prefix(self._tenant, name)
        found = next(self._view.scan(Family.REFERENCE, prefix), None)
        if found is None:
            return None
        self._added.add(name)
        self._batch.put(Family.REFERENCE, prefix + self._digest, found[1])
        return Place.decode(found[1])

    def keep(self, names: Iterable[Name]) -> None:
        """Go on referring to segments."""
        self._added.update(names)

    def remove_all(self, names: Iterable[Name]) -> list[Name]:
        """Refer no more to segments, but for those that this change has added or kept.

        Returns those that nothing refers to now.
        """
        return [name for name in names if name not in self._added and self._remove(name)]

    def _remove(self, name: Name) -> bool:
        """Remove a reference; returns whether it was the last, with which the row goes too."""
        prefix = name_prefix(self._tenant, name)
        mine = prefix + self._digest
        held = None
        is_last = True
        for key, value in self._view.scan(Family.REFERENCE, prefix):
            if key != mine:
                is_last = False
                break
            held = value
        if is_last and held == b"":
            self._batch.delete(Family.BODY, prefix)
        self._batch.delete(Family.REFERENCE, mine)
        return is_last
