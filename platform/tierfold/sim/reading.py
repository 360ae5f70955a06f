"""Traces from files: Parquet, or CSV whose first line names the columns."""

import operator
from dataclasses import replace
from pathlib import Path
from typing import SupportsIndex, cast

import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

from tierfold.errors import InvalidInputError, TooLargeError
from tierfold.sim.trace import Integers, Trace, checked

ACCESSES_MAX = 50_000_000  # 2 GB of arrays
CSV_BYTES_MAX = 2 << 30
_COLUMNS = {
    "time": ("time",),
    "key": ("key",),
    "size": ("size",),
    "request": ("request", "req"),
    "session": ("session", "sess"),
}
_HEAD_BYTES_MAX = 4096
_SHOWN_MAX = 40  # characters of a wrong value
_WHOLE_MAX = 2**63 - 1
_NEEDED = ("time", "key", "size")


def read_trace(file: str | Path, *, is_lenient: bool = False) -> Trace:
    """Return the trace in a file; raises InvalidInputError that names the row where it can.

    `key` may be text; `request` and `session` (or `req`, `sess`) may be left out. What lenient
    lets pass stands with `checked`.
    """
    path = Path(file)
    if not path.is_file():
        problem = "there is no such file" if not path.exists() else "it is not a file"
        raise InvalidInputError(problem, path=str(path))
    table = _table(path)
    _check_limit("accesses", path, len(table), ACCESSES_MAX)
    columns = {name: _integers(path, name, table[name]) for name in table.column_names}
    return replace(checked(str(path), columns, is_lenient=is_lenient), name=path.stem)


def _table(path: Path) -> pa.Table:
    """Return the columns that are there under our names."""
    try:
        return _read_parquet(path) if _is_parquet(path) else _read_csv(path)
    except (pa.ArrowException, OSError) as error:
        first_line = str(error).partition("\n")[0]
        problem = f"it cannot be read: {first_line}"
        raise InvalidInputError(problem, path=str(path)) from error


def _check_limit(what: str, path: Path, size: int, limit: int) -> None:
    if size > limit:
        named = f"{what} in {path}"
        raise TooLargeError(named, size=size, limit=limit)


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _read_parquet(path: Path) -> pa.Table:
    with parquet.ParquetFile(path) as file:
        _check_limit("accesses", path, file.metadata.num_rows, ACCESSES_MAX)
        chosen = _chosen(path, file.schema_arrow.names)
        return (
            file.read(columns=list(chosen.values()))
            .select(list(chosen.values()))
            .rename_columns(list(chosen))
        )


def _read_csv(path: Path) -> pa.Table:
    _check_limit("bytes", path, path.stat().st_size, CSV_BYTES_MAX)
    with path.open("rb") as file:
        head = file.readline(_HEAD_BYTES_MAX).decode("utf-8-sig", "replace").strip()
    names = [name.strip().strip('"') for name in head.split(",")] if head else []
    chosen = _chosen(path, names)
    reading = csv.ReadOptions(column_names=names, skip_rows=1)
    # As text: a number that is none must be found with its row.
    converting = csv.ConvertOptions(
        include_columns=list(chosen.values()),
        column_types=dict.fromkeys(names, pa.string()),
        strings_can_be_null=False,
    )
    return csv.read_csv(path, reading, convert_options=converting).rename_columns(list(chosen))


def _chosen(path: Path, names: list[str]) -> dict[str, str]:
    """Return our name and the file's for each column that is there."""
    chosen = {
        name: next(spelling for spelling in spellings if spelling in names)
        for name, spellings in _COLUMNS.items()
        if not set(spellings).isdisjoint(names)
    }
    missing = [name for name in _NEEDED if name not in chosen]
    if missing:
        has = f"; it has {', '.join(names)[:200]}" if names else ", and no other"
        problem = f"there is no column {', '.join(missing)}{has}"
        raise InvalidInputError(problem, path=str(path))
    return chosen


def _integers(path: Path, name: str, column: pa.ChunkedArray) -> Integers:
    if column.null_count:
        row = int(np.argmax(column.is_null().to_numpy()))
        problem = f"{name} is missing"
        raise InvalidInputError(problem, path=f"{path}: row {row + 1}")
    try:
        whole: Integers = column.cast(pa.int64()).to_numpy()
    except pa.ArrowException:
        if name == "key":
            return _numbered(path, column)
        values = column.to_pylist()
        return np.array([_whole(path, name, *each) for each in enumerate(values)], np.int64)
    return whole


def _numbered(path: Path, column: pa.ChunkedArray) -> Integers:
    """Return a number for each key, in the order in which they first come."""
    try:
        encoded = column.combine_chunks().dictionary_encode()
    except pa.ArrowException as error:
        problem = f"key is of the type {column.type}; give numbers or texts"
        raise InvalidInputError(problem, path=str(path)) from error
    return encoded.indices.to_numpy().astype(np.int64)  # type: ignore[no-any-return]


def _whole(path: Path, name: str, row: int, value: object) -> int:
    try:
        number = (
            int(value) if isinstance(value, str) else operator.index(cast(SupportsIndex, value))
        )
    except (ValueError, TypeError):
        number = _WHOLE_MAX + 1
    if abs(number) > _WHOLE_MAX:
        problem = f"{name} is {str(value)[:_SHOWN_MAX]!r}; give a whole number below 2**63"
        raise InvalidInputError(problem, path=f"{path}: row {row + 1}")
    return number
