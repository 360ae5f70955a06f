import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from obstore.exceptions import GenericError, PermissionDeniedError

from tests.unit.storage.object_rules import RULES
from tierfold.errors import InvalidInputError, ObjectStoreError
from tierfold.ports import Objects
from tierfold.storage import FaultyObjects, MemoryObjects, open_objects
from tierfold.storage.cloud import problem_of
from tierfold.storage.files import FileObjects


@pytest.fixture(params=["memory", "file", "faulty"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    if request.param == "faulty":
        return FaultyObjects(MemoryObjects())
    return open_objects(f"file://{tmp_path}/o%20o" if request.param == "file" else "memory://")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_an_object_store_keeps_its_rules(objects: Objects, rule: Callable[[Objects], None]) -> None:
    """Every adapter does the same; see `object_rules`."""
    rule(objects)
    objects.close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://x/y", "'ftp'; known are: file://, s3://, gs://, az://, memory://"),
        ("some/folder", "did you mean file:///"),
        ("/var/x", "did you mean file:///var/x?"),
        ("s3://", "the bucket is missing"),
        ("s3://key:secret@bucket/x", "no credentials"),
        ("az://account/x?sig=secret", "no credentials"),
        ("file://relative/path", "file:///var/contexts"),
    ],
)
def test_an_address_that_is_none_is_refused(url: str, says: str) -> None:
    """The message says what is known, and repeats no secret."""
    with pytest.raises(InvalidInputError) as caught:
        open_objects(url)

    assert says in str(caught.value)
    assert "secret" not in str(caught.value)


def test_files_and_folders_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object is on the disk before its name is, and its name before the answer."""
    objects = FileObjects(tmp_path)
    done: list[str] = []
    sync, link = os.fsync, os.link

    def fsync(file: int) -> None:
        done.append("sync folder" if os.path.isdir(file) else "sync file")  # noqa: PTH112
        sync(file)

    def linked(source: str, target: Path) -> None:
        done.append("link")
        link(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "link", linked)
    objects.put_new("a/b", b"x")

    assert sorted(done[:2]) == ["sync file", "sync folder"]  # the object, and its new folder's name
    assert done[2:] == ["link", "sync folder"]


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills up while an object arrives shows no part of it."""
    objects = FileObjects(tmp_path)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ObjectStoreError, match="No space left"):
        objects.put_new("b", b"x")
    monkeypatch.undo()

    assert objects.get("b") is None
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == []


def test_what_a_dead_writer_left_is_removed(tmp_path: Path) -> None:
    """A file that still arrives is locked by its writer; one that is not will never arrive."""
    FileObjects(tmp_path)
    dead, alive = tmp_path / ".arriving/dead", tmp_path / ".arriving/alive"
    dead.write_bytes(b"x")
    with alive.open("wb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        objects = FileObjects(tmp_path)

    assert not dead.exists()
    assert alive.exists()
    assert list(objects.keys("")) == []


def test_folders_go_with_their_last_object(tmp_path: Path) -> None:
    """Deleted contexts leave no empty folders behind, and the root stays."""
    objects = FileObjects(tmp_path)
    objects.put_new("a/b/c", b"x")
    objects.put_new("a/d", b"x")
    objects.delete(["a/b/c"])

    assert not (tmp_path / "a/b").exists()
    objects.delete(["a/d"])
    assert [each.name for each in tmp_path.iterdir()] == [".arriving"]


def test_a_folder_removed_meanwhile_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may delete the last object of a folder just before one is added."""
    objects = FileObjects(tmp_path)
    link, failures = os.link, [1, 1]

    def linked(source: str, target: Path) -> None:
        if failures:
            failures.pop()
            target.parent.rmdir()
        link(source, target)

    monkeypatch.setattr(os, "link", linked)

    assert objects.put_new("a/b", b"x")
    assert objects.get("a/b") == b"x"


def test_a_disk_that_has_gone_is_no_empty_store(tmp_path: Path) -> None:
    """An object is called absent only where the store itself is there."""
    objects = FileObjects(tmp_path / "o")
    (tmp_path / "o").rename(tmp_path / "elsewhere")

    with pytest.raises(ObjectStoreError, match="its folder has gone"):
        objects.get("a")
    with pytest.raises(ObjectStoreError, match="its folder has gone"):
        objects.keys("")


def test_a_key_below_an_object_is_refused(tmp_path: Path) -> None:
    """Files cannot do what buckets can: the failure is one of the store's own kind."""
    objects = FileObjects(tmp_path)
    objects.put_new("a", b"x")

    with pytest.raises(ObjectStoreError):
        objects.put_new("a/b", b"x")
    assert objects.get("a/b") is None


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A wrong path shows when the store is opened, not at its first use."""
    (tmp_path / "file").write_bytes(b"x")

    with pytest.raises(ObjectStoreError, match="file"):
        FileObjects(tmp_path / "file/folder")


def test_an_unreachable_cloud_says_so_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries are bounded, and no credential is in the message."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "name")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    objects = open_objects("s3://bucket/folder/", timeout_s=2, retries_max=1)

    assert objects.url == "s3://bucket/folder"
    for use in (
        lambda: objects.get("a"),
        lambda: list(objects.keys("")),
        lambda: objects.delete(["a"]),
    ):
        with pytest.raises(ObjectStoreError, match="cannot be reached") as caught:
            use()
        assert "secret" not in repr(caught.value)
        assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (PermissionDeniedError("x"), "refuses our credentials"),
        (FileNotFoundError("x"), "does not exist"),
        (GenericError("error sending request, status: 503 https://x?sig=secret"), "status 503"),
        (GenericError("operation timed out"), "in time"),
    ],
)
def test_what_the_cloud_says_is_told_in_our_words(error: Exception, says: str) -> None:
    """The client's own text may hold signed addresses, and is never repeated."""
    told = problem_of(error)

    assert says in told
    assert "secret" not in told
