from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from tierfold.errors import InvalidInputError, TooLargeError
from tierfold.sim import reading
from tierfold.sim.reading import read_trace


def written(folder: Path, text: str) -> Path:
    path = folder / "t.csv"
    path.write_text(text, "utf-8")
    return path


def packed(folder: Path, **columns: Any) -> Path:
    path = folder / "t.parquet"
    parquet.write_table(pa.table(columns), path)
    return path


def test_parquet_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """The short names of requests and sessions are understood; other columns are none of ours."""
    path = packed(
        tmp_path,
        key=pa.array([4, 9, 4], pa.uint32()),
        time=pa.array([1, 1, 2], pa.uint64()),
        other=["a", "b", "c"],
        size=[5, 6, 7],
        req=[0, 0, 1],
        sess=[8, 8, 8],
    )
    trace = read_trace(path)

    assert (trace.name, trace.key.tolist(), trace.size.tolist()) == ("t", [4, 9, 4], [5, 6, 7])
    assert (trace.time.tolist(), trace.request.tolist()) == ([1, 1, 2], [0, 0, 1])
    assert trace.session.tolist() == [8, 8, 8]


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("time,key,size\n0,7,1\n1,8,1\n2,7,1\n", [7, 8, 7]),
        ("\ufefftime,size,key\n0,1,/a\n1,1,/b\n2,1,/a\n", [0, 1, 0]),
        ('"time", key ,size,x\n0,a b,1,\n 1 ,,1,\n2,a b,1,\n', [0, 1, 0]),
        ("time,key,size\n0,99999999999999999999,1\n1,3,1\n", [0, 1]),
    ],
)
def test_csv_has_its_columns_in_any_order_and_keys_of_any_kind(
    tmp_path: Path, text: str, keys: list[int]
) -> None:
    """Keys are often paths or hashes: only whether they are the same counts."""
    assert read_trace(written(tmp_path, text)).key.tolist() == keys


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no column time, key, size, and no other"),
        ("time,key\n1,2\n", "there is no column size; it has time, key"),
        ("1,2,3\n4,5,6\n", "there is no column time, key, size; it has 1, 2, 3"),
        ("time,key,size\n", "there are no rows"),
        ("time,key,size\n0,1,1\n1,2,big\n", "row 2: size is 'big'; give a whole number"),
        ("time,key,size\n0,1,1.5\n", "row 1: size is '1.5'"),
        ("time,key,size\n,1,1\n", "row 1: time is ''"),
        ("time,key,size\n0,1,99999999999999999999\n", "row 1: size is '99999999999999999999'"),
        ("time,key,size\n0,1,-3\n", "row 1: size is -3"),
        ("time,key,size\n0,1\n", "it cannot be read"),
        ("time,key,size\n9,1,1\n8,1,1\n", "row 2: the clock goes back from 9 to 8"),
    ],
)
def test_a_file_that_is_no_trace_is_refused_with_its_row(
    tmp_path: Path, text: str, said: str
) -> None:
    """The message names file and row, so that it can be mended without a search."""
    path = written(tmp_path, text)
    with pytest.raises(InvalidInputError) as refused:
        read_trace(path)

    assert str(refused.value).startswith(f"{path}: ")
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"time": [0, 1], "key": [1, None], "size": [1, 1]}, "row 2: key is missing"),
        ({"time": [0.5], "key": [1], "size": [1]}, "row 1: time is '0.5'"),
        ({"time": [0], "key": [[1]], "size": [1]}, "key is of the type list"),
        ({"time": [0], "key": [1]}, "there is no column size; it has time, key"),
    ],
)
def test_parquet_that_is_no_trace_is_refused(
    tmp_path: Path, columns: dict[str, Any], said: str
) -> None:
    """Wrong types and gaps are found before anything is replayed."""
    with pytest.raises(InvalidInputError, match=said):
        read_trace(packed(tmp_path, **columns))


def test_what_is_no_file_or_broken_is_refused(tmp_path: Path) -> None:
    """A typing error in the name is the usual case."""
    broken = tmp_path / "b.parquet"
    broken.write_bytes(b"PAR1 and nothing else")

    with pytest.raises(InvalidInputError, match="there is no such file"):
        read_trace(tmp_path / "none.csv")
    with pytest.raises(InvalidInputError, match="it is not a file"):
        read_trace(tmp_path)
    with pytest.raises(InvalidInputError, match="it cannot be read"):
        read_trace(broken)


def test_files_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trace that does not fit into memory is refused before it is tried."""
    monkeypatch.setattr(reading, "ACCESSES_MAX", 2)
    row = "0,1,1\n"
    with pytest.raises(TooLargeError, match="accesses in"):
        read_trace(written(tmp_path, f"time,key,size\n{row * 3}"))
    with pytest.raises(TooLargeError, match="accesses in"):
        read_trace(packed(tmp_path, time=[0] * 3, key=[1] * 3, size=[1] * 3))
    monkeypatch.setattr(reading, "CSV_BYTES_MAX", 5)
    with pytest.raises(TooLargeError, match="bytes in"):
        read_trace(written(tmp_path, f"time,key,size\n{row}"))
