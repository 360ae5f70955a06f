import hashlib
import os
import signal
from collections.abc import Iterator

import httpx
import pytest

pytest.importorskip("ray")

from tests.ray.server import KEY, Up
from tierfold.cli.keyfile import KEYS_FILE_VARIABLE


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """The one server of the whole run; it asks for KEY."""
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(f"acme:{hashlib.sha256(KEY.encode()).hexdigest()}\n")
    keys.chmod(0o600)
    up = Up({**os.environ, KEYS_FILE_VARIABLE: str(keys)}).start()
    yield up
    assert up.stop(signal.SIGTERM) == 0


@pytest.fixture
def client(server: Up) -> Iterator[httpx.Client]:
    """A caller with a key."""
    headers = {"authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as client:
        yield client
