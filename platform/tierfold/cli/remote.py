"""A server's contexts, for the commands."""

from typing import Any

from tierfold.client.client import Client


class RemoteContexts(Client):
    """The contexts of one tenant on a server."""

    def storage(self, id: str) -> dict[str, Any]:  # noqa: A002, ARG002  # as callers say; a server keeps that to itself
        """Return nothing: how a server stores a context is not on the wire."""
        return {}
