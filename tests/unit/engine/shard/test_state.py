import pytest

from tests.unit.engine.shard.worlds import World
from tierfold.engine.shard.state import FORMAT_KEY, STORE_ID_BYTES, STORE_ID_KEY, open_state
from tierfold.errors import CorruptError, FormatTooNewError
from tierfold.ports import Batch, Family
from tierfold.storage.memory import MemoryKeyValues


def test_a_store_keeps_the_id_it_began_with() -> None:
    """Its objects in L4 bear the id: another one tomorrow would lose them all."""
    values = MemoryKeyValues()
    first = World(values=values).shard.state
    again = open_state(values, new_id=b"another id")

    assert len(first.store_id) == STORE_ID_BYTES
    assert again == first


def test_a_newer_store_is_refused() -> None:
    """What a newer version has written may mean something else: nothing of it is touched."""
    values = MemoryKeyValues()
    open_state(values, new_id=b"id")
    batch = Batch()
    batch.put(Family.META, FORMAT_KEY, b"\x00\x02")
    values.write(batch)

    with pytest.raises(FormatTooNewError, match="install a newer one"):
        open_state(values, new_id=b"id")


def test_a_store_without_its_id_is_damaged() -> None:
    """It had one: making up another would leave L4 to nobody."""
    values = MemoryKeyValues()
    open_state(values, new_id=b"id")
    batch = Batch()
    batch.delete(Family.META, STORE_ID_KEY)
    values.write(batch)

    with pytest.raises(CorruptError, match="id is missing"):
        open_state(values, new_id=b"id")
