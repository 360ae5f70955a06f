import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tierfold.errors import CorruptError, ShardUnavailableError
from tierfold.ports import Batch, Family, KeyValues
from tierfold.storage import FaultyKeyValues, MemoryKeyValues, RocksKeyValues

KEYS = st.binary(max_size=3) | st.sampled_from([b"\xff", b"\xff\xff", b"a\xff", b"a\xffb"])
VALUES = st.binary(max_size=40)
FAMILIES = st.sampled_from([Family.HEAD, Family.REFERENCE, Family.BLOCK])
CHANGES = st.lists(st.tuples(FAMILIES, KEYS, VALUES | st.none()), max_size=6)

Rows = list[tuple[bytes, bytes]]


def batch_of(*changes: tuple[Family, bytes, bytes | None]) -> Batch:
    batch = Batch()
    for family, key, value in changes:
        if value is None:
            batch.delete(family, key)
        else:
            batch.put(family, key, value)
    return batch


@pytest.fixture(params=["memory", "rocks", "faulty"])
def values(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeyValues]:
    made: dict[str, Callable[[], KeyValues]] = {
        "memory": MemoryKeyValues,
        "rocks": lambda: RocksKeyValues(tmp_path / "values"),
        "faulty": lambda: FaultyKeyValues(MemoryKeyValues()),
    }
    opened = made[request.param]()
    yield opened
    opened.close()


def test_what_is_written_is_read(values: KeyValues) -> None:
    """A batch writes to several families, and deletes what is and what is not there."""
    values.write(batch_of((Family.HEAD, b"a", b"1"), (Family.BODY, b"a", b"2")))
    values.write(batch_of((Family.HEAD, b"a", None), (Family.HEAD, b"z", None)), durable=False)

    assert values.get(Family.HEAD, b"a") is None
    assert values.get(Family.BODY, b"a") == b"2"
    assert values.get_many(Family.BODY, [b"x", b"a", b"a"]) == [None, b"2", b"2"]
    assert values.get_many(Family.BODY, []) == []


def test_an_empty_batch_is_nothing(values: KeyValues) -> None:
    """A round without changes may be written."""
    values.write(Batch())

    assert list(values.scan(Family.HEAD, b"")) == []


def test_a_scan_sees_what_was_there_when_it_began(values: KeyValues) -> None:
    """A reader that walks over a family is not confused by a writer."""
    values.write(batch_of(*((Family.HEAD, bytes((n,)), b"old") for n in range(4))))
    scan = values.scan(Family.HEAD, b"")
    first = next(scan)
    values.write(batch_of((Family.HEAD, b"\x01", None), (Family.HEAD, b"\x02", b"new")))
    values.write(batch_of((Family.HEAD, b"\x05", b"new")))

    assert [first, *scan] == [(bytes((n,)), b"old") for n in range(4)]
    assert next(scan, None) is None


def test_a_dropped_family_is_empty_and_usable(values: KeyValues) -> None:
    """A cache can be thrown away whole, and nothing else goes with it."""
    values.write(batch_of((Family.SEARCH, b"a", b"1"), (Family.HEAD, b"a", b"1")))
    scan = values.scan(Family.SEARCH, b"")
    values.drop(Family.SEARCH)

    assert values.get(Family.SEARCH, b"a") is None
    assert list(values.scan(Family.SEARCH, b"")) == []
    assert list(scan) == [(b"a", b"1")]
    values.write(batch_of((Family.SEARCH, b"b", b"2")))
    assert list(values.scan(Family.SEARCH, b"")) == [(b"b", b"2")]
    assert values.get(Family.HEAD, b"a") == b"1"


def test_deleted_values_give_their_space_back(values: KeyValues) -> None:
    """After compaction a family has the size of what is live in it."""
    values.write(batch_of(*((Family.BLOCK, bytes((n,)), bytes(range(256))) for n in range(100))))
    values.compact()
    full = values.size_bytes()
    values.write(batch_of(*((Family.BLOCK, bytes((n,)), None) for n in range(100))))
    values.compact()

    assert full[Family.BLOCK] > 25_600
    assert values.size_bytes() == dict.fromkeys(Family, 0)
    assert values.log_bytes() >= 0


def test_closing_twice_does_nothing_and_ends_all_use(values: KeyValues) -> None:
    """Whoever comes too late is told to come again: the shard may just be restarting."""
    values.write(batch_of((Family.HEAD, b"a", b"1")))
    values.close()
    values.close()

    uses: list[Callable[[], Any]] = [
        lambda: values.get(Family.HEAD, b"a"),
        lambda: values.get_many(Family.HEAD, [b"a"]),
        lambda: values.scan(Family.HEAD, b""),
        lambda: values.write(batch_of((Family.HEAD, b"a", b"2"))),
        lambda: values.drop(Family.HEAD),
    ]
    for use in uses:
        with pytest.raises(ShardUnavailableError):
            use()


class KeyValuesMachine(RuleBasedStateMachine):
    """Both adapters against plain dicts."""

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[Family, dict[bytes, bytes]] = {family: {} for family in Family}
        self.folder = tempfile.TemporaryDirectory()

    @initialize()
    def open(self) -> None:
        self.rocks = RocksKeyValues(self.folder.name)
        self.memory = MemoryKeyValues()

    @rule(changes=CHANGES, durable=st.booleans())
    def write(self, changes: list[tuple[Family, bytes, bytes | None]], durable: bool) -> None:  # noqa: FBT001
        for values in (self.rocks, self.memory):
            values.write(batch_of(*changes), durable=durable)
        for family, key, value in changes:
            if value is None:
                self.model[family].pop(key, None)
            else:
                self.model[family][key] = value

    @rule()
    def reopen(self) -> None:
        self.rocks.close()
        self.rocks = RocksKeyValues(self.folder.name)

    @rule()
    def compact(self) -> None:
        self.rocks.compact()

    @rule(family=FAMILIES)
    def drop(self, family: Family) -> None:
        for values in (self.rocks, self.memory):
            values.drop(family)
        self.model[family].clear()

    @rule(family=FAMILIES, prefix=KEYS, after=KEYS, descending=st.booleans())
    def scan(self, family: Family, prefix: bytes, after: bytes, descending: bool) -> None:  # noqa: FBT001
        rows = [
            (key, value)
            for key, value in sorted(self.model[family].items(), reverse=descending)
            if key.startswith(prefix)
            and (not after or (key < after if descending else key > after))
        ]
        for values in (self.rocks, self.memory):
            assert rows == list(values.scan(family, prefix, after=after, descending=descending))

    @rule(family=FAMILIES, keys=st.lists(KEYS, max_size=5))
    def get(self, family: Family, keys: list[bytes]) -> None:
        expected = [self.model[family].get(key) for key in keys]
        for values in (self.rocks, self.memory):
            assert expected == values.get_many(family, keys)
            assert expected == [values.get(family, key) for key in keys]

    @invariant()
    def all_rows_are_there(self) -> None:
        for family, rows in self.model.items():
            for values in (self.rocks, self.memory):
                assert sorted(rows.items()) == list(values.scan(family, b""))

    def teardown(self) -> None:
        self.rocks.close()
        self.folder.cleanup()


KeyValuesMachine.TestCase.settings = settings(
    max_examples=15, stateful_step_count=20, deadline=None
)
TestKeyValues = KeyValuesMachine.TestCase


def test_a_flipped_byte_is_named_in_memory() -> None:
    """The fake finds damage as the disk's adapter does."""
    values = MemoryKeyValues()
    values.write(batch_of((Family.HEAD, b"ab", b"1"), (Family.HEAD, b"b", b"2")))
    values.damage(Family.HEAD, b"ab")

    for use in (
        lambda: values.get(Family.HEAD, b"ab"),
        lambda: values.get_many(Family.HEAD, [b"b", b"ab"]),
        lambda: list(values.scan(Family.HEAD, b"")),
    ):
        with pytest.raises(CorruptError, match="head 6162"):
            use()
    assert values.get(Family.HEAD, b"b") == b"2"
