"""`tierfold doctor --store`: every reference and every checksum of a store."""

import argparse
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tierfold.cli.damage import (
    damage_body,
    damage_lines,
    is_all_saved,
    repair_body,
    repair_lines,
)
from tierfold.cli.exits import Exit
from tierfold.cli.output import json_bytes, lines
from tierfold.cli.reach import opened
from tierfold.cli.screen import Screen, stderr
from tierfold.cli.storepath import objects_url, store_path
from tierfold.cli.table import counted
from tierfold.cli.writing import to_stdout
from tierfold.errors import CorruptError, SetupError, StoreLockedError

if TYPE_CHECKING:
    from tierfold.engine.repairing import RepairedShard
    from tierfold.engine.shard.operations import AuditReport, Finding

_SHOWN_MAX = 100
_HARMLESS = "garbage"  # takes space, loses nothing


def audit_store(found: argparse.Namespace) -> int:
    """Check the store in this process; returns 1 if something is wrong."""
    folder = store_path(found.store or None)
    try:
        return _checked(folder, found)
    except StoreLockedError as error:  # a server cannot do it for us
        msg = f"{folder} is open in process {error.pid}: stop it first, then check the store"
        raise SetupError(msg) from error


def _checked(folder: Path, found: argparse.Namespace) -> int:
    try:
        return _audited(folder, found, ())
    except CorruptError:
        from tierfold.engine.repairing import examine_store, repair_store  # noqa: PLC0415  # seldom

        stderr().line(f"store {folder} does not open: looking for what is damaged ...")
        damaged = examine_store(folder)
        if not damaged:
            raise
    if found.repair:
        repaired = repair_store(folder, objects=objects_url(folder))
        return _audited(folder, found, repaired)
    if found.json:
        to_stdout([json_bytes(damage_body(damaged))])
    else:
        to_stdout(lines(damage_lines(str(folder), damaged)))
    return Exit.FAILED


def _audited(folder: Path, found: argparse.Namespace, repaired: Sequence["RepairedShard"]) -> int:
    screen = stderr()
    with opened(folder) as store:
        screen.line(f"store {folder}: reading everything ...")
        reports = store.audit(repair=found.repair)
        if repaired:  # what was mended a moment ago was needed to see the rest as it is
            reports = store.audit(repair=True)
    findings = [finding for report in reports for finding in report.findings]
    is_sound = all(each.kind == _HARMLESS for each in findings) and is_all_saved(repaired)
    if found.json:
        body = _body(reports, findings)
        repairs = {"repaired": repair_body(repaired)} if repaired else {}
        to_stdout([json_bytes({**body, "ok": is_sound, **repairs})])
    else:
        to_stdout(lines(repair_lines(repaired)))
        to_stdout(lines(_as_text(reports, findings, Screen(sys.stdout))))
    return Exit.DONE if is_sound else Exit.FAILED


def _as_text(
    reports: Sequence["AuditReport"], findings: Sequence["Finding"], screen: Screen
) -> Iterator[str]:
    for finding in findings[:_SHOWN_MAX]:
        kind = screen.paint(f"{finding.kind:8}", "yellow" if finding.kind == _HARMLESS else "red")
        yield f"{kind}  {finding.what}: {finding.detail}"
    if len(findings) > _SHOWN_MAX:
        yield f"... and {len(findings) - _SHOWN_MAX:,} more; --json lists all"
    checked = (
        counted(sum(report.contexts for report in reports), "context"),
        counted(sum(report.references for report in reports), "reference"),
        counted(sum(report.segments for report in reports), "segment"),
        counted(sum(report.blocks for report in reports), "block"),
    )
    verdict = counted(len(findings), "finding") if findings else "all sound"
    yield f"checked {', '.join(checked)}: {verdict}"


def _body(reports: Sequence["AuditReport"], findings: Sequence["Finding"]) -> dict[str, object]:
    return {
        "contexts": sum(report.contexts for report in reports),
        "references": sum(report.references for report in reports),
        "segments": sum(report.segments for report in reports),
        "blocks": sum(report.blocks for report in reports),
        "findings": [dataclasses.asdict(each) for each in findings],
    }
