"""What an audit found: a bounded list, and how each can be mended."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from tierfold.engine.shard.operations import AuditReport, Finding

FINDINGS_MAX = 10_000  # more of them say nothing new

FindingKind = Literal["corrupt", "missing", "garbage", "dangling", "unchecked"]
Mend = Callable[[], bool]  # returns whether it is mended


@dataclass(slots=True)
class Findings:
    """Collects findings; where it may repair, what can be mended is no finding any more."""

    repair: bool = False
    found: list[Finding] = field(default_factory=list)
    contexts: int = 0
    references: int = 0
    segments: int = 0
    blocks: int = 0

    def add(self, kind: FindingKind, what: str, detail: str, mend: Mend | None = None) -> None:
        """Note something, or mend it.

        corrupt is not what was written; missing is needed and not there; garbage is there and not
        needed; dangling leads to what is not there; unchecked is out of reach.
        """
        if self.repair and mend is not None and mend():
            return
        if len(self.found) < FINDINGS_MAX:
            self.found.append(Finding(kind=kind, what=what, detail=detail))

    def report(self) -> AuditReport:
        """Return the report."""
        return AuditReport(
            contexts=self.contexts,
            references=self.references,
            segments=self.segments,
            blocks=self.blocks,
            findings=tuple(self.found),
        )
