import asyncio
import json
import logging

import pytest

from tests.unit.actors.fakes import Bench, FakeEngine, talk_to, until
from tierfold_actors.gateway import create_api
from tierfold_actors.work import WorkLimits

BODY = {"ask": "who?", "sources": [{"text": "It was me."}]}
EVENTS = {"accept": "text/event-stream"}


async def test_process_answers_with_the_folded_sources() -> None:
    """The main job."""
    async with Bench().client() as client:
        response = await client.post("/v1/process", json=BODY)

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json()["sources"] == [{"text": "It was me."}]
    assert response.json()["stop_reason"] == "last_stage"


async def test_headers_say_what_it_took_and_what_it_saved() -> None:
    """A proxy can log them without reading the body."""
    async with Bench().client() as client:
        response = await client.post("/v1/process", json=BODY)

    timings = dict(part.split(";dur=") for part in response.headers["server-timing"].split(", "))
    assert list(timings) == ["fast", "balanced", "total", "handler"]
    assert float(timings["handler"]) > 0
    assert response.headers["x-tierfold-tokens-saved"] == "15"
    assert response.headers["x-tierfold-stage"] == "balanced"
    assert response.headers["x-tierfold-quality"] == "0.9000"


async def test_json_is_taken_whatever_its_content_type_says() -> None:
    """curl -d sends a form's type."""
    async with Bench().client() as client:
        response = await client.post(
            "/v1/process",
            content=json.dumps(BODY),
            headers={"content-type": "application/x-www-form-urlencoded"},
        )

    assert response.status_code == 200


async def test_unknown_fields_are_listed() -> None:
    """A typo is never silently dropped."""
    async with Bench().client() as client:
        response = await client.post("/v1/process", json={**BODY, "bugdet": {"max_tokens": 1}})

    assert response.json()["ignored_fields"] == ["bugdet"]


async def test_a_request_id_is_echoed_or_made() -> None:
    """Two logs can be joined."""
    async with Bench().client() as client:
        given = await client.get("/livez", headers={"x-request-id": "mine-1"})
        made = await client.get("/livez")
        refused = await client.get("/livez", headers=[(b"x-request-id", b"caf\xe9")])

    assert given.headers["x-request-id"] == "mine-1"
    assert len(made.headers["x-request-id"]) == 36
    assert len(refused.headers["x-request-id"]) == 36


async def test_serve_names_requests_by_itself() -> None:
    """Behind Serve the header would stand twice."""
    async with talk_to(create_api(Bench().desk, echoes_request_id=False)) as client:
        response = await client.get("/livez", headers={"x-request-id": "mine-1"})

    assert "x-request-id" not in response.headers


async def test_a_stream_sends_every_stage_and_then_the_result() -> None:
    """The schema of each event's data is the JSON answer's."""
    async with Bench().client() as client:
        response = await client.post("/v1/process", json=BODY, headers=EVENTS)

    events = [parse(block) for block in response.text.strip().split("\n\n")]
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert [event["event"] for event in events] == ["stage", "stage", "result"]
    assert [event["id"] for event in events] == ["1", "2", "3"]
    answers = [json.loads(event["data"]) for event in events]
    assert [answer["final"] for answer in answers] == [False, False, True]
    assert [answer["stop_reason"] for answer in answers] == [None, None, "last_stage"]
    assert len({tuple(answer) for answer in answers}) == 1


def parse(block: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in block.split("\n"))


async def test_an_error_before_the_first_event_is_a_problem_document() -> None:
    """The status is still free to say it."""
    async with Bench().client() as client:
        response = await client.post("/v1/process", json={"sources": []}, headers=EVENTS)

    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"


async def test_an_error_after_the_first_event_is_an_event() -> None:
    """The status has been sent."""
    bench = Bench(engine=FakeEngine(error=ZeroDivisionError(), error_stage="balanced"))
    async with bench.client() as client:
        response = await client.post("/v1/process", json=BODY, headers=EVENTS)

    events = [parse(block) for block in response.text.strip().split("\n\n")]
    assert response.status_code == 200
    assert [event["event"] for event in events] == ["stage", "error"]
    assert json.loads(events[-1]["data"])["title"] == "internal error"


@pytest.mark.parametrize("header", ["x-tierfold-bypass", "X-Headroom-Bypass"])
async def test_bypass_asks_for_the_input(header: str) -> None:
    """Both names are known."""
    async with Bench().client() as client:
        process = await client.post("/v1/process", json=BODY, headers={header: "True"})
        compress = await client.post(
            "/v1/compress",
            json={"messages": [{"role": "user", "content": "hi"}]},
            headers={header: "true"},
        )

    assert process.json()["stop_reason"] == "bypass"
    assert compress.json()["skip_reason"] == "bypass"


async def test_prefer_wait_is_the_deadline_when_the_body_has_none() -> None:
    """The body knows better."""
    bench = Bench()
    async with bench.client() as client:
        await client.post("/v1/process", json=BODY, headers={"prefer": "wait=0.2"})
        body = {**BODY, "budget": {"latency_ms": 50.0}}
        await client.post("/v1/process", json=body, headers={"prefer": "wait=0.2"})

    assert [request.budget.latency_ms for request in bench.engine.requests] == [200.0, 50.0]


async def test_compress_keeps_the_number_of_rows() -> None:
    """LiteLLM counts them."""
    rows = [{"role": "tool", "content": "a", "tool_call_id": "x"}, {"role": "user", "content": "b"}]
    async with Bench().client() as client:
        response = await client.post("/v1/compress", json={"messages": rows})

    assert response.status_code == 200
    assert rows == response.json()["messages"]
    assert response.headers["x-tierfold-tokens-saved"] == "0"


async def test_errors_of_compress_have_the_shape_of_openai() -> None:
    """Its callers parse nothing else."""
    async with Bench().client() as client:
        response = await client.post("/v1/compress", content=b"no json")

    assert response.status_code == 422
    assert {"message", "type", "param", "code"} == set(response.json()["error"])
    assert response.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("method", "path", "status", "title"),
    [
        ("GET", "/v1/nothing", 404, "not found"),
        ("GET", "/v1/process", 405, "method not allowed"),
        ("DELETE", "/livez", 405, "method not allowed"),
    ],
)
async def test_wrong_paths_and_methods_are_problem_documents(
    method: str, path: str, status: int, title: str
) -> None:
    """Every error of ours has one shape."""
    async with Bench().client() as client:
        response = await client.request(method, path)

    assert status == response.status_code
    assert response.headers["content-type"] == "application/problem+json"
    assert title == response.json()["title"]
    assert response.headers["x-request-id"] == response.json()["request_id"]


async def test_health_says_the_version() -> None:
    """The three health routes answer without a key and without work."""
    async with Bench().client() as client:
        live = await client.get("/livez")
        ready = await client.get("/readyz")
        health = await client.get("/health")
        docs = await client.get("/docs")

    assert live.json() == {"status": "ok"}
    assert ready.json() == {"status": "ready", "waiting": 0}
    assert health.json()["version"] == "1.2.3"
    assert docs.status_code == 200


async def test_a_full_queue_is_a_503_that_says_when_to_come_back() -> None:
    """On both routes, and readyz tells the load balancer."""
    engine = FakeEngine(predicted_ms=2500.0)
    bench = Bench(engine=engine, limits=WorkLimits(waiting_max=1))
    engine.gate.clear()
    async with bench.client() as client:
        calls = [asyncio.create_task(client.post("/v1/process", json=BODY)) for _ in range(2)]
        await until(lambda: bench.work.is_full)
        refused = await client.post("/v1/process", json=BODY)
        rows = await client.post("/v1/compress", json={"messages": []})
        ready = await client.get("/readyz")
        engine.gate.set()
        done = await asyncio.gather(*calls)

    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "5"
    assert refused.json()["title"] == "overloaded"
    assert rows.json()["error"]["type"] == "server_error"
    assert ready.status_code == 503
    assert [response.status_code for response in done] == [200, 200]


async def test_a_caller_who_leaves_stops_the_work() -> None:
    """Serve cancels the handler; the engine's generator is closed after its step."""
    engine = FakeEngine(predicted_ms=10.0)
    bench = Bench(engine=engine)
    engine.gate.clear()
    async with bench.client() as client:
        task = asyncio.create_task(client.post("/v1/process", json=BODY, headers=EVENTS))
        await until(lambda: bool(engine.requests))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        engine.gate.set()
        await client.post("/v1/process", json={**BODY, "ask": "next"})

    assert [stage for _, stage, _ in engine.steps] == ["fast", "fast", "balanced"]


async def test_a_bug_is_a_500_whose_log_quotes_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """Exception messages may hold the caller's text."""
    bench = Bench(engine=FakeEngine(error=ValueError("secret of the caller")))
    with caplog.at_level(logging.ERROR):
        async with bench.client() as client:
            response = await client.post("/v1/process", json=BODY)

    assert response.status_code == 500
    assert "secret" not in response.text + caplog.text
    assert response.json()["request_id"] in caplog.text
    assert "ValueError" in caplog.text


async def test_the_server_stops_the_work_when_it_stops() -> None:
    """The lifespan's end closes threads and worker."""
    bench = Bench()
    api = create_api(bench.desk)

    async with api.router.lifespan_context(api):
        assert not bench.worker.is_closed

    assert bench.worker.is_closed
