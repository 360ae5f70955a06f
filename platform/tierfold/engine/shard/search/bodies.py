"""Items as the index reads them: by name, through whichever context needs them now."""

from tierfold.context.segment import Name
from tierfold.engine.shard.bodies import Bodies
from tierfold.engine.shard.keys import name_prefix, split_reference
from tierfold.errors import CorruptError
from tierfold.ports import Family, KeyValues

_TRIES = 4  # the context it is read through may be deleted meanwhile; another one may need it


class ItemBodies:
    """Reads whole items wherever they lie; any thread may use it at any time."""

    def __init__(self, values: KeyValues, bodies: Bodies) -> None:
        self._values = values
        self._bodies = bodies

    def whole(self, tenant: str, name: Name) -> bytes:
        """Return an item's body, pieces joined.

        Raises CorruptError where it is damaged or no context needs it, ObjectStoreError too.
        """
        seen: set[bytes] = set()
        for _ in range(_TRIES):
            digest = context_of(self._values, tenant, name)
            if digest is None or digest in seen:
                break
            seen.add(digest)
            try:
                (body,) = self._bodies.reader(self._values, tenant, digest).items([name])
            except CorruptError:
                continue
            return body
        raise CorruptError(what=f"segment {name.hex()}", problem="it is missing or damaged")


def context_of(values: KeyValues, tenant: str, name: Name) -> bytes | None:
    """Return the digest of a context that needs the segment, None where none does."""
    found = next(values.scan(Family.REFERENCE, name_prefix(tenant, name)), None)
    return None if found is None else split_reference(found[0])[2]
