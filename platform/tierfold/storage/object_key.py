"""Which keys an object may have: ours are plain, so that a folder and every bucket keep them."""

import re

from tierfold.errors import InvalidInputError

KEY_CHARACTERS_MAX = 512

_PART = r"[A-Za-z0-9_=-][A-Za-z0-9_.=-]*"  # no leading dot: neither `..` nor a hidden file
_KEY = re.compile(rf"{_PART}(?:/{_PART})*")
_PREFIX = re.compile(rf"(?:{_PART}/)*(?:{_PART})?")


def checked_key(key: str) -> str:
    """Return the key; raises InvalidInputError for one that could leave its folder."""
    return _checked(key, _KEY)


def checked_prefix(prefix: str) -> str:
    """Return what keys begin with, which may be empty or end inside a part; raises as above."""
    return _checked(prefix, _PREFIX)


def _checked(text: str, allowed: re.Pattern[str]) -> str:
    if len(text) > KEY_CHARACTERS_MAX or not allowed.fullmatch(text):
        problem = (
            f"an object's key has 1 to {KEY_CHARACTERS_MAX} characters: parts of letters, digits "
            "and `_ . = -`, none with a leading dot, between slashes"
        )
        raise InvalidInputError(problem, path="key")
    return text
