"""Backups of one tenant's contexts in an object store."""

from tierfold.engine.backup.creating import create
from tierfold.engine.backup.deleting import delete
from tierfold.engine.backup.reading import listed
from tierfold.engine.backup.reports import (
    BackupInfo,
    BackupProgress,
    BackupReport,
    Damage,
    DeleteReport,
    RestoreReport,
    VerifyReport,
)
from tierfold.engine.backup.restoring import IF_EXISTS, IfExists, RestoreOptions, restore
from tierfold.engine.backup.verifying import verify
from tierfold.engine.backup.world import BackupWorld, Driver

__all__ = [
    "IF_EXISTS",
    "BackupInfo",
    "BackupProgress",
    "BackupReport",
    "BackupWorld",
    "Damage",
    "DeleteReport",
    "Driver",
    "IfExists",
    "RestoreOptions",
    "RestoreReport",
    "VerifyReport",
    "create",
    "delete",
    "listed",
    "restore",
    "verify",
]
