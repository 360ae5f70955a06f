"""The HTTP client: what a `Store` does, against a server.

>>> from tierfold.client import Client
>>> with Client("http://127.0.0.1:8000") as client:
...     client.create("trip", messages=[{"role": "user", "content": "A flight to Oslo, please."}])
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tierfold.client.asynchronous import AsyncClient
    from tierfold.client.client import Client
    from tierfold.client.documents import (
        ContextObject,
        Found,
        HandlePage,
        ItemsPage,
        ListPage,
        SearchHit,
    )
    from tierfold.client.exchange import Retries

__all__ = [
    "AsyncClient",
    "Client",
    "ContextObject",
    "Found",
    "HandlePage",
    "ItemsPage",
    "ListPage",
    "Retries",
    "SearchHit",
]

_HOMES = {
    "AsyncClient": "tierfold.client.asynchronous",
    "Client": "tierfold.client.client",
    "ContextObject": "tierfold.client.documents",
    "Found": "tierfold.client.documents",
    "HandlePage": "tierfold.client.documents",
    "ItemsPage": "tierfold.client.documents",
    "ListPage": "tierfold.client.documents",
    "Retries": "tierfold.client.exchange",
    "SearchHit": "tierfold.client.documents",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: a command on a local store needs no httpx."""
    if name not in _HOMES:
        msg = f"module 'tierfold.client' has no attribute {name!r}"
        raise AttributeError(msg)
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(_HOMES[name]), name)
