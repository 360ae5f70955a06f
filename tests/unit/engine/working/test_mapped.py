"""L1: working sets as mapped files."""

import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.engine.working.contexts import (
    KEY,
    PARTS,
    QUESTION,
    TEXTS,
    assert_same_loaded,
    bodies_of,
    built,
    chat,
    document,
    info_of,
    rows,
)
from tierfold.config import Settings
from tierfold.context import Answer, Budget, Document, Request
from tierfold.engine import Engine, FakeClock
from tierfold.engine.contents import Contents, document_contents, text_contents
from tierfold.engine.working import Loaded, SharedFolder, build, extended, map_shared
from tierfold.engine.working.arrays import encoded, mapped
from tierfold.errors import CorruptError, SetupError

CONTEXTS = st.one_of(
    rows().map(chat),
    PARTS.map(document),
    st.lists(TEXTS, max_size=8).map(lambda texts: document_contents(Document(text="".join(texts)))),
)
TEXT = text_contents("Some words about the budget. \n" * 40)


@pytest.fixture
def folder(tmp_path: Path) -> SharedFolder:
    return SharedFolder(tmp_path / "shared", bytes_max=1 << 20)


def written(folder: SharedFolder, contents: Contents) -> tuple[Path, Loaded]:
    loaded = built(contents)
    path = folder.write(KEY.digest, loaded, bodies_of(contents.items))
    assert path is not None
    return path, loaded


def answer_of(loaded: Loaded) -> Answer:
    engine = Engine(settings=Settings(), clock=FakeClock())
    request = Request(sources=loaded.prepared.sources, ask=QUESTION, budget=Budget(min_quality=0.5))
    return engine.answer(request, prepared=loaded.prepared)


@settings(max_examples=60)
@given(contents=CONTEXTS)
def test_what_is_mapped_equals_what_was_built(
    contents: Contents, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Every array and the answers are the same, and so they stay when items are appended."""
    folder = SharedFolder(tmp_path_factory.mktemp("shared"), bytes_max=1 << 24)
    path, loaded = written(folder, contents)
    found = map_shared(path, loaded.info)

    assert found.size_bytes == loaded.size_bytes
    assert answer_of(found) == answer_of(loaded)
    assert_same_loaded(found, loaded)
    longer = replace(contents, items=(*contents.items, *contents.items[:2]))
    info, more = info_of(contents.shape, len(longer.items)), bodies_of(contents.items[:2])
    assert_same_loaded(extended(map_shared(path, loaded.info), info, more), built(longer))


def test_what_is_mapped_is_not_copied(folder: SharedFolder) -> None:
    """Arrays are read-only views of the file."""
    path, loaded = written(folder, TEXT)
    found = map_shared(path, loaded.info).prepared

    for array in (found.intake.units.start, found.working().postings.vectors):
        assert not array.flags.owndata
        assert not array.flags.writeable


def test_a_map_outlives_its_file(folder: SharedFolder) -> None:
    """Whoever has mapped a version may go on with it after it was removed."""
    path, loaded = written(folder, TEXT)
    found = map_shared(path, loaded.info)
    size_bytes = path.stat().st_size

    assert folder.remove(KEY.digest) == size_bytes
    assert not path.exists()
    assert_same_loaded(found, loaded)


def _truncated(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _emptied(data: bytes) -> bytes:
    del data
    return b""


def _foreign(data: bytes) -> bytes:
    del data
    return b"ARROW1\x00\x00 but nothing of the kind" * 10


def _of_other_format(data: bytes) -> bytes:
    return data.replace(b'{"format":1,', b'{"format":9,')


def _without_an_array(data: bytes) -> bytes:
    return data.replace(b"block_start", b"block_other")


def _with_other_arrays(data: bytes) -> bytes:
    del data
    return bytes(encoded({"text": np.zeros(3, np.uint8)}, {"version": 1}))


@pytest.mark.parametrize(
    "damage",
    [_truncated, _emptied, _foreign, _of_other_format, _without_an_array, _with_other_arrays],
)
def test_a_file_that_is_not_whole_is_refused(
    folder: SharedFolder, damage: Callable[[bytes], bytes]
) -> None:
    """The caller goes on with the tier below."""
    path, loaded = written(folder, TEXT)
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(CorruptError, match="mapped working set"):
        map_shared(path, loaded.info)


def test_a_file_of_another_version_is_refused(folder: SharedFolder) -> None:
    """A name that leads to another state must not bring it back."""
    path, loaded = written(folder, TEXT)
    other = replace(loaded.info, head=replace(loaded.info.head, version=99))

    with pytest.raises(CorruptError, match="version 99"):
        map_shared(path, other)
    with pytest.raises(CorruptError):
        map_shared(path.with_name("gone"), loaded.info)


@pytest.mark.parametrize("shape", [[9], [-1], [1, 1, 1], [4, 4]])
def test_shapes_beyond_the_bytes_are_refused(tmp_path: Path, shape: list[int]) -> None:
    """No view reaches into another array."""
    columns = {
        "name": pa.array(["a"]),
        "type": pa.array(["<i8"]),
        "shape": pa.array([shape], pa.list_(pa.int64())),
        "data": pa.array([bytes(64)], pa.large_binary()),
    }
    batch = pa.record_batch(columns).replace_schema_metadata({b"tierfold.working": b'{"format":1}'})
    path = tmp_path / "file"
    with pa.ipc.new_file(str(path), batch.schema) as writer:
        writer.write_batch(batch)

    with pytest.raises(CorruptError):
        mapped(path)


def test_without_a_digest_there_are_no_handles(folder: SharedFolder) -> None:
    """Who builds without naming the context gets no places, mapped or not."""
    bodies = bodies_of(TEXT.items)
    info = info_of(TEXT.shape, len(bodies))
    loaded = build(info, bodies, tokenizer="cl100k")
    path = folder.write(KEY.digest, loaded, bodies)

    assert path is not None
    found = map_shared(path, info)
    assert found.prepared.places is None
    assert found.prepared.tokenizer == "cl100k"
    assert extended(found, info_of(TEXT.shape, 2 * len(bodies)), bodies).prepared.places is None


def test_the_folder_is_for_its_owner_alone(folder: SharedFolder) -> None:
    """What is mapped is believed, so nobody else may write it, and texts are private."""
    path, _ = written(folder, TEXT)

    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_folder_of_others_is_refused(tmp_path: Path) -> None:
    """The node's shared memory is open to all: a name taken there may be a trap."""
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "target")
    (tmp_path / "target").mkdir(mode=0o700)

    for path in (open_to_all, link):
        with pytest.raises(SetupError, match="0700"):
            SharedFolder(path, bytes_max=1)


def test_a_newer_version_takes_the_place_of_the_older(folder: SharedFolder) -> None:
    """There is one file per context and tokenizer, found by its exact version."""
    first, loaded = written(folder, TEXT)
    newer = replace(loaded.info, head=replace(loaded.info.head, version=77))
    second = folder.write(KEY.digest, replace(loaded, info=newer), bodies_of(TEXT.items))

    assert folder.find(KEY.digest, "o200k", newer) == second
    assert folder.find(KEY.digest, "o200k", loaded.info) is None
    assert not first.exists()
    (only,) = folder.files()
    assert (only.path, only.digest) == (second, KEY.digest)
    assert only.size_bytes == folder.size_bytes() > 0


def test_what_does_not_fit_is_not_written(tmp_path: Path) -> None:
    """L1 is a cache: without room the tier below answers."""
    small = SharedFolder(tmp_path / "small", bytes_max=10)

    assert small.write(KEY.digest, built(TEXT), bodies_of(TEXT.items)) is None
    assert list(small.path.iterdir()) == []


def test_a_full_disk_leaves_nothing_behind(
    folder: SharedFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file half written is removed, and nobody sees it."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)

    assert folder.write(KEY.digest, built(TEXT), bodies_of(TEXT.items)) is None
    assert list(folder.path.iterdir()) == []


def test_what_a_dead_process_left_is_swept(folder: SharedFolder) -> None:
    """Half a file goes, of two versions the one written last stays, strangers are left alone."""
    path, _ = written(folder, TEXT)
    (folder.path / ".new-half").write_bytes(b"half")
    (folder.path / "README").write_text("not ours")
    old = path.with_name(f"{KEY.digest.hex()}-o200k-1-{'00' * 16}.arrow")
    old.write_bytes(b"old")
    os.utime(old, ns=(1, 1))

    folder.sweep()

    assert {each.name for each in folder.path.iterdir()} == {path.name, "README"}
    (folder.path / "stranger.arrow").write_bytes(b"")
    assert [each.path for each in folder.files()] == [path]
