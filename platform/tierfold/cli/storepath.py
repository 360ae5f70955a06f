"""Where the store lies when nobody says: the same folder for the commands and the server."""

import os
from collections.abc import Mapping
from pathlib import Path

from tierfold.errors import InvalidInputError

STORE_VARIABLE = "TIERFOLD_STORE"
OBJECTS_VARIABLE = "TIERFOLD_OBJECTS"

_DEFAULT = "~/.tierfold"


def store_path(option: str | None, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder: the option --store, else $TIERFOLD_STORE, else ~/.tierfold."""
    named = environment.get(STORE_VARIABLE) or _DEFAULT if option is None else option
    if not named:
        problem = "name a folder"
        raise InvalidInputError(problem, path="--store")
    try:
        return Path(named).expanduser().absolute()
    except RuntimeError as error:  # a user that this machine does not know
        problem = f"{named!r} has no home folder here: name the folder in full"
        raise InvalidInputError(problem, path="--store") from error


def objects_url(folder: Path, environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the object store to open a store with: $TIERFOLD_OBJECTS, else what it began with.

    None leaves the choice to the store, which remembers its object store. A new one begins with a
    folder in it, whether a command or a server is the first to come.
    """
    named = environment.get(OBJECTS_VARIABLE)
    if named:
        return named
    return None if any(folder.glob("shard-*")) else f"file://{folder}/objects"
