"""Where the store lies when nobody says: the same folder for the commands and the server."""

import os
from collections.abc import Mapping
from pathlib import Path

from tierfold.errors import InvalidInputError

STORE_VARIABLE = "TIERFOLD_STORE"
OBJECTS_VARIABLE = "TIERFOLD_OBJECTS"
NO_OBJECTS = "none"

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
    """Return the object store of a store: $TIERFOLD_OBJECTS, else the folder a server made in it.

    A command that opened the store without it could not read what lies only there, and would keep
    its changes from it.
    """
    named = environment.get(OBJECTS_VARIABLE)
    if named:
        return None if named == NO_OBJECTS else named
    own = folder / "objects"
    return f"file://{own}" if own.is_dir() else None
