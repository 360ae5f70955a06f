"""Reading all of a backup: every byte is held against its name, every list against its chain."""

from collections.abc import Generator
from typing import Final

from tierfold.engine.backup.reading import BackupReader, read_manifest
from tierfold.engine.backup.reports import BackupProgress, Damage, VerifyReport
from tierfold.engine.backup.world import BackupWorld
from tierfold.errors import CorruptError

VerifySteps = Generator[BackupProgress, None, VerifyReport]

_STEP_BYTES: Final = 4 << 20
_STEP_CONTEXTS: Final = 100


def verify(world: BackupWorld, backup: str) -> VerifySteps:
    """Check a backup, step by step; returns what is damaged.

    Raises UnknownBackupError, CorruptError or FormatTooNewError where nothing of it can be read.
    """
    began_ms = world.clock.now_ms()
    manifest = read_manifest(world, backup)
    reader = BackupReader(world, manifest)
    reader.packs()
    damaged: list[Damage] = []
    contexts = items = size_bytes = told_bytes = 0
    for record in reader.records():
        if isinstance(record, Damage):
            damaged.append(record)
            continue
        try:
            items += sum(1 for _ in reader.items(record))
        except CorruptError as error:
            problem = f"{error.what}: {error.problem}"
            damaged.append(Damage(context=record.id, problem=problem))
            continue
        contexts += 1
        size_bytes += record.size_bytes
        if size_bytes - told_bytes > _STEP_BYTES or contexts % _STEP_CONTEXTS == 0:
            told_bytes = size_bytes
            yield BackupProgress(
                contexts=contexts, contexts_total=manifest.info.contexts, size_bytes=size_bytes
            )
    if not damaged and contexts != manifest.info.contexts:
        problem = f"it says {manifest.info.contexts:,} contexts and lists {contexts:,}"
        damaged.append(Damage(context="", problem=problem))
    return VerifyReport(
        backup=backup,
        contexts=contexts,
        items=items,
        size_bytes=size_bytes,
        damaged=tuple(damaged),
        elapsed_ms=world.clock.now_ms() - began_ms,
    )
