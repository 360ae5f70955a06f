"""`tierfold doctor --store`: every reference and every checksum of a store."""

import argparse
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tierfold.cli.exits import Exit
from tierfold.cli.output import json_bytes, lines
from tierfold.cli.reach import opened
from tierfold.cli.screen import Screen, stderr
from tierfold.cli.storepath import store_path
from tierfold.cli.table import counted
from tierfold.cli.writing import to_stdout
from tierfold.errors import SetupError, StoreLockedError

if TYPE_CHECKING:
    from tierfold.engine.shard.operations import AuditReport, Finding

_SHOWN_MAX = 100
_HARMLESS = "garbage"  # takes space, loses nothing


def audit_store(found: argparse.Namespace) -> int:
    """Check the store in this process; returns 1 if something is wrong."""
    folder = store_path(found.store or None)
    screen = stderr()
    try:
        with opened(folder) as store:
            screen.line(f"store {folder}: reading everything ...")
            reports = store.audit(repair=found.repair)
    except StoreLockedError as error:  # a server cannot do it for us
        msg = f"{folder} is open in process {error.pid}: stop it first, then check the store"
        raise SetupError(msg) from error
    findings = [finding for report in reports for finding in report.findings]
    if found.json:
        to_stdout([json_bytes(_body(reports, findings))])
    else:
        to_stdout(lines(_as_text(reports, findings, Screen(sys.stdout))))
    return Exit.FAILED if any(each.kind != _HARMLESS for each in findings) else Exit.DONE


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
        "ok": all(each.kind == _HARMLESS for each in findings),
        "contexts": sum(report.contexts for report in reports),
        "references": sum(report.references for report in reports),
        "segments": sum(report.segments for report in reports),
        "blocks": sum(report.blocks for report in reports),
        "findings": [dataclasses.asdict(each) for each in findings],
    }
