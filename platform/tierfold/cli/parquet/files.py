"""Parquet files of contexts, written and read a row group at a time."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from tierfold.cli.parquet.rows import COLUMNS, FORMAT, FORMAT_KEY, Row, row_from
from tierfold.errors import CallerError, FormatTooNewError, InvalidInputError, TierfoldError

_GROUP_BYTES_MAX = 8 * 1024 * 1024  # of content in one row group: what either side holds
_GROUP_ROWS_MAX = 20_000
_BATCH_ROWS = 1_000
_OUTLINE = ("context", "index", "items")

_SCHEMA = pa.schema(
    [
        pa.field("context", pa.string(), nullable=False),
        pa.field("index", pa.int64()),
        pa.field("shape", pa.string(), nullable=False),
        pa.field("role", pa.string()),
        pa.field("content", pa.binary()),
        pa.field("title", pa.string(), nullable=False),
        pa.field("metadata", pa.binary(), nullable=False),
        pa.field("ttl_s", pa.float64(), nullable=False),
        pa.field("version", pa.int64(), nullable=False),
        pa.field("items", pa.int64(), nullable=False),
        pa.field("created_at", pa.float64(), nullable=False),
        pa.field("updated_at", pa.float64(), nullable=False),
    ],
    metadata={FORMAT_KEY: str(FORMAT).encode()},
)


class RowsWriter:
    """Writes beside the file and takes its name in the end: a broken export leaves none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f"{path.name}.part")
        self._rows: list[Row] = []
        self._size_bytes = 0
        try:
            self._file = pq.ParquetWriter(
                self._part, _SCHEMA, compression="zstd", write_page_checksum=True
            )
        except OSError as error:
            raise CallerError(_unwritable(path, error)) from error

    def write(self, rows: Iterable[Row]) -> None:
        """Add the rows; raises TierfoldError when the disk is full."""
        for row in rows:
            self._rows.append(row)
            self._size_bytes += row.size_bytes
            if self._size_bytes >= _GROUP_BYTES_MAX or len(self._rows) >= _GROUP_ROWS_MAX:
                self._flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._flush()
            self._file.close()
            if kind is None:
                self._part.replace(self._path)
        except OSError as failure:
            raise TierfoldError(_unwritable(self._path, failure)) from failure
        finally:
            self._part.unlink(missing_ok=True)

    def _flush(self) -> None:
        if not self._rows:
            return
        columns = {name: [getattr(row, name) for row in self._rows] for name in COLUMNS}
        try:
            self._file.write_table(pa.table(columns, schema=_SCHEMA))
        except OSError as error:
            raise TierfoldError(_unwritable(self._path, error)) from error
        self._rows.clear()
        self._size_bytes = 0


class RowsFile:
    """Reads rows from any of them on, holding one row group."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = pq.ParquetFile(path, page_checksum_verification=True)
        except OSError as error:
            msg = f"cannot read {path}: {_reason(error)}"
            raise CallerError(msg) from error
        except pa.ArrowException as error:
            problem = "this is no Parquet file, or only the beginning of one"
            raise InvalidInputError(problem, path=str(path)) from error
        self._require_ours()

    def rows(self, start: int = 0) -> Iterator[Row]:
        """Yield the rows from that one on; raises InvalidInputError for a damaged file."""
        number = 0
        for group in range(self._file.num_row_groups):
            count = self._file.metadata.row_group(group).num_rows
            if number + count <= start:
                number += count
                continue
            for values in self._values(group):
                if number >= start:
                    yield row_from(values, number)
                number += 1

    def require_complete(self) -> int:
        """Return how many contexts there are; raises InvalidInputError where an item is missing.

        It reads the small columns only, and nothing is stored before it has passed.
        """
        contexts, name, index, items = 0, None, 0, 0
        for group in range(self._file.num_row_groups):
            for values in self._values(group, _OUTLINE):
                if values["context"] != name:
                    self._require_whole(name, index, items)
                    contexts, index = contexts + 1, 0
                    name, items = values["context"], values["items"] or 0
                if values["index"] is not None:
                    self._require_place(name, values["index"], index)
                    index += 1
        self._require_whole(name, index, items)
        return contexts

    def _require_place(self, name: str | None, found: int, expected: int) -> None:
        if found != expected:
            problem = f"context {name!r}: item {expected:,} is expected, item {found:,} is there"
            raise InvalidInputError(problem, path=str(self._path))

    def _require_whole(self, name: str | None, found: int, items: int) -> None:
        if found != items:
            problem = f"context {name!r} has {found:,} of its {items:,} items here"
            raise InvalidInputError(problem, path=str(self._path))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _values(self, group: int, columns: Sequence[str] = COLUMNS) -> Iterator[dict[str, Any]]:
        try:
            for batch in self._file.iter_batches(
                _BATCH_ROWS, row_groups=[group], columns=list(columns)
            ):
                yield from batch.to_pylist()
        except (OSError, pa.ArrowException) as error:
            problem = f"its row group {group} is damaged: {_first_line(error)}"
            raise InvalidInputError(problem, path=str(self._path)) from error

    def _require_ours(self) -> None:
        schema = self._file.schema_arrow
        found = (schema.metadata or {}).get(FORMAT_KEY, b"")
        if not found.isdigit():
            problem = "this Parquet file was not written by `tierfold export`"
            raise InvalidInputError(problem, path=str(self._path))
        if int(found) > FORMAT:
            raise FormatTooNewError(what=str(self._path), found=int(found), known=FORMAT)
        wrong = [name for name in COLUMNS if name not in schema.names]
        wrong += [
            f.name
            for f in _SCHEMA
            if f.name in schema.names and schema.field(f.name).type != f.type
        ]
        if wrong:
            problem = f"columns are missing or of another type: {', '.join(wrong)}"
            raise InvalidInputError(problem, path=str(self._path))


def _unwritable(path: Path, error: OSError) -> str:
    return f"cannot write {path}: {_reason(error)}"


def _reason(error: OSError) -> str:
    """Return what the system says; Arrow has put a sentence of its own around it."""
    if error.errno:
        return os.strerror(error.errno).lower()
    return _first_line(error).lower()


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
