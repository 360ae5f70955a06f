"""Stored contexts over the real ingress, with real kills."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.ray.server import TIERFOLD, Up, wait_until
from tierfold.cli.ports import process_name

ROOT = Path(__file__).parents[2]
ROWS = [
    {
        "role": "user" if number % 2 else "assistant",
        "content": f"Line {number}: the warehouse in Ghent counted {number * 7} boxes. " * 3,
    }
    for number in range(60)
]
NEEDLE = "The signature under the lease is Mrs. Okonkwo's."
ROWS[23]["content"] = NEEDLE
ASK = {"ask": "Who signed the lease?", "budget": {"max_tokens": 200}}


@pytest.fixture
def trip(client: httpx.Client) -> Iterator[str]:
    """The path of a context with ROWS; gone after the test."""
    created = client.post("/v1/contexts", json={"messages": ROWS})
    assert created.status_code == 201, created.text
    path = created.headers["location"]
    yield path
    client.delete(path)


def test_a_context_lasts_from_the_first_row_to_its_removal(client: httpx.Client) -> None:
    """Made, added to, asked, read, removed; over the real ingress."""
    created = client.post("/v1/contexts", json={"messages": ROWS[:30], "title": "Ghent"})
    path = created.headers["location"]
    added = client.post(
        f"{path}/items", json={"messages": ROWS[30:]}, headers={"if-match": created.headers["etag"]}
    )
    asked = [client.post(f"{path}/process", json=ASK) for _ in range(2)]
    items = client.get(f"{path}/items?start=-1").json()
    removed = client.delete(path, headers={"if-match": added.headers["etag"]})

    answer = asked[1].json()
    assert (created.status_code, added.status_code, removed.status_code) == (201, 200, 200)
    assert NEEDLE in json.dumps(answer["sources"])
    assert asked[1].headers["x-tierfold-tier"] == "L0"
    assert asked[1].headers["etag"] == '"2"'
    assert (items["data"], items["total"]) == ([ROWS[-1]], 60)
    assert client.get(path).status_code == 404


def test_what_was_left_out_is_brought_back(client: httpx.Client, trip: str) -> None:
    """Byte for byte, by the handle in the answer."""
    run = client.post(f"{trip}/process", json=ASK).json()["left_out"][0]
    found = client.get(f"/v1/handles/{run['handle']}").json()

    whole = ROWS[run["message"]]["content"]
    text = found.get("text") or found["messages"][0]["content"]
    assert text in {whole, whole[run["start"] : run["end"]]}


def test_a_search_finds_an_item_and_its_handle_brings_it_back(
    client: httpx.Client, trip: str
) -> None:
    """Whether or not it is in the index yet."""

    def hits() -> Any:
        return client.post("/v1/search", json={"query": "signature lease"}).json()["data"]

    assert wait_until(lambda: bool(hits()), within_s=20)
    hit = hits()[0]
    assert trip.endswith(hit["context"])
    assert hit["item"] == 23
    assert NEEDLE in client.get(f"/v1/handles/{hit['handle']}").text


def test_tenants_never_meet(client: httpx.Client, other: httpx.Client, trip: str) -> None:
    """No context, item, handle or hit of one is the other's."""
    handle = client.post(f"{trip}/process", json=ASK).json()["left_out"][0]["handle"]
    seen = [
        other.get(trip),
        other.get(f"{trip}/items"),
        other.post(f"{trip}/process", json=ASK),
        other.get(f"/v1/handles/{handle}"),
        other.delete(trip),
        other.post(f"{trip}/items", json={"messages": ROWS[:1]}),
    ]

    assert {response.status_code for response in seen} == {404}
    assert other.get("/v1/contexts").json()["data"] == []
    assert other.post("/v1/search", json={"query": "signature lease"}).json()["data"] == []
    assert [each["id"] for each in client.get("/v1/contexts").json()["data"]]


def test_an_item_of_10_mb_is_stored_and_one_of_100_mb_refused(client: httpx.Client) -> None:
    """Split on the way in, joined on the way out; livez is not what this test is about."""
    row = {"role": "tool", "tool_call_id": "c", "content": "0123456789" * 1_000_000}
    created = client.post("/v1/contexts", json={"messages": [row]})
    path = created.headers["location"]
    found = client.get(f"{path}/items").json()["data"]
    refused = client.post("/v1/contexts", content=b'{"text": "' + b"x" * 100_000_000 + b'"}')
    client.delete(path)

    assert created.status_code == 201
    assert found == [row]
    assert refused.status_code == 413


def shard_pid(server: Up) -> int | None:
    """Return the process of the server's shard."""
    for pid in server.processes():
        if process_name(pid).startswith("ray::ShardActor"):
            return pid
    return None


def test_a_shard_that_is_killed_comes_back_with_everything(
    server: Up, client: httpx.Client, trip: str
) -> None:
    """What was acknowledged is there, nothing twice; calls meanwhile end in 200 or 503."""
    before = shard_pid(server)
    assert before is not None
    with ThreadPoolExecutor(8) as threads:
        writes = [threads.submit(append, client, trip, number) for number in range(40)]
        assert wait_until(lambda: any(write.done() for write in writes), within_s=10)
        os.kill(before, signal.SIGKILL)
        statuses = [write.result() for write in writes]
    assert wait_until(lambda: shard_pid(server) not in {None, before}, within_s=20)

    found = client.get(f"{trip}/items?start=60&limit=1000").json()["data"]
    numbers = [int(row["content"]) for row in found]
    assert set(statuses) <= {200, 503}
    assert {n for n, status in enumerate(statuses) if status == 200} <= set(numbers)
    assert len(numbers) == len(set(numbers))
    assert client.post(f"{trip}/process", json=ASK).status_code == 200


def append(client: httpx.Client, path: str, number: int) -> int:
    """Append a row that is its number."""
    row = {"role": "user", "content": str(number)}
    return client.post(f"{path}/items", json={"messages": [row]}).status_code


def test_the_examples_of_the_reference_work(client: httpx.Client) -> None:
    """A reader can send every request of the section, in its order."""
    text = (ROOT / "docs/reference/http.md").read_text("utf-8")
    section = text[text.index("## Stored contexts") : text.index("## `POST /v1/compress`")]
    examples = re.findall(
        r"curl (?:-X (\w+) )?http://127.0.0.1:8000(\S+)((?: -H '[^']*')*) -d '(.*?)'\n",
        section,
        re.DOTALL,
    )
    statuses = []
    for method, path, headers, body in examples:
        named = dict(each.split(": ", 1) for each in re.findall(r"-H '([^']*)'", headers))
        response = client.request(method or "POST", path, content=body, headers=named)
        statuses.append(response.status_code)
    client.delete("/v1/contexts/trip")

    assert statuses == [201, 200, 200, 200, 202, 200]


@pytest.fixture
def environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k != "TIERFOLD_API_KEYS_FILE"}


@pytest.mark.slow
@pytest.mark.timeout(240)  # two starts
def test_a_server_that_is_killed_leaves_everything_for_the_next(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """The whole process group at once; the store is free again and nothing is missing."""
    options = ["--store", str(tmp_path)]
    first = Up(environment, options=options).start()
    created = httpx.post(f"{first.url}/v1/contexts", json={"id": "trip", "messages": ROWS})
    added = httpx.post(f"{first.url}/v1/contexts/trip/items", json={"messages": ROWS[:1]})
    refused = subprocess.run(
        [TIERFOLD, "up", *options, "--port", "1"],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
    )
    folder = first.folder()
    for pid in first.processes():
        with contextlib.suppress(ProcessLookupError):  # it went with another
            os.kill(pid, signal.SIGKILL)
    first.process.wait(30)
    shutil.rmtree(folder)

    second = Up(environment, options=options).start()
    items = httpx.get(f"{second.url}/v1/contexts/trip/items").json()
    asked = httpx.post(f"{second.url}/v1/contexts/trip/process", json=ASK, timeout=30)
    code = second.stop(signal.SIGTERM)

    assert (created.status_code, added.status_code) == (201, 200)
    assert items["data"] == [*ROWS, ROWS[0]]
    assert NEEDLE in asked.text
    assert code == 0
    assert refused.returncode == 1
    assert first.url in refused.stderr
