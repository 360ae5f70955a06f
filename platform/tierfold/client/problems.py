"""Problem documents as the errors they were on the server."""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from tierfold.errors import (
    BackupBusyError,
    BudgetTooSmallError,
    CallerError,
    ContextExistsError,
    CorruptError,
    InvalidInputError,
    KeyInFlightError,
    KeyReusedError,
    MalformedHandleError,
    MissingDictionaryError,
    ObjectStoreError,
    OverloadError,
    RestoreConflictError,
    ShardUnavailableError,
    StorageFullError,
    TierfoldError,
    TooLargeError,
    UnauthorizedError,
    UnknownBackupError,
    UnknownContextError,
    UnknownHandleError,
    UnknownStageError,
    VersionConflictError,
)

KEY_VARIABLE = "TIERFOLD_API_KEY"

_KINDS: dict[str, type[TierfoldError]] = {
    kind.title.replace(" ", "_"): kind
    for kind in (
        BackupBusyError,
        BudgetTooSmallError,
        ContextExistsError,
        CorruptError,
        InvalidInputError,
        KeyInFlightError,
        KeyReusedError,
        MalformedHandleError,
        MissingDictionaryError,
        ObjectStoreError,
        OverloadError,
        RestoreConflictError,
        ShardUnavailableError,
        StorageFullError,
        TooLargeError,
        UnauthorizedError,
        UnknownBackupError,
        UnknownContextError,
        UnknownHandleError,
        UnknownStageError,
        VersionConflictError,
    )
}
_SERVER_ERROR = 500
_CALLER_ERROR = 400
_DETAIL_CHARACTERS_MAX = 2_000
_SIZES = re.compile(r": ([\d,]+) is more than the limit of ([\d,]+)$")


def code_of(body: bytes) -> str:
    """Return the code in a problem document, "" where there is none."""
    return str(_document(body).get("code", ""))


def error_of(
    status: int, headers: Mapping[str, str], body: bytes, about: Mapping[str, Any]
) -> TierfoldError:
    """Return the error that a reply stands for, in the words of the server."""
    document = _document(body)
    detail = str(document.get("detail") or _without_words(status))[:_DETAIL_CHARACTERS_MAX]
    kind = _KINDS.get(str(document.get("code", "")))
    if kind is None:
        kind = CallerError if _CALLER_ERROR <= status < _SERVER_ERROR else TierfoldError
    if kind is UnauthorizedError:
        detail = f"no valid API key: set {KEY_VARIABLE} to one that the server knows"
    error = kind.__new__(kind)
    error.args = (detail,)
    error.__dict__.update(_particulars(kind, document, headers, about))
    error.__dict__["status"] = status
    return error


def _particulars(
    kind: type[TierfoldError],
    document: Mapping[str, Any],
    headers: Mapping[str, str],
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what the error carries, from the document and from what was asked."""
    detail = str(document.get("detail", ""))
    context = {"context": about.get("context", "")}
    handle = {"handle": about.get("handle", "")}
    found: dict[type[TierfoldError], dict[str, Any]] = {
        BudgetTooSmallError: _budget(document, about),
        ContextExistsError: context,
        CorruptError: {"what": detail, "problem": detail},
        MissingDictionaryError: {"what": detail, "problem": detail, "dictionary": b""},
        InvalidInputError: {"path": str(document.get("path", ""))},
        ObjectStoreError: {"url": ""},
        OverloadError: _patience(headers),
        ShardUnavailableError: _patience(headers),
        TooLargeError: _sizes(detail),
        UnknownBackupError: {"backup": about.get("backup", "")},
        RestoreConflictError: {"contexts": 0, "example": ""},
        UnknownContextError: context,
        MalformedHandleError: handle,
        UnknownHandleError: handle,
        UnknownStageError: _stages(document, about),
        VersionConflictError: context
        | {"asked": about.get("if_version"), "current": _current(document, headers)},
    }
    return found.get(kind, {})


def _budget(document: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, Any]:
    resource = str(document.get("resource", "max_tokens"))
    asked = about.get("budget", {}).get(resource, 0)
    return {"resource": resource, "asked": asked, "minimum": document.get("minimum", 0)}


def _stages(document: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, Any]:
    known = tuple(document.get("stages", ()))
    unknown = (stage for stage in about.get("stages", ()) if stage not in known)
    return {"stage": next(unknown, ""), "known": known}


def _patience(headers: Mapping[str, str]) -> dict[str, Any]:
    text = headers.get("retry-after", "")
    return {"retry_after_s": int(text) if text.isdecimal() else 1}


def _sizes(detail: str) -> dict[str, Any]:
    match = _SIZES.search(detail)
    size, limit = (int(each.replace(",", "")) for each in match.groups()) if match else (0, 0)
    return {"size": size, "limit": limit}


def _current(document: Mapping[str, Any], headers: Mapping[str, str]) -> int:
    version = document.get("current_version")
    if isinstance(version, int):
        return version
    digits = headers.get("etag", "").strip('"')
    return int(digits) if digits.isdecimal() else 0


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _without_words(status: int) -> str:
    """Say what a reply means that has no document: it came from something on the way."""
    return f"status {status} without a reason: is this a tierfold server?"
