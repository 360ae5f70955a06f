import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from tests.unit.client.fake_server import FakeServer


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep a person's own store and server out of the tests."""
    monkeypatch.delenv("TIERFOLD_URL", raising=False)
    monkeypatch.delenv("TIERFOLD_API_KEY", raising=False)
    monkeypatch.delenv("TIERFOLD_OBJECTS", raising=False)
    monkeypatch.setenv("TIERFOLD_STORE", os.fspath(tmp_path / "store"))


@pytest.fixture
def server() -> FakeServer:
    """What the server keeps."""
    return FakeServer()


@pytest.fixture
def url(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server on a port of this machine, named in the environment."""

    class Handler(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65_537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            content = self.rfile.read(int(self.headers.get("content-length", 0)))
            request = httpx.Request(
                self.command,
                f"http://{self.headers['host']}{self.path}",
                headers=list(self.headers.items()),
                content=content,
            )
            reply = server(request)
            self.send_response(reply.status_code)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.content)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        address = f"http://127.0.0.1:{listening.server_port}"
        monkeypatch.setenv("TIERFOLD_URL", address)
        try:
            yield address
        finally:
            listening.shutdown()
            thread.join()
