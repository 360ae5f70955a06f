"""What the server writes down, read as its operator would read it."""

import json
from pathlib import Path

import httpx

from tests.ray.server import KEY, Up, wait_until

SECRET = "The lease is void, and nobody but the two of us may know."
WRONG_KEY = "a-key-that-nobody-has"
BODY = {"sources": [{"text": f"It rained. {SECRET} Lunch was at one."}], "ask": SECRET}
ROWS = {"messages": [{"role": "user", "content": SECRET}], "token_budget": 5}
LARGE = {**BODY, "sources": [*BODY["sources"], {"text": "It rained all day.\n" * 80_000}]}


def holders(folder: Path, *secrets: str) -> set[str]:
    """Return the files below the folder in which one of the secrets stands."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 10  # Ray's own logs are among them
    wanted = [each.encode() for each in secrets]
    return {path.name for path in files if any(each in path.read_bytes() for each in wanted)}


def test_no_file_of_the_server_holds_a_key_or_a_text(server: Up, client: httpx.Client) -> None:
    """Logs outlive requests, and more people read them."""
    with httpx.Client(
        base_url=server.url, headers={"authorization": f"Bearer {WRONG_KEY}"}
    ) as other:
        statuses = [
            client.post("/v1/process", json=BODY).status_code,
            client.post(
                "/v1/process", json=BODY, headers={"accept": "text/event-stream"}
            ).status_code,
            client.post("/v1/process", json=LARGE).status_code,
            client.post("/v1/compress", json=ROWS).status_code,
            client.post("/v1/process", content=json.dumps(BODY)[:-1]).status_code,
            client.post("/v1/process", json={"sources": SECRET}).status_code,
            other.post("/v1/process", json=BODY).status_code,
            client.get(f"/{WRONG_KEY}").status_code,
        ]

    assert statuses == [200, 200, 200, 200, 422, 422, 401, 404]
    # Logs are written late: a secret that comes at all comes within a second.
    assert not wait_until(lambda: bool(holders(server.folder(), SECRET, KEY)), within_s=1)
    assert holders(server.folder(), SECRET, KEY, WRONG_KEY) == set()
