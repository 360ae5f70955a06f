import pytest

from tierfold.errors import CorruptError, ObjectStoreError, SetupError, StorageFullError
from tierfold.ports import Batch, Family
from tierfold.storage import FaultyKeyValues, FaultyObjects, MemoryKeyValues, MemoryObjects


def one(key: bytes, value: bytes | None) -> Batch:
    batch = Batch()
    batch.puts[Family.HEAD, key] = value
    return batch


def test_a_disk_fills_up_and_takes_deletions() -> None:
    """Nothing of the batch that does not fit is there; deleting goes on."""
    values = FaultyKeyValues(MemoryKeyValues(), room_bytes=10)
    values.write(one(b"a", b"12345"))

    with pytest.raises(StorageFullError):
        values.write(one(b"b", b"12345"))
    assert values.get(Family.HEAD, b"b") is None
    values.write(one(b"a", None))
    values.room_bytes = None
    values.write(one(b"b", b"12345"))
    assert values.get(Family.HEAD, b"b") == b"12345"


def test_a_write_fails_once() -> None:
    """The one after it goes through."""
    values = FaultyKeyValues(MemoryKeyValues())
    values.writes_failing = 1

    with pytest.raises(SetupError):
        values.write(one(b"a", b"1"))
    values.write(one(b"a", b"2"))
    assert values.get(Family.HEAD, b"a") == b"2"


def test_a_chosen_value_is_damaged_for_every_read() -> None:
    """Damage is found as a disk's would be, and only there."""
    values = FaultyKeyValues(MemoryKeyValues())
    values.write(one(b"a", b"1"))
    values.write(one(b"b", b"2"))
    values.damaged.add((Family.HEAD, b"a"))

    for use in (
        lambda: values.get(Family.HEAD, b"a"),
        lambda: values.get_many(Family.HEAD, [b"a"]),
        lambda: list(values.scan(Family.HEAD, b"")),
    ):
        with pytest.raises(CorruptError, match="head 61"):
            use()
    assert values.get(Family.HEAD, b"b") == b"2"


def test_slow_means_slow() -> None:
    """What is slow waits as long as it is told, by a pause that tests can replace."""
    pauses: list[float] = []
    FaultyKeyValues(MemoryKeyValues(), write_ms=500, pause=pauses.append).write(one(b"a", b"1"))
    FaultyObjects(MemoryObjects(), call_ms=250, pause=pauses.append).get("a")

    assert pauses == [0.5, 0.25]


def test_an_object_store_goes_down_and_comes_back() -> None:
    """While it is down every call fails, and nothing is lost."""
    objects = FaultyObjects(MemoryObjects())
    objects.put_new("a", b"1")
    objects.is_down = True

    for use in (
        lambda: objects.put_new("b", b"2"),
        lambda: objects.get("a"),
        lambda: objects.keys(""),
        lambda: objects.delete(["a"]),
    ):
        with pytest.raises(ObjectStoreError, match="down"):
            use()
    objects.is_down = False
    assert list(objects.keys("")) == ["a"]


def test_a_put_arrives_though_its_answer_is_lost() -> None:
    """The repetition finds the key taken, by its own first attempt."""
    objects = FaultyObjects(MemoryObjects())
    objects.answers_lost = 1

    with pytest.raises(ObjectStoreError):
        objects.put_new("a", b"1")
    assert not objects.put_new("a", b"1")
    assert objects.get("a") == b"1"


def test_an_object_is_damaged_on_the_way() -> None:
    """One bit is wrong: whoever names objects by hash finds it."""
    objects = FaultyObjects(MemoryObjects())
    objects.put_new("a", b"1")
    objects.damaged.add("a")

    assert objects.get("a") == b"0"
