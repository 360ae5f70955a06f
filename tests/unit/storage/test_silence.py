import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tierfold.errors import ObjectStoreError, SetupError
from tierfold.storage import open_objects
from tierfold.storage.calls import Calls, CallsClosedError
from tierfold.storage.cloud import CloudObjects, is_panic, require_endpoint

CLOSED_S_MAX = 1.0


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a bucket on a server that accepts connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(16)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "name")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        yield "s3://bucket/folder"


@pytest.mark.parametrize(
    "use",
    [
        lambda objects: objects.get("a"),
        lambda objects: objects.put_new("a", b"x" * 1000),
        lambda objects: list(objects.keys("")),
        lambda objects: objects.delete(["a", "b"]),
    ],
    ids=["get", "put", "list", "delete"],
)
def test_a_silent_cloud_is_left_in_time(silent: str, use: Callable[[CloudObjects], object]) -> None:
    """Whatever is asked, retries included, it ends at the limit and says what happened."""
    objects = open_objects(silent, timeout_s=0.2, retries_max=5)
    began = time.monotonic()
    with pytest.raises(ObjectStoreError, match="does not answer in time") as caught:
        use(objects)  # type: ignore[arg-type]  # it is one
    took_s = time.monotonic() - began
    objects.close()

    assert caught.value.is_silent
    assert 0.2 <= took_s < 0.2 + CLOSED_S_MAX


def test_closing_cuts_off_who_waits_for_a_silent_cloud(silent: str) -> None:
    """A process that ends does not wait for a store that does not answer, and asks no more."""
    objects = open_objects(silent, timeout_s=60)
    failures: list[ObjectStoreError] = []

    def ask() -> None:
        try:
            objects.get("a")
        except ObjectStoreError as error:
            failures.append(error)

    waiting = [threading.Thread(target=ask) for _ in range(3)]
    for each in waiting:
        each.start()
    time.sleep(0.1)
    began = time.monotonic()
    objects.close()
    objects.close()
    for each in waiting:
        each.join()

    assert time.monotonic() - began < CLOSED_S_MAX
    assert ["closed" in str(each) for each in failures] == [True] * 3
    with pytest.raises(ObjectStoreError, match="closed"):
        objects.get("a")


@pytest.mark.parametrize(
    ("url", "name", "value", "says"),
    [
        ("s3://b/f", "AWS_ENDPOINT", "", "AWS_ENDPOINT is empty: unset it, or set it to http"),
        ("s3://b/f", "AWS_ENDPOINT_URL", "localhost:9000", "AWS_ENDPOINT_URL is no address"),
        ("az://b/f", "AZURE_ENDPOINT", "http://", "AZURE_ENDPOINT is no address"),
    ],
)
def test_an_endpoint_that_is_none_is_refused_at_once(
    url: str, name: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would show as a panic at the first use, in a thread that nobody looks at."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SetupError, match=says):
        open_objects(url)
    require_endpoint("gs://b/f", os.environ)


def test_a_panic_of_the_client_is_an_error_like_others(
    silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `BaseException` would end the thread that meets it."""
    objects = open_objects(silent)
    panic = type("PanicException", (BaseException,), {"__module__": "pyo3_runtime"})

    def panicking(*_: object) -> bytes:
        raise panic

    monkeypatch.setattr("tierfold.storage.cloud._get", panicking)
    with pytest.raises(ObjectStoreError, match="its client gave up"):
        objects.get("a")
    monkeypatch.setattr(objects, "_calls", None)

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        objects._done(interrupted)  # type: ignore[attr-defined]  # noqa: SLF001  # its one border
    assert not is_panic(ValueError())


def test_calls_that_were_never_made_are_closed_too() -> None:
    """Nothing was begun, and nothing begins after that."""
    calls = Calls()
    calls.close()

    async def nothing() -> None:
        return None

    with pytest.raises(CallsClosedError):
        calls.run(nothing, 1.0)
