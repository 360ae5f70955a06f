import contextlib
import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.ray.server import KEY, Up, wait_until
from tierfold.cli.ports import process_name

ROOT = Path(__file__).parents[2]
LIVEZ_MS_MAX = 250.0
LINES = "\n".join(
    f"Line {n}: the warehouse in Ghent counted {n * 7} boxes and {n % 13} pallets."
    for n in range(400)
)
NEEDLE = "The signature under the lease is Mrs. Okonkwo's."
TEXT = f"{LINES}\n{NEEDLE}\n{LINES}"
ASK = "Who signed the lease?"
BODY = {"sources": [{"text": TEXT}], "ask": ASK, "budget": {"max_tokens": 200}}


def test_process_finds_what_the_question_needs(client: httpx.Client) -> None:
    """The main job, over the real ingress."""
    response = client.post("/v1/process", json=BODY)
    answer = response.json()

    assert response.status_code == 200
    assert NEEDLE in answer["sources"][0]["text"]
    assert answer["usage"]["prompt_tokens"] <= 200
    assert "handler;dur=" in response.headers["server-timing"]
    assert response.headers["x-tierfold-stage"] == answer["stages"][-1]["stage"]


def test_a_request_is_named_once(client: httpx.Client) -> None:
    """Serve and the gateway must not both write the header."""
    given = client.post("/v1/process", json=BODY, headers={"x-request-id": "mine"})
    refused = client.post("/v1/process", content=b"?")

    assert given.headers.get_list("x-request-id") == ["mine"]
    assert refused.headers.get_list("x-request-id") == [refused.json()["request_id"]]


def test_stages_stream_through_the_ingress(client: httpx.Client) -> None:
    """Each event arrives with the schema of the answer, the result last."""
    accept = {"accept": "text/event-stream"}
    with client.stream("POST", "/v1/process", json=BODY, headers=accept) as response:
        lines = list(response.iter_lines())

    names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    answers = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data")]
    assert names[-1] == "result"
    assert set(names[:-1]) == {"stage"}
    assert NEEDLE in answers[-1]["sources"][0]["text"]
    assert [answer["final"] for answer in answers] == [False] * (len(answers) - 1) + [True]


def test_compress_keeps_rows_and_roles(client: httpx.Client) -> None:
    """What LiteLLM checks."""
    rows = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": ASK},
        {"role": "tool", "tool_call_id": "c1", "content": TEXT},
    ]
    response = client.post("/v1/compress", json={"messages": rows, "token_budget": 400})
    answer = response.json()

    assert response.status_code == 200
    assert [row["role"] for row in answer["messages"]] == ["system", "user", "tool"]
    assert answer["tokens_after"] < answer["tokens_before"]
    assert answer["messages"][:2] == rows[:2]


def test_a_large_body_is_answered_by_the_worker_process(client: httpx.Client) -> None:
    """And streams like a small one."""
    body = {**BODY, "sources": [{"text": LINES * 80}, {"text": NEEDLE}]}

    response = client.post("/v1/process", json=body)

    assert response.status_code == 200
    assert NEEDLE in json.dumps(response.json()["sources"])


def test_no_key_no_answer(server: Up) -> None:
    """Health and docs stay open."""
    with httpx.Client(base_url=server.url) as stranger:
        refused = stranger.post("/v1/process", json=BODY)
        wrong = stranger.post("/v1/compress", json={}, headers={"authorization": "Bearer x"})
        health = [stranger.get(path) for path in ("/livez", "/readyz", "/health", "/docs")]

    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert wrong.status_code == 401
    assert {response.status_code for response in health} == {200}


def test_errors_are_problem_documents(client: httpx.Client) -> None:
    """Also behind HAProxy and Serve."""
    found = {
        413: client.post("/v1/process", content=(b" " * 2**20 for _ in range(65))),
        404: client.get("/v1/nothing"),
        405: client.get("/v1/process"),
        422: client.post("/v1/process", json={"sources": []}),
    }

    for status, response in found.items():
        assert response.status_code == status
        assert response.headers["content-type"] == "application/problem+json"


def test_the_description_is_the_checked_in_one(client: httpx.Client) -> None:
    """Clients are generated from it."""
    assert client.get("/openapi.json").json() == json.loads((ROOT / "openapi.json").read_text())


def fresh_status(port: int, path: str) -> int:
    """Return the status over a connection of its own, as a kubelet asks.

    One that is kept open never waits to be accepted, and may hide that nobody accepts any more.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"connection": "close"})
        return connection.getresponse().status


def slowest_livez_ms(port: int, *, while_runs: Callable[[], object]) -> float:
    """Return the slowest of the answers of /livez, asked every 20 ms while something runs."""
    took_ms: list[float] = []
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(while_runs)
        while not future.done():
            began = time.monotonic()
            assert fresh_status(port, "/livez") == 200
            took_ms.append((time.monotonic() - began) * 1000)
            time.sleep(0.02)
        future.result()
    assert len(took_ms) > 5  # it did run meanwhile
    return max(took_ms)


def best_of_three(measure: Callable[[], float]) -> float:
    """Return the first figure within the limit, else the third: other programs run here too."""
    figure = measure()
    for _ in range(2):
        if figure > LIVEZ_MS_MAX:
            figure = measure()
    return figure


def test_livez_answers_during_a_flood(server: Up) -> None:
    """64 connections that never rest, in a process of their own."""
    body = {**BODY, "sources": [{"text": TEXT[:8000]}], "budget": {"latency_ms": 50.0}}

    def flood() -> None:
        script = Path(__file__).with_name("flood.py")
        done = subprocess.run(
            [sys.executable, script, str(server.port), "64", "3", KEY],
            input=json.dumps(body),
            check=True,
            capture_output=True,
            text=True,
        )
        statuses = json.loads(done.stdout)
        assert set(statuses) == {"200"}
        assert sum(statuses.values()) > 64

    figure = best_of_three(lambda: slowest_livez_ms(server.port, while_runs=flood))

    assert figure <= LIVEZ_MS_MAX


def test_livez_answers_during_a_5_mb_request(server: Up, client: httpx.Client) -> None:
    """Parsing it would hold the GIL for longer than that."""
    body = json.dumps({**BODY, "sources": [{"text": LINES * (5_000_000 // len(LINES))}]})

    def send() -> None:
        assert client.post("/v1/process", content=body).is_success

    figure = best_of_three(lambda: slowest_livez_ms(server.port, while_runs=send))

    assert figure <= LIVEZ_MS_MAX


def worker_pid(server: Up) -> int | None:
    """Return the process that large bodies go to."""
    named = {process_name(pid): pid for pid in server.processes()}
    return named.get("tierfold_actors.worker_process")


def test_a_caller_who_leaves_stops_its_work(server: Up, client: httpx.Client) -> None:
    """30 MB take many seconds; the process that works on them is replaced, not waited for."""
    body = json.dumps({**BODY, "sources": [{"text": LINES * (30_000_000 // len(LINES))}]}).encode()
    before = worker_pid(server)
    with socket.create_connection(("127.0.0.1", server.port)) as leaving:
        head = (
            f"POST /v1/process HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        leaving.sendall(head.encode() + body)
        time.sleep(0.5)
        assert worker_pid(server) == before  # it is being worked on

    assert wait_until(lambda: worker_pid(server) not in {before, None}, within_s=2)
    assert client.post("/v1/process", json={**BODY, "sources": [{"text": LINES * 40}]}).is_success


def test_affinity_is_in_the_file_that_ray_rendered(server: Up) -> None:
    """The value is undocumented; a new Ray may ignore it."""
    config = next(server.folder().glob("h/*/haproxy.cfg")).read_text()

    assert "    balance hdr(x-session-id)\n    hash-type consistent\n" in config
    assert "bind *:" not in config


@pytest.mark.parametrize("path", ["/stats", "/metrics"])
def test_haproxy_s_own_pages_are_not_on_the_public_port(client: httpx.Client, path: str) -> None:
    """They have ports of their own, on loopback."""
    assert client.get(path).status_code == 404
