from pathlib import Path

import pytest

from tierfold.config import Settings
from tierfold.context.identity import ContextKey
from tierfold.context.manifest import Shape
from tierfold.engine.shard.opening import ShardHome, open_shard
from tierfold.engine.shard.operations import Changed, Create, GetInfo
from tierfold.errors import SetupError, UnknownContextError

KEY = ContextKey("local", "trip")
SETTINGS = Settings()


def home(folder: Path, *, shards: int = 1) -> ShardHome:
    return ShardHome(
        store=str(folder), name="shard-00", shards=shards, objects=f"file://{folder}/objects"
    )


def test_a_shard_that_is_opened_again_has_everything(tmp_path: Path) -> None:
    """What was acknowledged is on its disk."""
    shard = open_shard(home(tmp_path), settings=SETTINGS)
    (created,) = shard.call([Create(context=KEY, shape=Shape.MESSAGES)])
    shard.close()
    shard.close()
    again = open_shard(home(tmp_path), settings=SETTINGS)
    (found,) = again.call([GetInfo(context=KEY)])
    again.close()

    assert isinstance(created, Changed)
    assert found == created.info


def test_another_number_of_shards_is_refused_and_the_folder_is_free_again(tmp_path: Path) -> None:
    """Placement would look for contexts where they are not."""
    open_shard(home(tmp_path), settings=SETTINGS).close()

    with pytest.raises(SetupError, match="was made with 1 shards, not 2"):
        open_shard(home(tmp_path, shards=2), settings=SETTINGS)
    again = open_shard(home(tmp_path), settings=SETTINGS)
    (found,) = again.call([GetInfo(context=KEY)])
    again.close()

    assert isinstance(found, UnknownContextError)


def test_memory_is_given_back_when_a_shard_is_closed(tmp_path: Path) -> None:
    """Mapped working sets lie in memory, and are quickly made again."""
    where = home(tmp_path)
    shard = open_shard(where, settings=SETTINGS)
    was_there = where.shared_folder.is_dir()
    shard.close()

    assert was_there
    assert not where.shared_folder.exists()
    assert where.shared_folder != home(tmp_path / "other").shared_folder


def test_without_shared_memory_working_sets_are_mapped_from_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not every system has /dev/shm; and their folder is not taken for a shard's."""
    monkeypatch.setattr("tierfold.engine.shard.opening._SHARED_MEMORY", tmp_path / "nowhere")

    folder = home(tmp_path).shared_folder
    assert folder.parent == tmp_path
    assert not folder.name.startswith("shard-")
