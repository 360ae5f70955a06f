import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierfold.compression.lossless import (
    Codec,
    ContentKind,
    Tier,
    block_hash,
    trained_dictionary,
)
from tierfold.compression.lossless.codec import ENTRIES_MAX, RAW_BYTES_MAX
from tierfold.errors import (
    CorruptError,
    FormatTooNewError,
    MissingDictionaryError,
    TooLargeError,
)

PLAIN = Codec()
OWN = trained_dictionary(
    ContentKind.CHAT, b"The ferry to Narvik leaves at noon on Saturdays. " * 40
)
TENANT = Codec([OWN])
CODECS = [PLAIN, TENANT]
MESSAGE = b'\x01{"content":"Could you please find my order? It was delivered.","role":"user"}'

kinds = st.sampled_from(ContentKind)
tiers = st.sampled_from(Tier)
codecs = st.sampled_from(CODECS)
texts = st.builds(lambda piece, times: piece * times, st.binary(max_size=60), st.integers(0, 40))
bodies = st.one_of(st.binary(max_size=400), texts, st.just(MESSAGE))


@given(codec=codecs, body=bodies, kind=kinds, tier=tiers, is_cpu_pressed=st.booleans())
def test_a_frame_gives_its_body_back_and_costs_at_most_a_byte(
    codec: Codec, body: bytes, kind: ContentKind, tier: Tier, *, is_cpu_pressed: bool
) -> None:
    """Whatever is framed comes back equal, and nothing grows by more than its lead."""
    frame = codec.frame(body, kind, tier=tier, is_cpu_pressed=is_cpu_pressed)

    assert codec.unframe(frame) == body
    assert len(frame) <= len(body) + 1


@given(body=bodies)
def test_a_plain_frame_is_the_body_behind_a_lead(body: bytes) -> None:
    """What is packed later anyway costs nothing now, and reads like any frame."""
    assert Codec.plain(body)[1:] == body
    assert TENANT.unframe(Codec.plain(body)) == body
    assert TENANT.dictionary_of(Codec.plain(body)) is None


@given(codec=codecs, many=st.lists(bodies, max_size=20), kind=kinds, tier=tiers)
def test_a_block_gives_every_body_back(
    codec: Codec, many: list[bytes], kind: ContentKind, tier: Tier
) -> None:
    """Whatever is packed together comes back one by one, never larger than raw and lengths."""
    packed = codec.pack(many, kind, tier=tier)
    block = codec.unpack(packed)

    assert [block.entry(index) for index in range(len(block))] == many
    assert block.size_bytes == sum(map(len, many))
    assert len(packed) <= block.size_bytes + 2 + 2 * len(many) + 2


@given(codec=codecs, data=st.binary(max_size=300))
def test_anything_is_refused_as_damaged_or_unpacked(codec: Codec, data: bytes) -> None:
    """No bytes bring down the reader: they are a frame or block, or an error of ours."""
    for read in (codec.unframe, codec.unpack):
        try:
            read(data)
        except (CorruptError, FormatTooNewError):
            continue


@given(data=st.data(), codec=codecs, kind=kinds)
def test_a_damaged_block_never_crashes_its_reader(
    data: st.DataObject, codec: Codec, kind: ContentKind
) -> None:
    """A flipped byte or a cut is an error of ours or bytes, and never too many of them."""
    packed = bytearray(codec.pack([MESSAGE, MESSAGE * 3, b"x" * 70], kind))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    cut = bytes(packed[: data.draw(st.integers(0, len(packed)))])

    for damaged in (bytes(packed), cut):
        try:
            assert codec.unpack(damaged).size_bytes <= RAW_BYTES_MAX
        except (CorruptError, FormatTooNewError):
            continue


def test_the_forms_on_disk_never_change() -> None:
    """What was stored by the first release is read by all: raw, plain zstd, both dictionaries."""
    ferry = b"\x01The ferry to Narvik leaves at noon."
    frames = {
        "106100": b"a\x00",
        "1120f1850000480551554a4452413d3d0100e551e508": b"\x05" + b"QUJDRA==" * 30,
        "1201204ecd0000087007fc4b629f6be46aa77bd7d89eafa2a0f604203ae50a20": MESSAGE,
        "1395eab542a4fc5f22202445000010012e0100d55142": ferry,
    }
    blocks = {
        "1802010361626364": [b"a", b"bcd"],
        "1a01024e4f209dd500000820087c008e681da93ad7f6d48ef1aea9bb0f801a26d759b2cc": [
            MESSAGE,
            MESSAGE + b" ",
        ],
    }

    assert [TENANT.unframe(bytes.fromhex(frame)) for frame in frames] == list(frames.values())
    for stored, many in blocks.items():
        block = TENANT.unpack(bytes.fromhex(stored))
        assert [block.entry(index) for index in range(len(block))] == many


def test_a_message_shrinks_by_what_the_dictionary_knows() -> None:
    """A first short message is stored smaller although nothing stands before it."""
    frame = PLAIN.frame(MESSAGE, ContentKind.CHAT)

    assert len(frame) < 0.6 * len(MESSAGE)
    assert PLAIN.dictionary_of(frame) == b"\x01"


def test_the_newest_dictionary_of_a_kind_packs() -> None:
    """A trained dictionary serves its own kind, and older ones are still read."""
    newer = trained_dictionary(ContentKind.CHAT, b"The tram to Bilbao leaves at ten. " * 40)
    body = b"\x01The tram to Bilbao leaves at ten. The ferry to Narvik leaves at noon."
    codec = Codec([OWN, newer])

    assert codec.dictionary_of(codec.frame(body, ContentKind.CHAT)) == newer.id
    assert codec.dictionary_of(codec.frame(body, ContentKind.PROSE)) == b"\x01"
    assert codec.unframe(TENANT.frame(body, ContentKind.CHAT)) == body
    assert codec.dictionary_of(codec.frame(b"short", ContentKind.CHAT)) is None


def test_a_missing_dictionary_is_named() -> None:
    """Who restores a store reads which dictionary it needs."""
    body = b"\x01The ferry to Narvik leaves at noon on Saturdays."
    frame = TENANT.frame(body, ContentKind.CHAT)
    block = TENANT.pack([body], ContentKind.CHAT)

    for read, packed in ((PLAIN.unframe, frame), (PLAIN.unpack, block)):
        with pytest.raises(MissingDictionaryError, match=OWN.id.hex()) as caught:
            read(packed)
        assert caught.value.dictionary == OWN.id


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    """The claimed size is read first; so is the number of entries."""
    codec = Codec()
    bomb = codec.frame(bytes(RAW_BYTES_MAX), ContentKind.OPAQUE)
    assert len(bomb) < 200
    # The content size stands after zstd's descriptor and window: the last byte is the highest.
    claimed = bomb[:6] + b"\x40" + bomb[7:]

    with pytest.raises(CorruptError, match="cannot be unpacked"):
        codec.unframe(claimed)
    with pytest.raises(CorruptError, match="entries"):
        codec.unpack(b"\x18\xff\xff\x7f")


@pytest.mark.parametrize(
    ("packed", "problem"),
    [
        (b"", "it is empty"),
        (b"\x18\x01\x02a", "do not add up"),
        (b"\x18\x02\x01", "cut short"),
        (b"\x18\x01\x81", "cut short"),
        (b"\x18\xff\xff\xff\xff\xff\xff\x01", "garbled"),
        (b"\x10abc", "does not begin as one"),
        (b"\x1b1234", "does not begin as one"),
        (b"\x19\x01\x01\x00\x00", "cannot be unpacked"),
    ],
)
def test_a_block_that_is_none_says_why(packed: bytes, problem: str) -> None:
    """Each kind of damage has its own words."""
    with pytest.raises(CorruptError, match=problem):
        PLAIN.unpack(packed)


def test_a_newer_format_is_no_damage() -> None:
    """A store of a newer release asks for that release."""
    with pytest.raises(FormatTooNewError, match="a frame has format 2"):
        PLAIN.unframe(b"\x20abc")


@pytest.mark.parametrize("index", [-1, 2])
def test_a_place_outside_a_block_is_damage(index: int) -> None:
    """A reference to an entry that is not there never brings back another one."""
    block = PLAIN.unpack(PLAIN.pack([b"one", b"two"], ContentKind.CHAT))

    with pytest.raises(CorruptError, match=f"none at {index}"):
        block.entry(index)


def test_more_than_a_reader_would_take_is_not_written() -> None:
    """The limits of reading hold for writing too."""
    with pytest.raises(TooLargeError, match="bytes in one body"):
        PLAIN.frame(bytes(RAW_BYTES_MAX + 1), ContentKind.PROSE)
    with pytest.raises(TooLargeError, match="bytes in one block"):
        PLAIN.pack([bytes(RAW_BYTES_MAX), b"1"], ContentKind.PROSE)
    with pytest.raises(TooLargeError, match="bodies in one block"):
        PLAIN.pack([b""] * (ENTRIES_MAX + 1), ContentKind.PROSE)


def test_equal_blocks_have_equal_names() -> None:
    """A block is named by its bytes, and packing the same again gives the same bytes."""
    first, second = (PLAIN.pack([MESSAGE, MESSAGE], ContentKind.CHAT) for _ in range(2))

    assert block_hash(first) == block_hash(second)
    assert len(block_hash(first)) == 16


def test_many_threads_share_one_codec() -> None:
    """Readers, the commit thread and a sealing thread never meet in one compressor."""
    dice = random.Random(1)
    many = [MESSAGE + bytes(dice.choices(b"abc {}", k=dice.randint(0, 3000))) for _ in range(300)]

    def round_trip(body: bytes) -> bool:
        block = TENANT.unpack(TENANT.pack([body, MESSAGE], ContentKind.CHAT))
        return TENANT.unframe(TENANT.frame(body, ContentKind.CODE)) == body == block.entry(0)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(round_trip, many))


def test_many_tenants_do_not_fill_the_memory() -> None:
    """Compressors of other dictionaries are let go, and made again when their turn comes."""
    tenants = [
        Codec([trained_dictionary(ContentKind.CHAT, b"The words of tenant %d. " % number * 40)])
        for number in range(60)
    ]
    bodies = [
        b"\x01The words of tenant %d. The words of tenant, again." % number for number in range(60)
    ]
    frames = [codec.frame(b, ContentKind.CHAT) for codec, b in zip(tenants, bodies, strict=True)]

    for _ in range(2):
        unframed = [codec.unframe(frame) for codec, frame in zip(tenants, frames, strict=True)]
        assert unframed == bodies
    assert len({codec.dictionary_of(f) for codec, f in zip(tenants, frames, strict=True)}) == 60


def test_a_frame_occupies_what_it_is_long() -> None:
    """Frames that are kept in memory do not hold on to zstd's spare room, three times as much."""
    frame = PLAIN.frame(MESSAGE * 4, ContentKind.CHAT)

    assert frame.__sizeof__() == b"".__sizeof__() + len(frame)
