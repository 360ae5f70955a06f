"""What a person sees of backups: how far one is, and what it came to."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from tierfold.cli.screen import Screen
from tierfold.cli.table import aligned, bar, counted, duration, printable, size

_WIDTH = 24
_S_BETWEEN = 0.1
_CLEAR = "\r\x1b[K"
_NAMED_MAX = 20
_HEADER = ("id", "made", "contexts", "items", "size", "stored", "name")
_RIGHT = frozenset({1, 2, 3, 4, 5})

Document = Mapping[str, Any]


class BackupBar:
    """Shows contexts done and the rate, on a terminal only."""

    def __init__(self, *, is_quiet: bool = False) -> None:
        stream = None if is_quiet else sys.stderr
        self._stream = stream if stream is not None and stream.isatty() else None
        self._began_s = self._shown_s = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._write(_CLEAR)

    def told(self, progress: Document) -> None:
        """Show how far it is."""
        now_s = time.monotonic()
        if now_s - self._shown_s >= _S_BETWEEN:
            self._shown_s = now_s
            self._write(_CLEAR + progress_line(progress, now_s - self._began_s))

    def _write(self, text: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # nobody is left to see it
            self._stream = None


def progress_line(progress: Document, elapsed_s: float) -> str:
    """Return the bar where the end is known, the count, and how fast it goes."""
    done, total = progress["contexts"], progress.get("contexts_total")
    rate = size(progress["size_bytes"] / elapsed_s) if elapsed_s else "0 B"
    said = f"{done:,} contexts, {rate}/s"
    if not total:
        return said
    share = min(done / total, 1)
    percent = f"{share:.0%}".replace("%", " %")
    return f"{bar(share, _WIDTH)} {percent}, {done:,} of {total:,} contexts, {rate}/s"


def made_lines(report: Document, screen: Screen) -> Iterator[str]:
    """Yield what making a backup came to."""
    backup = report["backup"]
    seconds = report["elapsed_ms"] / 1000
    yield (
        f"backed up {_amount(backup)} in {_seconds(seconds)}"
        f" ({_rate(backup['contexts'], seconds)} contexts/s)"
    )
    new, reused = counted(report["new_packs"], "pack"), counted(report["reused_packs"], "pack")
    yield f"  new      {size(report['new_bytes'])}, {new}; {size(report['read_bytes'])} were read"
    yield f"  reused   {reused} of {size(backup['stored_bytes'])} in all"
    if report["gone"]:
        yield f"  gone     {counted(report['gone'], 'context')} deleted meanwhile"
    if backup["url"]:
        yield f"  where    {backup['url']}"
    yield from damage_lines(report["damaged"], screen)


def restored_lines(report: Document, screen: Screen) -> Iterator[str]:
    """Yield what restoring came to."""
    seconds = report["elapsed_ms"] / 1000
    written = report["restored"] + report["replaced"]
    amount = f"{counted(report['items'], 'item')}, {size(report['size_bytes'])}"
    yield (
        f"restored {counted(written, 'context')}, {amount} in {_seconds(seconds)}"
        f" ({_rate(written, seconds)} contexts/s)"
    )
    facts = [
        f"{report[name]:,} {said}"
        for name, said in (
            ("replaced", "of them in the place of others"),
            ("identical", "there already"),
            ("skipped", "skipped: others have their ids"),
            ("expired", "left out: their time is over (--expired)"),
        )
        if report[name]
    ]
    yield from (f"  {fact}" for fact in facts)
    yield from damage_lines(report["damaged"], screen)


def verified_lines(report: Document, screen: Screen) -> Iterator[str]:
    """Yield what reading all of a backup came to."""
    seconds = report["elapsed_ms"] / 1000
    whole = "whole" if not report["damaged"] else "of them whole"
    yield f"read {_amount(report)} in {_seconds(seconds)}, {whole}"
    yield from damage_lines(report["damaged"], screen)


def damage_lines(damaged: Sequence[Document], screen: Screen) -> Iterator[str]:
    """Yield what is damaged, the first of much."""
    if damaged:
        yield screen.paint(f"  damaged  {len(damaged):,}", "red")
    for each in damaged[:_NAMED_MAX]:
        context = f"{each['context']}: " if each["context"] else ""
        yield f"    {printable(context + each['problem'])}"
    if len(damaged) > _NAMED_MAX:
        yield f"    and {len(damaged) - _NAMED_MAX:,} more (--json lists them)"


def table(backups: Sequence[Document], *, now_s: float, width: int) -> list[str]:
    """Return the aligned lines, a header first."""
    return aligned([_HEADER, *(_row(each, now_s) for each in backups)], right=_RIGHT, width=width)


def _row(backup: Document, now_s: float) -> tuple[str, ...]:
    if backup["problem"]:
        return (backup["id"], "", "", "", "", "", f"damaged: {backup['problem']}")
    return (
        backup["id"],
        f"{duration(now_s - backup['created_at'])} ago",
        f"{backup['contexts']:,}",
        f"{backup['items']:,}",
        size(backup["size_bytes"]),
        size(backup["stored_bytes"]),
        backup["name"],
    )


def _amount(document: Document) -> str:
    contexts, items = counted(document["contexts"], "context"), counted(document["items"], "item")
    return f"{contexts}, {items}, {size(document['size_bytes'])}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 90 else duration(seconds)  # noqa: PLR2004  # as there


def _rate(count: int, seconds: float) -> str:
    return f"{count / seconds:,.0f}" if seconds else f"{count:,}"
