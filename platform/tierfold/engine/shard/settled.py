"""What is stored as readers may see it: without the round that still waits for the disk.

Between the write of a round and its fsync the changes stand in the database, though a power cut
could take them back. Readers get the heads and the catalogue as they were before: they neither wait
nor see what may never have been. All else is found through a head and never changes; of what a
round stops referring to, the old values are kept too, where that is little.
"""

from collections.abc import Iterator, Mapping, Sequence
from threading import Condition

from tierfold.context.identity import DIGEST_BYTES
from tierfold.engine.shard.view import Row, merged
from tierfold.errors import CorruptError
from tierfold.ports import Batch, Family, KeyValues

Before = Mapping[tuple[Family, bytes], bytes | None]

_SETTLED = (Family.HEAD, Family.CATALOGUE)
_LEFT_MAX = 64  # references of one round whose bodies are kept, each at most 64 KiB
_NOTHING: Before = {}


class Settled:
    """Reads of what survives a crash; for any thread.

    A reader reads first and looks after that whether a round is under way: so what it read is from
    before the round, or the round says what was there.
    """

    def __init__(self, values: KeyValues) -> None:
        self._values = values
        self._before = _NOTHING
        self._ended = Condition()

    def get(self, family: Family, key: bytes) -> bytes | None:
        """Return a value, or None."""
        value = self._values.get(family, key)
        before = self._before
        return before.get((family, key), value) if before else value

    def get_many(self, family: Family, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of some keys in their order."""
        values = self._values.get_many(family, keys)
        before = self._before
        if not before:
            return values
        return [before.get((family, key), value) for key, value in zip(keys, values, strict=True)]

    def scan(
        self, family: Family, prefix: bytes, *, after: bytes = b"", descending: bool = False
    ) -> Iterator[Row]:
        """Yield keys that begin with the prefix, and their values, in order."""
        rows = self._values.scan(family, prefix, after=after, descending=descending)
        changed = {
            key: value
            for (of, key), value in self._before.items()
            if of is family and key.startswith(prefix)
        }
        return merged(rows, changed, after=after, descending=descending) if changed else rows

    def begin(self, batch: Batch, known: Before) -> None:
        """Go on showing what a round is about to change; `known` is what it has read of that."""
        before: dict[tuple[Family, bytes], bytes | None] = {}
        for at in (*_heads(batch), *_left(batch)):
            try:
                before[at] = known[at] if at in known else self._values.get(*at)
            except CorruptError:  # nobody can read it as it is: the round may well mend it
                continue
        self._before = before

    def end(self) -> None:
        """Show what is stored: the round has reached the disk, or failed."""
        self._before = _NOTHING
        with self._ended:
            self._ended.notify_all()

    def wait(self, family: Family, key: bytes, *, timeout_s: float) -> bool:
        """Wait for the end of the round that changes a key; returns whether there was one."""
        before = self._before
        if (family, key) not in before:
            return False
        with self._ended:
            self._ended.wait_for(lambda: self._before is not before, timeout_s)
        return True


def _heads(batch: Batch) -> list[tuple[Family, bytes]]:
    """Return the heads that a batch changes, and what it changes in the catalogue."""
    return [at for at in batch.puts if at[0] in _SETTLED]


def _left(batch: Batch) -> list[tuple[Family, bytes]]:
    """Return the references that a batch removes, and the rows that go with them."""
    references = [
        at for at, value in batch.puts.items() if at[0] is Family.REFERENCE and value is None
    ]
    if len(references) > _LEFT_MAX:
        return []
    rows = {(Family.BODY, key[:-DIGEST_BYTES]) for _, key in references}
    return [*references, *(at for at in rows if at in batch.puts)]
