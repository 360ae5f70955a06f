"""Giving bodies a new place: a block is put, and every reference to its bodies is written anew."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from tierfold.compression.lossless import block_hash
from tierfold.context.segment import Name
from tierfold.engine.shard.keys import (
    NEXT_BLOCK_KEY,
    NUMBER_BYTES,
    Place,
    block_key,
    name_prefix,
    outbox_block_key,
    outbox_context_key,
    outbox_unneeded_key,
    split_reference,
    stub_hash,
    uploaded_key,
    uploaded_prefix,
)
from tierfold.engine.shard.upkeep.steps import Commits
from tierfold.engine.shard.view import Stored
from tierfold.ports import Batch, Family

REFERENCES_PER_STEP = 4096  # a name that very many contexts share is moved in several steps

Dropped = Callable[[str, int], None]  # tenant and number of a block that is gone


@dataclass(frozen=True, slots=True)
class Body:
    """A body that is to move, and where it was when it was read."""

    name: Name
    place: Place


class Mover:
    """Puts blocks, moves references to them, and drops blocks nobody refers to."""

    def __init__(self, commits: Commits, *, has_l4: bool, dropped: Dropped) -> None:
        self._commits = commits
        self._has_l4 = has_l4
        self._dropped = dropped

    def put(self, tenant: str, data: bytes, bodies: Sequence[Body]) -> int | None:
        """Store a block of these bodies and return its number; None where nobody needs them now.

        A body that was moved or removed meanwhile stays in the block as garbage.
        """
        number: int | None = None
        is_done = False
        while not is_done:
            number, is_done = self._commits.run(self._putting(tenant, data, bodies, number))
        return number

    def _putting(
        self, tenant: str, data: bytes, bodies: Sequence[Body], number: int | None
    ) -> Callable[[Stored, Batch], tuple[int | None, bool]]:
        """Return one step of putting a block."""
        return lambda view, batch: _Round(view, batch, tenant, has_l4=self._has_l4).put(
            data, bodies, number
        )

    def drop(self, tenant: str, number: int, names: Sequence[Name]) -> bool:
        """Remove a block that holds these names, unless something refers to it after all."""
        is_gone = self._commits.run(
            lambda view, batch: _Round(view, batch, tenant, has_l4=self._has_l4).drop(number, names)
        )
        if is_gone:
            self._dropped(tenant, number)
        return is_gone

    def remove_row(self, tenant: str, name: Name) -> bool:
        """Remove a row that nothing refers to."""

        def step(view: Stored, batch: Batch) -> bool:
            if next(view.scan(Family.REFERENCE, name_prefix(tenant, name)), None) is not None:
                return False
            batch.delete(Family.BODY, name_prefix(tenant, name))
            return True

        return self._commits.run(step)


def next_number(view: Stored, batch: Batch) -> int:
    """Take the next block number."""
    stored = view.get(Family.META, NEXT_BLOCK_KEY)
    number = int.from_bytes(stored, "big") if stored else 0
    batch.put(Family.META, NEXT_BLOCK_KEY, (number + 1).to_bytes(NUMBER_BYTES, "big"))
    return number


class _Round:
    """One step of putting a block, which takes less room than the places its bodies had."""

    def __init__(self, view: Stored, batch: Batch, tenant: str, *, has_l4: bool) -> None:
        self._view = view
        self._batch = batch
        batch.makes_room = True
        self._tenant = tenant
        self._has_l4 = has_l4
        self._left = REFERENCES_PER_STEP

    def put(
        self, data: bytes, bodies: Sequence[Body], number: int | None
    ) -> tuple[int | None, bool]:
        """Return the block's number, and whether all references are moved."""
        moves = [
            (entry, body, keys)
            for entry, body in enumerate(bodies)
            if (keys := self._references(body)) and self._left >= 0
        ]
        if not moves:
            return number, True
        if number is None:
            number = self._stored(data)
        for entry, body, keys in moves:
            self._move(body, keys, Place(number, entry))
        return number, self._left > 0

    def drop(self, number: int, names: Sequence[Name]) -> bool:
        """Remove a block unless one of these names is still read from it."""
        view, tenant, key = self._view, self._tenant, block_key(self._tenant, number)
        value = view.get(Family.BLOCK, key)
        if value is None or any(_refers(view, tenant, name, number) for name in names):
            return False
        self._batch.delete(Family.BLOCK, key)
        if self._has_l4:
            self._batch.delete(Family.OUTBOX, outbox_block_key(tenant, number))
            hashed = stub_hash(value) or block_hash(value)
            _leave_l4(view, self._batch, tenant, number, hashed)
        return True

    def _references(self, body: Body) -> list[bytes]:
        """Return the references that still have the old place, as many as this step can take.

        A row that nothing refers to goes at once.
        """
        if self._left <= 0:
            return []
        prefix = name_prefix(self._tenant, body.name)
        old = body.place.encode()
        scanned = self._view.scan(Family.REFERENCE, prefix)
        keys = list(islice((key for key, value in scanned if value == old), self._left))
        self._left -= len(keys)
        if not keys and body.place.block is None:
            self._batch.delete(Family.BODY, prefix)
        return keys

    def _stored(self, data: bytes) -> int:
        number = next_number(self._view, self._batch)
        self._batch.put(Family.BLOCK, block_key(self._tenant, number), data)
        if self._has_l4:
            self._batch.put(Family.OUTBOX, outbox_block_key(self._tenant, number), b"")
        return number

    def _move(self, body: Body, keys: Sequence[bytes], place: Place) -> None:
        encoded = place.encode()
        for key in keys:
            self._batch.put(Family.REFERENCE, key, encoded)
            if self._has_l4 and body.place.block is not None:
                # L4's manifest names the old block; the value differs from any that was there.
                _, _, digest = split_reference(key)
                self._batch.put(Family.OUTBOX, outbox_context_key(self._tenant, digest), encoded)
        if body.place.block is None and self._left > 0:
            self._batch.delete(Family.BODY, name_prefix(self._tenant, body.name))


def _refers(view: Stored, tenant: str, name: Name, number: int) -> bool:
    prefix = name_prefix(tenant, name)
    return any(
        Place.decode(value).block == number for _, value in view.scan(Family.REFERENCE, prefix)
    )


def _leave_l4(view: Stored, batch: Batch, tenant: str, number: int, hashed: bytes) -> None:
    """Ask for the block's object to be deleted, unless another block here has the same bytes.

    Also where it is not noted that L4 has it: it may have been put right before a failure.
    """
    mine = uploaded_key(tenant, hashed, number)
    batch.delete(Family.META, mine)
    others = (key for key, _ in view.scan(Family.META, uploaded_prefix(tenant, hashed)))
    if all(key == mine for key in others):
        batch.put(Family.OUTBOX, outbox_unneeded_key(tenant, hashed), b"")
