import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierfold.context.identity import SLOT_COUNT, ContextKey, slot_of
from tierfold.errors import InvalidInputError

IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._~:@-]{0,40}", fullmatch=True)


@given(IDS)
def test_a_context_has_one_slot_for_ever(context: str) -> None:
    """The slot is a pure function of tenant and id, within the fixed number of slots."""
    key = ContextKey("local", context)
    assert key.slot == slot_of(ContextKey("local", context).digest)
    assert 0 <= key.slot < SLOT_COUNT


def test_the_slot_of_a_known_context_never_changes() -> None:
    """Keys on disk count on it: a change of the hash would lose every context."""
    key = ContextKey("local", "trip")
    assert key.digest.hex() == "137286bc42f82ca9"
    assert key.slot == 0x137


def test_tenants_do_not_share_digests() -> None:
    """The tenant is part of what is hashed, and where it ends is too."""
    assert ContextKey("a", "bc").digest != ContextKey("ab", "c").digest


@pytest.mark.parametrize(
    "context",
    ["", "a/b", "..", ".hidden", "-x", "a b", "größe", "a\nb", "x" * 129, "x" * 10_000, "a\x00"],
)
def test_an_id_that_could_mean_something_else_is_refused(context: str) -> None:
    """Slashes, dots in front, blanks, Unicode and kilobytes would mislead a path or a log."""
    with pytest.raises(InvalidInputError, match="id"):
        ContextKey("local", context)


@pytest.mark.parametrize("tenant", ["", "ä", "a\nb", "t" * 65])
def test_a_tenant_that_cannot_lead_a_key_is_refused(tenant: str) -> None:
    """Storage keys begin with the tenant's name."""
    with pytest.raises(InvalidInputError, match="tenant"):
        ContextKey(tenant, "x")
