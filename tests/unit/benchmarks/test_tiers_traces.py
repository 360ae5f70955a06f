from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.tiers_traces import KINDS, data_sources, generated_sources


def written(folder: Path, name: str, keys: list[int], *, has_requests: bool = True) -> None:
    count = range(len(keys))
    columns = {"time": list(count), "key": keys, "size": [1] * len(keys)}
    if has_requests:
        columns |= {"req": list(count), "sess": [0] * len(keys)}
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), folder / f"{name}.parquet")


def test_traces_are_found_by_name_before_they_are_judged_by_content(tmp_path: Path) -> None:
    """What is named is that; only a kind that nobody is named for is looked for in the files."""
    written(tmp_path / "a", "claudecode_other", [1, 2, 3])
    written(tmp_path / "a", "claudecode_other_ctx", [1])
    written(tmp_path / "b", "chat", [1, 2, 3])
    written(tmp_path / "b", "agents", [1] * 20)
    written(tmp_path / "b", "new_oltp", [1, 1], has_requests=False)
    written(tmp_path / "b", "web", [1, 1], has_requests=False)

    found = [(source.kind, source.name) for source in data_sources(tmp_path, quick=True)]
    assert found == [
        ("coding_agent", "claudecode_other"),
        ("mooncake", "chat"),
        ("oltp", "new_oltp"),
    ]


def test_every_kind_can_be_generated() -> None:
    """Without data the bench has a trace of each kind, the same every time."""
    for source in generated_sources(quick=True):
        trace = source.read()
        assert source.kind in KINDS
        assert (trace.key == source.read().key).all()
        assert len(trace) >= 60_000
