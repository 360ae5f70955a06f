import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count

import httpx
import pytest

import tierfold
from tests.unit.storage.object_rules import RULES
from tierfold.errors import ObjectStoreError
from tierfold.ports import Objects
from tierfold.storage import open_objects

START_S_MAX = 30
NUMBERS = count()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/moto-api/data.json", timeout=2).is_success
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            end = time.monotonic() + START_S_MAX
            while not is_up(url):
                assert server.poll() is None
                assert time.monotonic() < end
                time.sleep(0.1)
            yield url
        finally:
            server.terminate()


@pytest.fixture
def bucket(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the address of a folder in a fresh bucket."""
    name = f"contexts-{next(NUMBERS)}"
    httpx.put(f"{s3_url}/{name}").raise_for_status()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "name")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_url)
    return f"s3://{name}/some/folder"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_s3_keeps_the_rules_of_object_stores(bucket: str, rule: Callable[[Objects], None]) -> None:
    """What the folder and the memory do, a bucket does: create-only above all."""
    objects = open_objects(bucket)
    rule(objects)
    objects.close()


def test_a_missing_bucket_is_named(bucket: str) -> None:
    """A typing error shows as the store's address, without credentials."""
    objects = open_objects(bucket.replace("contexts", "nothing"), retries_max=0)

    with pytest.raises(ObjectStoreError, match=r"s3://nothing-\d+/some/folder: ") as caught:
        objects.put_new("a", b"x")
    assert "secret" not in repr(caught.value)


def test_keys_are_listed_beyond_one_page(bucket: str) -> None:
    """S3 answers with 1,000 keys at a time; obstore with 50."""
    objects = open_objects(bucket)
    keys = [f"t/{number:04d}" for number in range(120)]
    for key in keys:
        objects.put_new(key, b"x")

    assert list(objects.keys("t/")) == keys
    objects.delete(keys)
    assert list(objects.keys("")) == []


def test_a_backup_in_a_bucket_is_put_once_and_comes_back(bucket: str) -> None:
    """What was tried with folders holds for S3: create-only, listed in order, deleted together."""
    with tierfold.open(":memory:") as store:
        for at in range(20):
            store.create(f"c{at:02}", messages=[{"role": "user", "content": f"row {at}"}])
        first = store.backup(bucket)
        second = store.backup(bucket)
        assert (first.new_packs, second.new_packs, second.reused_packs) == (1, 0, 1)
        assert store.verify_backup(second.backup.id, at=bucket).damaged == ()
        assert store.delete_backup(first.backup.id, at=bucket).removed == 0
        store.delete("c07")
        restored = store.restore(second.backup.id, at=bucket)
        assert (restored.restored, restored.identical) == (1, 19)
        assert store.delete_backup(second.backup.id, at=bucket).removed == 3
        assert store.backups(bucket) == []
