"""How a command reaches the contexts: a server, or the store itself; it says which."""

import argparse
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tierfold.cli.contexts import Contexts
from tierfold.cli.screen import Screen
from tierfold.cli.storepath import STORE_VARIABLE, objects_url, store_path
from tierfold.errors import CallerError, StoreLockedError

if TYPE_CHECKING:
    from tierfold.engine.store import Store

URL_VARIABLE = "TIERFOLD_URL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the contexts are: a server, or a folder that a server may have open."""

    url: str | None
    folder: Path
    said_by: str  # what named the server


def add_place(parser: argparse.ArgumentParser) -> None:
    """Add `--store` and `--url`, which exclude each other."""
    group = parser.add_argument_group(
        "where (default: the server that has the store, or the store)"
    )
    one = group.add_mutually_exclusive_group()
    one.add_argument(
        "--store", metavar="PATH", help=f"folder (default: ${STORE_VARIABLE}, else ~/.tierfold)"
    )
    one.add_argument("--url", metavar="URL", help=f"a server (default: ${URL_VARIABLE})")


def place(found: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> Place:
    """Return where to go: an option before the environment, a server before a folder."""
    folder = store_path(found.store, environment)
    if found.url is not None:
        return Place(url=found.url, folder=folder, said_by="--url")
    named = environment.get(URL_VARIABLE)
    if named and found.store is None:
        return Place(url=named, folder=folder, said_by=URL_VARIABLE)
    return Place(url=None, folder=folder, said_by="the lock file")


@contextmanager
def reached(place: Place, screen: Screen, *, makes_store: bool = False) -> Iterator[Contexts]:
    """Reach the contexts, say where they are, and let go in the end.

    A store that is not there is made only by what writes.
    """
    contexts, where = _reach(place, makes_store=makes_store)
    try:
        screen.line(screen.paint(where, "dim"))
        yield contexts
    finally:
        contexts.close()


@contextmanager
def opened(folder: Path) -> Iterator["Store"]:
    """Open a store that is there; raises StoreLockedError where somebody else has it open."""
    _require_store(folder)
    with _open(folder) as store:
        yield store


def _reach(place: Place, *, makes_store: bool) -> tuple[Contexts, str]:
    if place.url is not None:
        return _server(place.url), f"server {place.url} (from {place.said_by})"
    if not makes_store:
        _require_store(place.folder)
    url = _holder(place.folder)
    if url is None:
        try:
            return _local(place.folder), f"store {place.folder} (opened here)"
        except StoreLockedError as error:  # taken since we looked
            url = error.url
            if url is None:
                raise
    return _server(url), f"server {url} (from {place.said_by})"


def _require_store(folder: Path) -> None:
    if not folder.exists():
        msg = f"there is no store at {folder} yet: `tierfold put FILE` makes one"
        raise CallerError(msg)


def _holder(folder: Path) -> str | None:
    """Return the URL of the server that has the store open; raises StoreLockedError without one."""
    from tierfold.storage.lock import read_holder  # noqa: PLC0415  # a server needs none of it

    holder = read_holder(folder)
    if holder is None:
        return None
    if holder.url is None:
        raise StoreLockedError(str(folder), pid=holder.pid, url=None)
    return holder.url


def _server(url: str) -> Contexts:
    from tierfold.cli.remote import RemoteContexts  # noqa: PLC0415  # httpx costs 100 ms

    return RemoteContexts(url)


def _local(folder: Path) -> Contexts:
    from tierfold.cli.local import LocalContexts  # noqa: PLC0415  # a server needs none of it

    return LocalContexts(_open(folder))


def _open(folder: Path) -> "Store":
    import tierfold  # noqa: PLC0415  # as above

    return tierfold.open(folder, objects=objects_url(folder))
