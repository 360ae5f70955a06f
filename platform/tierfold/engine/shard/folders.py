"""A shard's folder and those beside it while it is repaired: at every moment one of them is whole.

The damaged folder is moved aside and never deleted. Between that and the next step a crash may
come: whoever opens the shard then finishes the move.
"""

import re
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from tierfold.storage.durable import sync_folder

_NAME = re.compile(r"(shard-\d+)(\.repaired)?")


def stored_names(store: Path) -> list[str]:
    """Return the names of the shards that a store's folder holds."""
    found = (_NAME.fullmatch(each.name) for each in store.glob("shard-*") if each.is_dir())
    return sorted({match[1] for match in found if match})


def begin_repair(folder: Path) -> Path:
    """Return the folder in which to repair a shard; what an earlier attempt left there goes."""
    for beside in (_beside(folder, "salvage"), _beside(folder, "repaired")):
        shutil.rmtree(beside, ignore_errors=True)
    return _beside(folder, "salvage")


def finish_repair(folder: Path) -> Path:
    """Put the repaired shard in the place of the damaged one; return where that one lies now."""
    repaired, aside = _beside(folder, "repaired"), next(_free(folder))
    _move(_beside(folder, "salvage"), repaired)
    _move(folder, aside)
    _move(repaired, folder)
    return aside


def settle(folder: Path) -> None:
    """Finish a repair that a crash cut off between its moves."""
    repaired = _beside(folder, "repaired")
    if repaired.is_dir() and not folder.exists():
        _move(repaired, folder)


def _free(folder: Path) -> Iterator[Path]:
    return (each for each in _numbered(folder) if not each.exists())


def _numbered(folder: Path) -> Iterator[Path]:
    return (_beside(folder, f"damaged-{number}") for number in count(1))


def _beside(folder: Path, kind: str) -> Path:
    return folder.with_name(f"{folder.name}.{kind}")


def _move(source: Path, target: Path) -> None:
    source.rename(target)
    sync_folder(target.parent)
