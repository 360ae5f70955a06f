import hashlib
import os
import signal
from collections.abc import Iterator

import httpx
import pytest

pytest.importorskip("ray")

from tests.ray.server import KEY, OTHER_KEY, Up
from tierfold.cli.keyfile import KEYS_FILE_VARIABLE


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """The one server of the whole run; it asks for KEY, or for the key of another tenant."""
    keys = tmp_path_factory.mktemp("keys") / "keys"
    tenants = {"acme": KEY, "other": OTHER_KEY}
    lines = [f"{name}:{hashlib.sha256(key.encode()).hexdigest()}" for name, key in tenants.items()]
    keys.write_text("\n".join(lines) + "\n")
    keys.chmod(0o600)
    store = tmp_path_factory.mktemp("store")
    environment = {**os.environ, KEYS_FILE_VARIABLE: str(keys)}
    up = Up(environment, options=["--store", str(store)]).start()
    yield up
    assert up.stop(signal.SIGTERM) == 0


@pytest.fixture
def client(server: Up) -> Iterator[httpx.Client]:
    """A caller with a key."""
    headers = {"authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as client:
        yield client


@pytest.fixture
def other(server: Up) -> Iterator[httpx.Client]:
    """A caller of another tenant."""
    headers = {"authorization": f"Bearer {OTHER_KEY}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as client:
        yield client
