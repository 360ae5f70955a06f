"""A store that does not open: what is damaged, and a way back that deletes nothing."""

import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tierfold.context.identity import slot_of
from tierfold.engine.clock import UnixClock
from tierfold.engine.shard.folders import begin_repair, finish_repair, settle, stored_names
from tierfold.engine.shard.opening import (
    NO_OBJECTS,
    ShardHome,
    has_beginning,
    note_shards,
    require_readable,
)
from tierfold.engine.shard.upkeep.adopting import URL_KEY
from tierfold.engine.shard.upkeep.recovering import Recovered, recover
from tierfold.errors import CorruptError, ObjectStoreError, SetupError
from tierfold.ports import Family, KeyValues, Objects
from tierfold.replication import Placement
from tierfold.storage import RocksKeyValues, StoreLock, open_objects
from tierfold.storage.rocks_salvage import Salvaged, salvage


@dataclass(frozen=True, slots=True, kw_only=True)
class DamagedShard:
    """A shard that does not open."""

    name: str
    problem: str
    damage: tuple[str, ...]  # what a repair cannot take over


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairedShard:
    """A shard that opens again."""

    name: str
    damage: tuple[str, ...]
    aside: str  # where the damaged one lies now
    object_store: str  # that gave what was lacking; "" where none is known
    recovered: Recovered = field(default_factory=Recovered)


def examine_store(path: str | Path) -> list[DamagedShard]:
    """Return the shards that do not open; changes nothing, and reads all of those.

    Raises StoreLockedError when another process has the store open.
    """
    with _locked(path) as store:
        return [
            DamagedShard(name=name, problem=problem, damage=_damage(store / name))
            for name, problem in _unopenable(store)
        ]


def repair_store(path: str | Path, *, objects: str | None = None) -> list[RepairedShard]:
    """Repair the shards that do not open, each as one step; return what became of them.

    `objects` is the URL of the object store, for a store that has lost it; "none" does without.
    The damaged folders stay, under another name. Raises StoreLockedError as above, SetupError
    where the object store does not answer, StorageFullError.
    """
    with _locked(path) as store:
        return [_repaired(store, name, objects or "") for name, _ in _unopenable(store)]


@contextmanager
def _locked(path: str | Path) -> Iterator[Path]:
    store = Path(path).expanduser().resolve()
    with StoreLock.acquire(store, born=UnixClock().unix_ms()):
        for name in stored_names(store):
            settle(store / name)
        yield store


def _unopenable(store: Path) -> Iterator[tuple[str, str]]:
    for name in stored_names(store):
        try:
            require_readable(store / name)
        except CorruptError as error:
            yield name, error.problem


def _damage(folder: Path) -> tuple[str, ...]:
    """Return what a repair cannot read, by trying it beside the shard."""
    trial = begin_repair(folder)
    try:
        return tuple(salvage(folder, trial).damage)
    finally:
        shutil.rmtree(trial, ignore_errors=True)


def _repaired(store: Path, name: str, objects: str) -> RepairedShard:
    folder = store / name
    beside = begin_repair(folder)
    try:
        salvaged = salvage(folder, beside)
        url, recovered = _recovered(store, name, beside, objects)
        aside = finish_repair(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    home = ShardHome(store=str(store), name=name, shards=1)
    shutil.rmtree(home.shared_folder, ignore_errors=True)  # of before
    return _report(name, salvaged, str(aside), url, recovered)


def _report(
    name: str, salvaged: Salvaged, aside: str, url: str, recovered: Recovered
) -> RepairedShard:
    return RepairedShard(
        name=name,
        damage=tuple(salvaged.damage),
        aside=aside,
        object_store=url,
        recovered=recovered,
    )


def _recovered(store: Path, name: str, beside: Path, asked: str) -> tuple[str, Recovered]:
    names = stored_names(store)
    placement, number = Placement(names), names.index(name)
    values = RocksKeyValues(beside)
    try:
        url = _object_store(store, values, asked)
        note_shards(values, len(names))
        with _opened(url) as objects:
            recovered = recover(
                values,
                objects,
                is_ours=lambda digest: placement.home(slot_of(digest)) == number,
                dice=random.SystemRandom(),
            )
    finally:
        values.close()
    return url, recovered


@contextmanager
def _opened(url: str) -> Iterator[Objects | None]:
    """Open an object store; raises SetupError where it fails, now or later."""
    if not url:
        yield None
        return
    try:
        objects = open_objects(url)
        try:
            yield objects
        finally:
            objects.close()
    except ObjectStoreError as error:
        problem = (
            f"{error}; nothing was changed: repair again when it answers, or with "
            f"TIERFOLD_OBJECTS={NO_OBJECTS} to do without what it has"
        )
        raise SetupError(problem) from error


def _object_store(store: Path, values: KeyValues, asked: str) -> str:
    """Return the URL of the object store that the shard follows.

    Raises SetupError where that is lost: a guess could take all that only L4 has for lost.
    """
    if asked:
        return "" if asked == NO_OBJECTS else asked
    followed = _followed(values)
    if followed or has_beginning(values):
        return followed
    followed = next(filter(None, map(_url, _sound(store))), "")
    usual = store / "objects"
    if followed or usual.is_dir():
        return followed or usual.as_uri()
    problem = (
        f"which object store {store} follows is lost: say it with TIERFOLD_OBJECTS=URL, or "
        f"TIERFOLD_OBJECTS={NO_OBJECTS} where there was none, and repair again"
    )
    raise SetupError(problem)


def _sound(store: Path) -> Iterator[Path]:
    """Yield the folders of the store's other shards that open."""
    damaged = {name for name, _ in _unopenable(store)}
    return (store / name for name in stored_names(store) if name not in damaged)


def _url(folder: Path) -> str:
    values = RocksKeyValues(folder)
    try:
        return _followed(values)
    finally:
        values.close()


def _followed(values: KeyValues) -> str:
    try:
        return (values.get(Family.META, URL_KEY) or b"").decode()
    except CorruptError:
        return ""
