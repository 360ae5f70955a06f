"""A server's contexts, for the commands."""

from typing import Any

from tierfold.client.client import Client

_PATIENCE_S = 300.0  # a first question on a book of a context; whoever waits has Ctrl-C


class RemoteContexts(Client):
    """The contexts of one tenant on a server."""

    def __init__(self, url: str) -> None:
        """Wait longer than a program would."""
        super().__init__(url, timeout_s=_PATIENCE_S)

    def storage(self, id: str) -> dict[str, Any]:  # noqa: A002, ARG002  # as callers say; a server keeps that to itself
        """Return nothing: how a server stores a context is not on the wire."""
        return {}
