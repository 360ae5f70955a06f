"""What the objects of a backup look like: envelopes, packs, records, names."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierfold.compression.lossless import Codec
from tierfold.context.manifest import NO_CHAIN, Shape, chained
from tierfold.context.segment import name_of
from tierfold.engine.backup import layout, packs
from tierfold.engine.backup.envelope import FORMAT, ObjectKind, sealed, unsealed
from tierfold.engine.backup.packs import Pack, is_cut, packed
from tierfold.engine.backup.records import (
    ITEMS_PER_ENTRY,
    ContextRecord,
    Place,
    RecordDecoder,
    Run,
    Runs,
    encoded,
)
from tierfold.engine.backup.table import SeenItems
from tierfold.errors import CorruptError, FormatTooNewError

CODEC = Codec()


def test_every_flipped_bit_of_an_object_is_found() -> None:
    """An object is what was written, or it is refused."""
    data = sealed(ObjectKind.RECORDS, b"some bytes")

    assert unsealed(ObjectKind.RECORDS, data, what="it") == b"some bytes"
    for at in range(len(data)):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[at] ^= 1 << bit
            with pytest.raises(CorruptError):
                unsealed(ObjectKind.RECORDS, bytes(damaged), what="it")
    for cut in range(len(data)):
        with pytest.raises(CorruptError):
            unsealed(ObjectKind.RECORDS, data[:cut], what="it")


def test_a_newer_format_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may mean anything: nobody guesses."""
    monkeypatch.setattr("tierfold.engine.backup.envelope.FORMAT", FORMAT + 1)
    newer = sealed(ObjectKind.MANIFEST, b"x")
    monkeypatch.undo()

    with pytest.raises(FormatTooNewError, match="backup b has format 2, and this tierfold knows 1"):
        unsealed(ObjectKind.MANIFEST, newer, what="backup b")


def test_an_object_of_another_kind_is_refused() -> None:
    """A page of one list in the place of the other's is damage."""
    with pytest.raises(CorruptError, match="something else"):
        unsealed(ObjectKind.BODIES, sealed(ObjectKind.PACKS, b"x"), what="it")


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=60))
def test_a_pack_gives_back_what_went_into_it(entries: list[bytes]) -> None:
    """Entry by entry, in their order, and none more."""
    pack = Pack(ObjectKind.PACKS, packed(ObjectKind.PACKS, entries, CODEC), CODEC, what="a pack")

    assert [pack.entry(at) for at in range(len(pack))] == entries
    for at in (-1, len(entries)):
        with pytest.raises(CorruptError):
            pack.entry(at)


def test_entries_of_many_blocks_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the order they are asked in, a few blocks are unpacked at a time."""
    monkeypatch.setattr(packs, "_BLOCK_BYTES", 64)
    entries = [bytes((at,)) * 30 for at in range(200)]
    pack = Pack(ObjectKind.PACKS, packed(ObjectKind.PACKS, entries, CODEC), CODEC, what="a pack")

    order = list(range(200))
    random.Random(3).shuffle(order)
    assert [pack.entry(at) for at in order] == [entries[at] for at in order]
    assert pack.size_bytes > 0


def cut(names: Sequence[bytes], size: int) -> list[tuple[bytes, ...]]:
    """Return names of entries of one size as packs."""
    found: list[list[bytes]] = [[]]
    for name in names:
        found[-1].append(name)
        entries = len(found[-1])
        if is_cut(name, entry_bytes=size, pack_bytes=entries * size, entries=entries):
            found.append([])
    return [tuple(each) for each in found]


def test_packs_behind_a_change_stay_what_they_were() -> None:
    """So a backup that is begun again puts next to nothing twice, whatever changed meanwhile."""
    names = [name_of(bytes([1]) + at.to_bytes(4, "big")) for at in range(60_000)]
    before = cut(names, 1000)
    after = cut([*names[:100], name_of(b"\x01new"), *names[101:]], 1000)

    assert len(before) > 8
    assert len(set(before) & set(after)) >= len(before) - 4


numbers = st.integers(0, 2**31)
runs = st.lists(
    st.builds(Run, st.integers(0, 2000), st.integers(0, 2**16), st.integers(1, 9000)), max_size=6
)


@given(runs, numbers, numbers, st.binary(max_size=40))
def test_a_record_comes_back_from_its_entries(
    runs: list[Run], version: int, ttl_ms: int, about: bytes
) -> None:
    """However many items a context has: each entry has a bounded part of them."""
    items = sum(run.count for run in runs)
    names = random.Random(1).randbytes(16 * items)
    record = ContextRecord(
        id="trip",
        shape=Shape.TEXT,
        version=version,
        items=items,
        size_bytes=9,
        chain=bytes(16),
        created_ms=1,
        updated_ms=2,
        ttl_ms=ttl_ms,
        about=about,
        names=names,
        runs=tuple(runs),
    )
    decoder = RecordDecoder()
    *first, last = encoded(record)

    assert all(len(entry) <= 16 * ITEMS_PER_ENTRY + 200 for entry in (*first, last))
    assert [decoder.add(entry) for entry in first] == [None] * len(first)
    found = decoder.add(last)
    assert found is not None
    assert list(found.places()) == list(record.places())
    assert (found.version, found.ttl_ms, found.about) == (version, ttl_ms, about)
    assert decoder.is_between


def test_a_list_goes_on_behind_a_damaged_record() -> None:
    """Of a damaged context nothing counts; the next one does."""
    names = b"".join(name_of(bytes((1, at))) for at in range(3))
    chain = chained(NO_CHAIN, [names[at : at + 16] for at in (0, 16, 32)])
    record = ContextRecord(
        id="trip",
        shape=Shape.MESSAGES,
        version=1,
        items=3,
        size_bytes=3,
        chain=chain,
        created_ms=1,
        updated_ms=1,
        names=names,
        runs=(Run(0, 0, 3),),
    )
    head, items = encoded(record)
    decoder = RecordDecoder()

    for garbled in (b"", b"Cxx", b"?", head[:-9], items[:-1]):
        if garbled[:1] == b"R":
            decoder.add(head)
        with pytest.raises(CorruptError):
            decoder.add(garbled)
        assert decoder.add(items) is None, "the rest of a damaged one stands in nothing"
    decoder.add(head)
    with pytest.raises(CorruptError, match="cut short"):
        decoder.add(head)
    decoder.add(head)
    whole = decoder.add(items)
    assert whole == record
    whole.require_whole()


def test_places_that_follow_one_another_are_one_run() -> None:
    """A history of a thousand rows is a few numbers."""
    found = Runs()
    for place in (Place(0, 0), Place(0, 1), Place(0, 2), Place(0, 5), Place(1, 6)):
        found.add(place)

    assert found.taken() == (Run(0, 0, 3), Run(0, 5, 1), Run(1, 6, 1))


def test_items_met_lately_are_remembered_up_to_a_limit() -> None:
    """Memory is bounded; what is forgotten is packed once more."""
    seen = SeenItems(limit=4)
    names = [name_of(bytes((1, at))) for at in range(6)]
    for at, name in enumerate(names):
        seen.add(name, Place(0, at))

    assert [seen.get(name) is not None for name in names] == [False, False, True, True, True, True]


@given(st.integers(0, 2**50 - 1), st.integers(0, 2**40 - 1))
def test_ids_say_when_they_were_made(ms: int, bits: int) -> None:
    """They sort by it, whatever the rest is."""
    made = layout.backup_id(ms, bits)

    assert layout.is_backup_id(made)
    assert layout.made_ms(made) == ms
    assert layout.backup_id(min(ms + 1, 2**50 - 1), 0) > made or ms == 2**50 - 1


@pytest.mark.parametrize(
    "text", ["", "bk_", "bk_01m87g65vvg5h3d4m", "../etc", "bk_01M87G65VVG5H3D4MR"]
)
def test_what_is_no_id_leads_nowhere(text: str) -> None:
    """It would become part of a key."""
    assert not layout.is_backup_id(text)
