import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierfold.context.handle import Handle, check_of
from tierfold.context.identity import ContextKey
from tierfold.errors import MalformedHandleError

HANDLES = st.builds(
    Handle,
    digest=st.binary(min_size=8, max_size=8),
    first=st.integers(0, 2**40),
    count=st.integers(1, 2**20),
    part=st.none() | st.integers(0, 1000),
    start=st.just(0),
    end=st.integers(0, 2**30),
    check=st.binary(min_size=4, max_size=4),
)


@given(HANDLES)
def test_a_handle_comes_back_exactly_and_fits_a_path(handle: Handle) -> None:
    """Callers put it into a URL and a prompt: letters, digits, - and _ only, and short."""
    text = handle.encode()
    assert Handle.decode(text) == handle
    assert text.replace("-", "").replace("_", "").isalnum()
    assert len(text) <= 60


def test_a_usual_handle_is_short() -> None:
    """It costs tokens in every marker."""
    key = ContextKey("local", "trip")
    handle = Handle(digest=key.digest, first=120, count=1, start=300, end=900, check=b"abcd")
    assert len(handle.encode()) <= 30
    assert handle.slot == key.slot


@given(st.text(max_size=60))
def test_what_never_was_a_handle_is_malformed(text: str) -> None:
    """Whatever a caller sends: an answer, never a crash."""
    try:
        handle = Handle.decode(text)
    except MalformedHandleError:
        return
    assert Handle.decode(handle.encode()) == handle


@pytest.mark.parametrize(
    "text", ["", "h_", "h_!!!!", "h_" + "A" * 500, "h_ü", "x_AAAA", "h_" + "_" * 40]
)
def test_garbled_handles_are_malformed(text: str) -> None:
    """Including numbers that never end; nobody is told that something was deleted."""
    with pytest.raises(MalformedHandleError, match="is no handle: they begin with h_"):
        Handle.decode(text)


def test_the_check_depends_on_names_and_their_order() -> None:
    """A handle must never bring back something else."""
    assert check_of([b"a" * 16, b"b" * 16]) != check_of([b"b" * 16, b"a" * 16])
