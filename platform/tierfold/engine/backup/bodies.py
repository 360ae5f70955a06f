"""Backups as documents: what a server sends and `--json` prints."""

from collections.abc import Sequence
from typing import Any

from tierfold.engine.backup.reports import (
    BackupInfo,
    BackupProgress,
    BackupReport,
    Damage,
    DeleteReport,
    RestoreReport,
    VerifyReport,
)

Report = BackupReport | RestoreReport | VerifyReport | DeleteReport

_S_PER_MS = 0.001


def backup_body(info: BackupInfo) -> dict[str, Any]:
    """Return one backup."""
    return {
        "object": "backup",
        "id": info.id,
        "url": info.url,
        "name": info.name,
        "created_at": round(info.created_ms * _S_PER_MS, 3),
        "contexts": info.contexts,
        "items": info.items,
        "size_bytes": info.size_bytes,
        "stored_bytes": info.stored_bytes,
        "problem": info.problem,
    }


def backups_body(backups: Sequence[BackupInfo]) -> dict[str, Any]:
    """Return a list of backups."""
    return {"object": "list", "data": [backup_body(info) for info in backups]}


def progress_body(progress: BackupProgress) -> dict[str, Any]:
    """Return how far something is."""
    return {
        "object": "backup.progress",
        "contexts": progress.contexts,
        "contexts_total": progress.contexts_total,
        "size_bytes": progress.size_bytes,
    }


def report_body(report: Report) -> dict[str, Any]:
    """Return what something came to."""
    match report:
        case BackupReport():
            return _made(report)
        case RestoreReport():
            return _restored(report)
        case VerifyReport():
            return _verified(report)
        case DeleteReport():
            return {
                "object": "backup.deleted",
                "id": report.backup,
                "removed": report.removed,
                "kept_because": report.kept_because,
            }


def _made(report: BackupReport) -> dict[str, Any]:
    return {
        "object": "backup.made",
        "backup": backup_body(report.backup),
        "new_bytes": report.new_bytes,
        "new_packs": report.new_packs,
        "reused_packs": report.reused_packs,
        "read_bytes": report.read_bytes,
        "gone": report.gone,
        "damaged": _damaged(report.damaged),
        "elapsed_ms": round(report.elapsed_ms, 3),
    }


def _restored(report: RestoreReport) -> dict[str, Any]:
    return {
        "object": "backup.restored",
        "id": report.backup,
        "restored": report.restored,
        "replaced": report.replaced,
        "identical": report.identical,
        "skipped": report.skipped,
        "expired": report.expired,
        "items": report.items,
        "size_bytes": report.size_bytes,
        "damaged": _damaged(report.damaged),
        "elapsed_ms": round(report.elapsed_ms, 3),
    }


def _verified(report: VerifyReport) -> dict[str, Any]:
    return {
        "object": "backup.verified",
        "id": report.backup,
        "contexts": report.contexts,
        "items": report.items,
        "size_bytes": report.size_bytes,
        "damaged": _damaged(report.damaged),
        "elapsed_ms": round(report.elapsed_ms, 3),
    }


def _damaged(damaged: Sequence[Damage]) -> list[dict[str, str]]:
    return [{"context": each.context, "problem": each.problem} for each in damaged]
