"""Commands that other packages bring, by the entry-point group `tierfold.commands`."""

import difflib
from collections.abc import Callable, Collection
from importlib.metadata import EntryPoint, entry_points

from tierfold.errors import CallerError, SetupError

GROUP = "tierfold.commands"
_RAY_MISSING = "`tierfold up` comes with the Ray part: pip install 'tierfold[ray]'"


def load(name: str, *, built_in: Collection[str]) -> Callable[[list[str]], int]:
    """Import the command; raises CallerError for an unknown name, SetupError without its extra."""
    known = {point.name: point for point in entry_points(group=GROUP)}
    if name == "up" and name not in known:
        raise SetupError(_RAY_MISSING)
    if name not in known:
        raise CallerError(_unknown(name, {*known, *built_in}))
    return guarded(known[name])


def guarded(point: EntryPoint) -> Callable[[list[str]], int]:
    """Return the command; a package it lacks, now or while it runs, is a sentence."""

    def run(argv: list[str]) -> int:
        try:
            code: int = point.load()(argv)
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if missing in {"", "tierfold"}:
                raise  # a bug of ours, not a missing extra
            msg = f"`tierfold {point.name}` needs {missing}: pip install 'tierfold[ray]'"
            raise SetupError(msg) from error
        return code

    return run


def _unknown(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    hint = f"did you mean `tierfold {near[0]}`?" if near else "see `tierfold --help`"
    return f"there is no command {name!r}; {hint}"
