"""What a shard must know of its database before it serves from it."""

from dataclasses import dataclass

from tierfold.engine.shard.keys import STORE_FORMAT
from tierfold.errors import CorruptError, FormatTooNewError
from tierfold.ports import Batch, Family, KeyValues

FORMAT_KEY = b"format"
STORE_ID_KEY = b"store id"
STORE_ID_BYTES = 16

FORMAT_BYTES = 2


@dataclass(frozen=True, slots=True)
class State:
    """The identity of one database."""

    store_id: bytes  # in L4 it owns what begins with this


def open_state(values: KeyValues, *, new_id: bytes) -> State:
    """Return the state of a database; an empty one gets the format of today and the new id.

    Raises FormatTooNewError for one that a newer tierfold has written.
    """
    stored = values.get(Family.META, FORMAT_KEY)
    if stored is None:
        return _begun(values, new_id)
    found = int.from_bytes(stored, "big")
    if found > STORE_FORMAT:
        raise FormatTooNewError(what="the store", found=found, known=STORE_FORMAT)
    store_id = values.get(Family.META, STORE_ID_KEY)
    if store_id is None:
        raise CorruptError(what="the store", problem="its id is missing")
    return State(store_id)


def _begun(values: KeyValues, new_id: bytes) -> State:
    batch = Batch()
    batch.put(Family.META, FORMAT_KEY, STORE_FORMAT.to_bytes(FORMAT_BYTES, "big"))
    batch.put(Family.META, STORE_ID_KEY, new_id)
    values.write(batch)
    return State(new_id)
