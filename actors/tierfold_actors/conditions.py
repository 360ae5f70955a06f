"""Headers that say under which condition something is wanted (RFC 9110, section 13)."""

import re
from collections.abc import Mapping

from tierfold.errors import InvalidInputError

_TAG = re.compile(r"(?:W/)?\"([^\"]*)\"")
_VERSION = re.compile(r"[0-9]{1,18}")


def if_match(header: str | None, *, expected: int | None = None) -> int | None:
    """Return the version a change is meant for; `expected` is what the body says of it.

    None is any version, as is `*` (`is_star`). A tag that proxies have weakened counts, since ours
    are versions.
    """
    if header is None or is_star(header):
        return expected
    tag = _TAG.fullmatch(header.strip())
    if tag is None or not _VERSION.fullmatch(tag[1]) or not int(tag[1]):
        problem = 'must be the ETag of one version, such as "3", in its quotes'
        raise InvalidInputError(problem, path="If-Match")
    version = int(tag[1])
    if expected is not None and expected != version:
        problem = f"says version {version}, and `expected_version` in the body {expected}"
        raise InvalidInputError(problem, path="If-Match")
    return version


def is_star(header: str | None) -> bool:
    """Return whether a condition names whatever is there: `If-Match: *`, `If-None-Match: *`."""
    return header is not None and header.strip() == "*"


def is_to_be_new(headers: Mapping[str, str]) -> bool:
    """Return whether `If-None-Match: *` lets a context be made, but none be replaced."""
    if not is_star(headers.get("if-none-match")):
        return False
    if headers.get("if-match") is not None:
        problem = "`*` wants no context to be there, and If-Match wants one: send either"
        raise InvalidInputError(problem, path="If-None-Match")
    return True


def is_unchanged(header: str | None, etag: str) -> bool:
    """Return whether `If-None-Match` names what we have."""
    if header is None:
        return False
    return is_star(header) or etag.strip('"') in _TAG.findall(header)


def version_seen(header: str | None) -> int:
    """Return the version that the caller has seen, 0 where it says none."""
    if header is None:
        return 0
    text = header.strip().strip('"')
    if not _VERSION.fullmatch(text):
        problem = "must be the version of an earlier answer, a whole number"
        raise InvalidInputError(problem, path="x-tierfold-version")
    return int(text)
