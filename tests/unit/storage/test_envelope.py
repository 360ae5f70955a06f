import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierfold.errors import CorruptError, FormatTooNewError
from tierfold.ports import Family
from tierfold.storage import envelope
from tierfold.storage.envelope import unwrap, wrap

FAMILIES = st.sampled_from(Family)


@given(FAMILIES, st.binary(max_size=40), st.binary(max_size=200))
def test_a_value_comes_back(family: Family, key: bytes, value: bytes) -> None:
    """What is wrapped is unwrapped, and costs 2 bytes below 16 and 5 above."""
    stored = wrap(family, key, value)

    assert unwrap(family, key, stored) == value
    assert len(stored) - len(value) == (2 if len(value) < 16 else 5)


@given(FAMILIES, st.binary(max_size=40), st.binary(max_size=60), st.data())
def test_every_changed_byte_is_found(
    family: Family, key: bytes, value: bytes, data: st.DataObject
) -> None:
    """No byte of a stored value can change without notice, its header's neither."""
    stored = bytearray(wrap(family, key, value))
    at = data.draw(st.integers(0, len(stored) - 1))
    stored[at] ^= data.draw(st.integers(1, 255))

    with pytest.raises(CorruptError, match=f"{family.value} {key.hex()}"):
        unwrap(family, key, bytes(stored))


@pytest.mark.parametrize("size", [0, 1, 7, 15, 16, 17, 40, 1000])
def test_every_cut_is_found(size: int) -> None:
    """A value that lost its end is damaged, down to nothing at all."""
    stored = wrap(Family.BODY, b"key", bytes(range(256)) * 4)[: 5 + size]
    stored = wrap(Family.BODY, b"key", (bytes(range(256)) * 4)[:size]) if size < 16 else stored

    for length in range(len(stored)):
        with pytest.raises(CorruptError):
            unwrap(Family.BODY, b"key", stored[:length])


@pytest.mark.parametrize("value", [b"", b"place", bytes(100)])
def test_a_value_belongs_to_its_key_and_family(value: bytes) -> None:
    """A value that turns up elsewhere is not taken for another one's."""
    stored = wrap(Family.HEAD, b"key", value)

    with pytest.raises(CorruptError):
        unwrap(Family.HEAD, b"kez", stored)
    with pytest.raises(CorruptError):
        unwrap(Family.BODY, b"key", stored)


@pytest.mark.parametrize("value", [b"", b"place", bytes(100)])
def test_a_newer_format_is_refused_by_number(value: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sound value of a later tierfold is not called damaged."""
    monkeypatch.setattr(envelope, "VALUE_FORMAT", 2)
    monkeypatch.setattr(envelope, "_LONG_HEAD", b"\x02")
    stored = wrap(Family.HEAD, b"key", value)
    monkeypatch.undo()

    with pytest.raises(FormatTooNewError, match="format 2, and this tierfold knows 1"):
        unwrap(Family.HEAD, b"key", stored)


def test_the_damaged_key_is_carried() -> None:
    """Whoever sweeps a family can go on behind the damage."""
    with pytest.raises(CorruptError) as caught:
        unwrap(Family.HEAD, b"key", b"\x10\x00")

    assert caught.value.key == b"key"
