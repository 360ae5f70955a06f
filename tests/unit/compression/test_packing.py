import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierfold.compression.lossless import (
    BLOCK_BYTES,
    ContentKind,
    Row,
    Tier,
    choose,
    content_kind,
    is_due,
    plan,
    row_of,
)
from tierfold.compression.lossless.packing import BATCH_BYTES, BLOCK_ENTRIES_MAX, likeness
from tierfold.compression.lossless.policy import TABLE
from tierfold.context.segment import SegmentKind, name_of, segment

sizes = st.one_of(st.integers(1, 2000), st.integers(1, 2 * BLOCK_BYTES))
drawn_rows = st.lists(
    st.tuples(
        st.sampled_from(ContentKind), sizes, st.sampled_from([b"", b"uHello", b"aHi", b"t{"])
    ),
    max_size=60,
)
ALONE = {ContentKind.NAMES, ContentKind.OPAQUE}


def rows_of(drawn: list[tuple[ContentKind, int, bytes]]) -> list[Row]:
    return [
        Row(name=name_of(b"%d" % at), kind=kind, size_bytes=size, likeness=like, order=at)
        for at, (kind, size, like) in enumerate(drawn)
    ]


@given(drawn=drawn_rows)
def test_every_row_is_in_one_block_of_the_right_size(
    drawn: list[tuple[ContentKind, int, bytes]],
) -> None:
    """Nothing is lost or doubled, and only one large body makes a large block."""
    rows = {row.name: row for row in rows_of(drawn)}
    blocks = plan(list(rows.values()))

    assert sorted(name for block in blocks for name in block.names) == sorted(rows)
    for block in blocks:
        assert block.size_bytes == sum(rows[name].size_bytes for name in block.names)
        assert block.size_bytes <= BLOCK_BYTES or len(block.names) == 1


@given(drawn=drawn_rows)
def test_names_and_packed_bytes_keep_to_themselves(
    drawn: list[tuple[ContentKind, int, bytes]],
) -> None:
    """Hashes among text would spoil its block, and text theirs."""
    rows = {row.name: row for row in rows_of(drawn)}

    for block in plan(list(rows.values())):
        kinds = {rows[name].kind for name in block.names}
        assert block.kind in kinds
        assert kinds.isdisjoint(ALONE) or len(kinds) == 1


@given(drawn=drawn_rows, dice=st.randoms(use_true_random=False))
def test_the_plan_is_a_function_of_what_is_there(
    drawn: list[tuple[ContentKind, int, bytes]], dice: random.Random
) -> None:
    """The order in which rows are read from disk changes nothing."""
    rows = rows_of(drawn)
    mixed = rows.copy()
    dice.shuffle(mixed)

    assert plan(rows) == plan(mixed)


def test_what_resembles_stands_together_and_else_the_order_is_kept() -> None:
    """Two tools' results are told apart; pieces of one document stay in their order."""
    row = b'\x01{"content":"{\\"%s\\":\\"as all of them have it\\",%d}","role":"tool"}'
    said = [row % (b"ab"[n % 2 :][:1], n) for n in range(6)]
    pieces = [segment(SegmentKind.TEXT, b"piece %d of a text" % n).body for n in range(4)]
    many = [said[0], pieces[0], said[1], pieces[1], *said[2:], *pieces[2:]]
    by_name = {name_of(body): body for body in many}
    rows = [row_of(name, body, order) for order, (name, body) in enumerate(by_name.items())]

    (block,) = plan(rows)

    assert [by_name[name] for name in block.names] == [*pieces, *said[::2], *said[1::2]]


def test_a_block_has_an_end_for_tiny_bodies_too() -> None:
    """The number of entries is bounded as the bytes are."""
    rows = rows_of([(ContentKind.CHAT, 1, b"")] * (BLOCK_ENTRIES_MAX + 1))

    assert [len(block.names) for block in plan(rows)] == [BLOCK_ENTRIES_MAX, 1]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'\x01{"content":"Hello","role":"user"}', b'u"Hello","role":"user"}'),
        (b'\x01{"content":"Hi","role":"assistant"}', b'a"Hi","role":"assistant"}'),
        (b'\x01{"content":"ok","role":"tool"}', b't"ok","role":"tool"}'),
        (b'\x01{"content":null,"role":"a","tool_calls":[{"name":"find"}]}', b'cfind"}]}'),
        (b'\x01{"content":null,"role":"user"}', b'unull,"role":"user"}'),
        (b'\x01{"role":"user"}', b'u\x01{"role":"user"}'),
        (b"\x03Some text", b""),
    ],
)
def test_likeness_is_who_speaks_and_how_it_begins(body: bytes, expected: bytes) -> None:
    """A call is like others of the same tool, a document's pieces are told by their order alone."""
    assert likeness(body) == expected


@pytest.mark.parametrize(
    ("unsealed_bytes", "age_ms", "expected"),
    [
        (0, 10**9, False),
        (1, 599_999, False),
        (1, 600_000, True),
        (BLOCK_BYTES, 59_999, False),
        (BLOCK_BYTES, 60_000, True),
        (BATCH_BYTES - 1, 0, False),
        (BATCH_BYTES, 0, True),
    ],
)
def test_sealing_waits_for_company_but_not_for_ever(
    unsealed_bytes: int, age_ms: float, *, expected: bool
) -> None:
    """A batch is sealed when it is full, a block's worth after a minute, the rest after ten."""
    assert is_due(unsealed_bytes, age_ms) is expected


@given(
    kind=st.sampled_from(ContentKind),
    tier=st.sampled_from(Tier),
    size=st.integers(0, 1 << 20),
    is_cpu_pressed=st.booleans(),
)
def test_no_choice_is_slow_or_below_level_one(
    kind: ContentKind, tier: Tier, size: int, *, is_cpu_pressed: bool
) -> None:
    """Levels are 0, or 1 to 9; what is stored now is packed at most at 3; pressure lowers to 1."""
    choice = choose(kind, tier, size, is_cpu_pressed=is_cpu_pressed)

    assert 0 <= choice.level <= (3 if tier is Tier.L2 else 9)
    assert choice.level <= 1 or not is_cpu_pressed


def test_the_table_has_a_row_for_all_there_is() -> None:
    """Every kind has its choice in every tier, and one level for L3 and L4: blocks keep names."""
    assert set(TABLE) == set(ContentKind)
    for row in TABLE.values():
        assert set(row) == set(Tier)
        assert row[Tier.L3] == row[Tier.L4]


def test_short_bodies_are_not_worth_a_codec() -> None:
    """Below 32 bytes nothing is tried, without a dictionary below 100."""
    assert choose(ContentKind.CHAT, Tier.L2, 31).level == 0
    assert choose(ContentKind.CHAT, Tier.L2, 32).level == 3
    assert choose(ContentKind.OPAQUE, Tier.L3, 99).level == 0
    assert choose(content_kind(segment(SegmentKind.PAGE, b"").body), Tier.L2, 1000).level == 0
