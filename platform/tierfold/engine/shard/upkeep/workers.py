"""The workers of a shard's upkeep, each made for one thing."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tierfold.config import RetentionRule, Settings
from tierfold.engine.shard.blocks import Blocks, ObjectSource
from tierfold.engine.shard.keys import head_key
from tierfold.engine.shard.upkeep.archiving import Archiver
from tierfold.engine.shard.upkeep.audit import Auditor, ObjectsAudit
from tierfold.engine.shard.upkeep.bodies import StoredBodies
from tierfold.engine.shard.upkeep.defragmenting import Defragmenter
from tierfold.engine.shard.upkeep.disk import DiskEviction
from tierfold.engine.shard.upkeep.expiring import Reaper, Remove
from tierfold.engine.shard.upkeep.moving import Mover
from tierfold.engine.shard.upkeep.open_rows import OpenRows
from tierfold.engine.shard.upkeep.packing import Pack, packed
from tierfold.engine.shard.upkeep.read_contexts import Contexts, Load, LoadBlocks, LoadInfo
from tierfold.engine.shard.upkeep.retaining import Retainer
from tierfold.engine.shard.upkeep.sealing import Sealer
from tierfold.engine.shard.upkeep.steps import Commits
from tierfold.engine.shard.upkeep.tiering import Tiering
from tierfold.engine.shard.upkeep.training import Dictionaries, Trainer
from tierfold.engine.shard.upkeep.uploading import Uploader
from tierfold.engine.working import SharedFolder
from tierfold.memory import Tiers
from tierfold.ports import Clock, Family, KeyValues, WallClock


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class UpkeepParts:
    """What upkeep works on, and what the shard does for it."""

    values: KeyValues
    commits: Commits
    dictionaries: Dictionaries
    blocks: Blocks
    source: ObjectSource | None  # None: there is no L4
    folder: SharedFolder | None  # None: there is no L1
    load: Load
    info: LoadInfo
    load_blocks: LoadBlocks
    remove: Remove
    settings: Settings
    clock: Clock
    wall: WallClock
    dice: random.Random
    pack: Pack = packed
    is_cpu_pressed: Callable[[], bool] = _never
    retention: Callable[[], Sequence[RetentionRule]] = tuple  # in force now; raises SetupError


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """One of each; without L4 nobody uploads, and nothing is evicted from the disk."""

    sealer: Sealer
    defragmenter: Defragmenter
    reaper: Reaper
    auditor: Auditor
    objects_audit: ObjectsAudit | None
    trainer: Trainer
    tiering: Tiering
    uploader: Uploader | None
    eviction: DiskEviction | None
    retainer: Retainer


def assembled(parts: UpkeepParts, open_rows: OpenRows) -> Workers:
    """Return the workers for a shard."""
    values, commits, source = parts.values, parts.commits, parts.source
    codec_of = parts.dictionaries.codec_of
    bodies = StoredBodies(values, codec_of, source=source)
    tiering = _tiering(parts)
    mover = Mover(commits, has_l4=source is not None, dropped=parts.blocks.evict)
    sealer = _sealer(parts, bodies, mover, open_rows)
    eviction = _eviction(parts, tiering)
    return Workers(
        sealer=sealer,
        defragmenter=Defragmenter(
            values=values,
            bodies=bodies,
            mover=mover,
            dictionaries=parts.dictionaries,
            pack=parts.pack,
        ),
        reaper=Reaper(values=values, commits=commits, wall=parts.wall, remove=parts.remove),
        auditor=Auditor(
            values=values,
            commits=commits,
            bodies=StoredBodies(values, codec_of, source=source),
            mover=mover,
        ),
        objects_audit=_objects_audit(parts),
        trainer=Trainer(
            values=values, commits=commits, dictionaries=parts.dictionaries, source=source
        ),
        tiering=tiering,
        uploader=_uploader(parts, mover, open_rows, sealer.pressed),
        eviction=eviction,
        retainer=_retainer(parts, tiering, eviction),
    )


def _tiering(parts: UpkeepParts) -> Tiering:
    values = parts.values
    return Tiering(
        tiers=Tiers(parts.settings.tiers, has_l1=parts.folder is not None),
        blocks=parts.blocks,
        folder=parts.folder,
        contexts=Contexts(
            load=parts.load,
            info=parts.info,
            blocks=parts.load_blocks,
            is_there=lambda key: values.get(Family.HEAD, head_key(*key)) is not None,
        ),
        settings=parts.settings,
        wall=parts.wall,
    )


def _sealer(parts: UpkeepParts, bodies: StoredBodies, mover: Mover, open_rows: OpenRows) -> Sealer:
    return Sealer(
        values=parts.values,
        bodies=bodies,
        mover=mover,
        dictionaries=parts.dictionaries,
        open_rows=open_rows,
        clock=parts.clock,
        pack=parts.pack,
        is_cpu_pressed=parts.is_cpu_pressed,
    )


def _uploader(
    parts: UpkeepParts, mover: Mover, open_rows: OpenRows, pressed: list[tuple[str, int]]
) -> Uploader | None:
    """Return one with a sealer and bodies of its own: it works in another thread."""
    if parts.source is None:
        return None
    bodies = StoredBodies(parts.values, parts.dictionaries.codec_of, source=parts.source)
    sealer = _sealer(parts, bodies, mover, open_rows)
    sealer.pressed = pressed
    return Uploader(
        values=parts.values,
        commits=parts.commits,
        bodies=bodies,
        sealer=sealer,
        source=parts.source,
    )


def _objects_audit(parts: UpkeepParts) -> ObjectsAudit | None:
    if parts.source is None:
        return None
    return ObjectsAudit(
        values=parts.values,
        commits=parts.commits,
        codec_of=parts.dictionaries.codec_of,
        source=parts.source,
    )


def _eviction(parts: UpkeepParts, tiering: Tiering) -> DiskEviction | None:
    if parts.source is None:
        return None
    return DiskEviction(
        values=parts.values,
        commits=parts.commits,
        source=parts.source,
        settings=parts.settings.tiers,
        is_above=tiering.is_above,
    )


def _retainer(parts: UpkeepParts, tiering: Tiering, eviction: DiskEviction | None) -> Retainer:
    """Return one with bodies of its own: it works in another thread."""

    def leave(tenant: str, digest: bytes) -> None:
        tiering.was_deleted((tenant, digest))

    values = parts.values
    return Retainer(
        values=values,
        commits=parts.commits,
        bodies=StoredBodies(values, parts.dictionaries.codec_of, source=parts.source),
        wall=parts.wall,
        remove=parts.remove,
        archiver=None
        if eviction is None
        else Archiver(values, eviction, blocks=parts.blocks, leave=leave),
    )
