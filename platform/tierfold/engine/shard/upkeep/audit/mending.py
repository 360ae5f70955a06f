"""How findings are mended: garbage goes, damaged blocks come back from L4."""

from collections.abc import Sequence

from tierfold.context.manifest import Head
from tierfold.context.segment import Name
from tierfold.engine.shard.keys import (
    Place,
    block_key,
    catalogue_key,
    expiry_key,
    hash_among,
    name_prefix,
    split_reference,
    uploaded_prefix,
)
from tierfold.engine.shard.upkeep.audit.findings import Mend
from tierfold.engine.shard.upkeep.bodies import StoredBodies
from tierfold.engine.shard.upkeep.moving import Mover
from tierfold.engine.shard.upkeep.steps import Commits
from tierfold.engine.shard.upkeep.sweeping import sound
from tierfold.errors import CorruptError, ObjectStoreError
from tierfold.ports import Batch, Family, KeyValues


class Mending:
    """Makes the steps that mend; each checks once more what it mends."""

    def __init__(
        self, values: KeyValues, commits: Commits, bodies: StoredBodies, mover: Mover
    ) -> None:
        self._values = values
        self._commits = commits
        self._bodies = bodies
        self._mover = mover

    def row(self, tenant: str, name: Name) -> Mend:
        """Return what removes a row that nothing refers to."""
        return lambda: self._mover.remove_row(tenant, name)

    def unneeded(self, tenant: str, number: int, names: Sequence[Name]) -> Mend:
        """Return what drops a block that nothing refers to."""
        return lambda: self._mover.drop(tenant, number, names)

    def block(self, tenant: str, number: int) -> Mend:
        """Return what fetches a damaged block from L4."""

        def mend() -> bool:
            data = self.from_l4(tenant, number)
            if data is None:
                return False
            key = block_key(tenant, number)
            self._commits.run(lambda _, batch: batch.put(Family.BLOCK, key, data))
            self._bodies.forget(tenant, number)
            return True

        return mend

    def reference(self, key: bytes) -> Mend:
        """Return what writes a damaged reference as another context has it, or the row's."""

        def mend() -> bool:
            tenant, name, _ = split_reference(key)
            prefix = name_prefix(tenant, name)
            places = [value for _, value in sound(self._values, Family.REFERENCE, prefix)]
            if not places and self._values.get(Family.BODY, prefix) is None:
                return False
            place = places[0] if places else Place().encode()
            self._commits.run(lambda _, batch: batch.put(Family.REFERENCE, key, place))
            return True

        return mend

    def key(self, family: Family, key: bytes) -> Mend:
        """Return what removes a key that stands for nothing."""

        def mend() -> bool:
            self._commits.run(lambda _, batch: batch.delete(family, key))
            return True

        return mend

    def listing(self, tenant: str, head: Head, digest: bytes) -> Mend:
        """Return what lists a context as its head says."""

        def mend() -> bool:
            def step(_: object, batch: Batch) -> None:
                batch.put(Family.CATALOGUE, catalogue_key(tenant, head.id), b"")
                if head.expires_ms:
                    batch.put(Family.EXPIRY, expiry_key(head.expires_ms, tenant, digest), b"")

            self._commits.run(step)
            return True

        return mend

    def from_l4(self, tenant: str, number: int) -> bytes | None:
        """Return the bytes of a block that the disk lost, None where L4 cannot help."""
        uploaded = sound(self._values, Family.META, uploaded_prefix(tenant, b""))
        hashed = hash_among((key for key, _ in uploaded), number)
        if hashed is None:
            return None
        try:
            return self._bodies.from_l4(tenant, hashed)
        except (CorruptError, ObjectStoreError):
            return None
