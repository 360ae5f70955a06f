import pytest

from tierfold.errors import InvalidInputError
from tierfold_actors.conditions import if_match, is_to_be_new, is_unchanged, version_seen


@pytest.mark.parametrize(
    ("header", "expected", "version"),
    [
        (None, None, None),
        (None, 3, 3),
        ("*", None, None),
        ('"3"', None, 3),
        (' "3" ', 3, 3),
        ('W/"3"', None, 3),  # a proxy that compresses weakens every tag
    ],
)
def test_a_change_is_meant_for_one_version_or_for_any(
    header: str | None, expected: int | None, version: int | None
) -> None:
    """In the header, in the body, or in both."""
    assert if_match(header, expected=expected) == version


@pytest.mark.parametrize("header", ["3", '"0"', '"x"', '"3", "4"', "", '"' + "9" * 30 + '"'])
def test_what_is_no_tag_of_ours_is_refused(header: str) -> None:
    """It could never match, and the caller meant something."""
    with pytest.raises(InvalidInputError, match="If-Match"):
        if_match(header)


def test_header_and_body_must_agree() -> None:
    """One of them would be ignored in silence."""
    with pytest.raises(InvalidInputError, match="expected_version"):
        if_match('"3"', expected=4)


@pytest.mark.parametrize(
    ("header", "same"),
    [(None, False), ("*", True), ('"2", W/"3"', True), ('"2"', False), ("3", False)],
)
def test_a_reader_that_has_it_is_told_so(header: str | None, same: bool) -> None:  # noqa: FBT001
    """By any of the tags it names."""
    assert is_unchanged(header, '"3"') is same


@pytest.mark.parametrize(("header", "version"), [(None, 0), ("7", 7), ('"7"', 7)])
def test_a_reader_says_what_it_has_seen(header: str | None, version: int) -> None:
    """As the number or as the tag."""
    assert version_seen(header) == version


def test_a_version_that_is_none_is_refused() -> None:
    """By the name of its header."""
    with pytest.raises(InvalidInputError, match="x-tierfold-version"):
        version_seen("new")


@pytest.mark.parametrize(
    ("headers", "is_new"),
    [({}, False), ({"if-none-match": '"3"'}, False), ({"if-none-match": " * "}, True)],
)
def test_a_put_may_be_for_a_new_context_only(headers: dict[str, str], is_new: bool) -> None:  # noqa: FBT001
    """A tag says nothing of what may be made."""
    assert is_to_be_new(headers) is is_new


def test_what_is_to_be_new_matches_nothing() -> None:
    """Both conditions together can never hold."""
    with pytest.raises(InvalidInputError, match="If-None-Match"):
        is_to_be_new({"if-none-match": "*", "if-match": '"3"'})
