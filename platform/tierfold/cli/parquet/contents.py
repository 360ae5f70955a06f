"""The items of one context as they stand in a file, in runs that one request carries."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby, islice, takewhile
from typing import Any, Literal

from tierfold.cli.parquet.rows import Row
from tierfold.client.documents import ContextObject, Item, ItemsPage
from tierfold.context.canonical import canonical_json

_RUN_ITEMS_MAX = 1_000
_RUN_BYTES_MAX = 4 * 1024 * 1024
_PUT_BYTES_MAX = 16 * 1024 * 1024  # and the row behind: escaped as JSON, within a body's 64 MiB

Comparison = Literal["equal", "beginning", "different"]
Run = Sequence[Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileContext:
    """One context of a file: its first run is held, a longer one is read again where needed."""

    first: Run
    rest: Iterator[Row]
    again: Callable[[], Iterator[Row]]  # all its rows anew

    @property
    def head(self) -> Row:
        """What every row says of the context."""
        return self.first[0]

    def runs(self) -> Iterator[Run]:
        """Yield its rows in runs; once."""
        yield self.first
        yield from in_runs(self.rest)

    def runs_anew(self) -> Iterator[Run]:
        """Yield its rows in runs, again."""
        return in_runs(self.again())

    def put_first(self) -> tuple[Run, Iterator[Run]]:
        """Return as many rows as one request carries, and the others in runs."""
        rows = self.again()
        together: list[Row] = []
        size_bytes = 0
        for row in rows:
            together.append(row)
            size_bytes += row.size_bytes
            if size_bytes >= _PUT_BYTES_MAX:
                break
        return together, in_runs(rows)

    def runs_after(self, stored: ContextObject) -> Iterator[Run]:
        """Yield its rows anew, in runs, without what is stored already."""
        if self.head.shape == "text":
            return in_runs(_text_after(self.again(), stored.size_bytes))
        return in_runs(islice(self.again(), stored.items, None))


def contexts_in(rows_from: Callable[[int], Iterator[Row]]) -> Iterator[FileContext]:
    """Yield the contexts of a file, given its rows from any one on; each before the next."""
    for _, group in groupby(enumerate(rows_from(0)), key=lambda pair: pair[1].context):
        yield _file_context(group, rows_from)


def _file_context(
    numbered: Iterator[tuple[int, Row]], rows_from: Callable[[int], Iterator[Row]]
) -> FileContext:
    start, row = next(numbered)
    rest = (later for _, later in numbered)
    first = next(in_runs(chain((row,), rest)))
    again = first.__iter__ if len(first) >= row.items else _again(rows_from, start, row.context)
    return FileContext(first=first, rest=rest, again=again)


def _again(
    rows_from: Callable[[int], Iterator[Row]], start: int, name: str
) -> Callable[[], Iterator[Row]]:
    return lambda: takewhile(lambda row: row.context == name, rows_from(start))


def in_runs(rows: Iterator[Row]) -> Iterator[Run]:
    """Cut the rows where a run is full, by count and by bytes."""
    run: list[Row] = []
    size_bytes = 0
    for row in rows:
        run.append(row)
        size_bytes += row.size_bytes
        if len(run) == _RUN_ITEMS_MAX or size_bytes >= _RUN_BYTES_MAX:
            yield run
            run, size_bytes = [], 0
    if run:
        yield run


def as_created(run: Run) -> dict[str, Any]:
    """Return a run as what `create` and `put` take."""
    items = [] if run[0].index is None else [row.item() for row in run]
    match run[0].shape:
        case "messages":
            return {"messages": items}
        case "parts":
            return {"document": {"title": run[0].title, "parts": items}}
        case _:
            return {"text": "".join(str(item["text"]) for item in items)}


def as_appended(run: Run) -> dict[str, Any]:
    """Return a run as what `append` takes."""
    items = [row.item() for row in run]
    match run[0].shape:
        case "messages":
            return {"messages": items}
        case "parts":
            return {"parts": items}
        case _:
            return {"text": "".join(str(item["text"]) for item in items)}


def compared(pages: Iterable[ItemsPage], runs: Iterable[Run], shape: str) -> Comparison:
    """Return whether what is stored is what the file has, or how that begins.

    A text is compared by its characters: where it was cut into pieces says nothing.
    """
    stored = (_bytes(item, shape) for page in pages for item in page.items)
    wanted = (_bytes(row.item(), shape) for run in runs for row in run if row.index is not None)
    left = b""
    for piece in stored:
        while len(left) < len(piece) and (more := next(wanted, None)) is not None:
            left += more
        if not left.startswith(piece):
            return "different"
        left = left[len(piece) :]
    return "beginning" if left or any(wanted) else "equal"


def _text_after(rows: Iterator[Row], skipped_bytes: int) -> Iterator[Row]:
    """Yield the rows of a text without its first bytes, the row between them cut."""
    for row in rows:
        text = str(row.item()["text"]).encode()
        if skipped_bytes < len(text):
            rest = text[skipped_bytes:].decode()
            yield replace(row, content=canonical_json({"text": rest}))
        skipped_bytes = max(skipped_bytes - len(text), 0)


def _bytes(item: Item, shape: str) -> bytes:
    return str(item["text"]).encode() if shape == "text" else canonical_json(item) + b"\n"
