"""Backups on a server: its requests, and what both clients do with them.

Making, checking and restoring take as long as they take: the server says how far it is in lines of
JSON, the last of which is the report.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote

import orjson

from tierfold.client.calls import Call
from tierfold.client.documents import MalformedReplyError

IfExists = Literal["fail", "skip", "replace"]
ToldProgress = Callable[[Mapping[str, Any]], None]

LINES_MEDIA_TYPE = "application/x-ndjson"

_PATH = "/v1/backups"


def make(*, name: str, full: bool) -> Call:
    """Make a backup."""
    return _followed(_PATH, {"name": name, "full": full})


def listing() -> Call:
    """List all backups."""
    return Call(method="GET", path=_PATH)


def verify(backup: str) -> Call:
    """Check a backup."""
    return _followed(f"{_place(backup)}/verify", {}, backup)


def restore(backup: str, *, only: Sequence[str], if_exists: IfExists, expired: bool) -> Call:
    """Bring contexts back."""
    said = {"only": list(only), "if_exists": if_exists, "expired": expired}
    return _followed(f"{_place(backup)}/restore", said, backup)


def delete(backup: str) -> Call:
    """Delete a backup."""
    return Call(method="DELETE", path=_place(backup), about={"backup": backup}, is_long=True)


def listed(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the backups of a list; raises MalformedReplyError."""
    data = body.get("data")
    if not isinstance(data, list) or not all(isinstance(each, dict) for each in data):
        raise MalformedReplyError(problem="it is no list of backups")
    return data


class Lines:
    """Takes the lines of a reply as they come; the last one is what it comes to."""

    def __init__(self, told: ToldProgress | None) -> None:
        self._told = told
        self.last = b""  # the report, or a problem document; empty where the reply broke off
        self.status = 200

    def add(self, line: str) -> None:
        """Take a line; raises MalformedReplyError for what is none of ours."""
        if not line.strip():
            return
        try:
            said = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise MalformedReplyError(problem="a line of it is not JSON") from error
        if not isinstance(said, dict):
            raise MalformedReplyError(problem="a line of it is no object")
        if said.get("object") != "backup.progress":
            self.last = line.encode()
            self.status = int(said.get("status", 500)) if said.get("object") == "error" else 200
        elif self._told is not None:
            self._told(said)


def _followed(path: str, said: Mapping[str, Any], backup: str = "") -> Call:
    return Call(
        method="POST",
        path=path,
        headers={"accept": LINES_MEDIA_TYPE, "content-type": "application/json"},
        body=orjson.dumps(said),
        about={"backup": backup},
        is_repeatable=False,
        is_long=True,
    )


def _place(backup: str) -> str:
    return f"{_PATH}/{quote(backup, safe='')}"
