import json
from collections.abc import AsyncIterator, Iterator, Mapping

import httpx
import pytest

from tests.unit.actors.fakes import FakeWorker, talk_to
from tierfold.config import Limits, Settings
from tierfold.engine import MonotonicClock
from tierfold_actors.answering import Answering
from tierfold_actors.default_answering import default_answering
from tierfold_actors.desk import Desk
from tierfold_actors.gateway import create_api
from tierfold_actors.keys import Keyring
from tierfold_actors.work import Work, WorkLimits, body_ledgers

LIMITS = Limits()
FACT = "The lease was signed by Mrs. Okonkwo."
TEXT = f"It rained all day. {FACT} Lunch was at one. " + "Nothing else happened that week. " * 20


@pytest.fixture(scope="module")
def answering() -> Answering:
    return default_answering()


@pytest.fixture
def work(answering: Answering) -> Iterator[Work]:
    work = Work(answering, FakeWorker(answering), WorkLimits())
    yield work
    work.close()


@pytest.fixture
async def client(work: Work) -> AsyncIterator[httpx.AsyncClient]:
    desk = Desk(
        work=work,
        ledgers=body_ledgers(WorkLimits(), LIMITS),
        keyring=Keyring(None),
        clock=MonotonicClock(),
        settings=Settings(limits=LIMITS),
        version="1",
    )
    async with talk_to(create_api(desk)) as client:
        yield client


def text_body(text: str = TEXT, ask: str = "Who signed?", **budget: object) -> dict[str, object]:
    return {"sources": [{"text": text}], "ask": ask, "budget": budget}


def chat_body(*rows: Mapping[str, object], **budget: object) -> dict[str, object]:
    return {"sources": [{"messages": list(rows)}], "ask": "Who signed?", "budget": budget}


USER = {"role": "user", "content": TEXT}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[1, 2", "not JSON"),
        (b"\xff\xfe{}", "UTF-8 at byte 0"),
        (b'{"sources": [{"text": "\xc3("}]}', "UTF-8"),
        (b'{"sources": [{"text": "\\ud800"}]}', "lone surrogate"),
        (b'{"sources": [{"text": "x"}], "budget": {"max_tokens": NaN}}', "strict JSON"),
        (b"[]", "body"),
        (b"null", "body"),
        (b"{}", "sources"),
        (b'{"sources": [{}]}', "exactly one of"),
        (b'{"sources": [{"text": "x", "messages": []}]}', "exactly one of"),
        (b'{"sources": [{"text": 5}]}', "sources[0].text"),
        (b'{"sources": [{"messages": [{"role": "wizard", "content": "x"}]}]}', "role"),
    ],
)
async def test_what_is_no_request_is_refused_with_its_place(
    client: httpx.AsyncClient, body: bytes, said: str
) -> None:
    """The sentence says where and what would be right."""
    response = await client.post("/v1/process", content=body)

    assert response.status_code == 422
    assert said in response.json()["detail"]


@pytest.mark.parametrize(
    "budget",
    [
        {"max_tokens": 0},
        {"max_tokens": -5},
        {"max_tokens": 1.5},
        {"max_tokens": True},
        {"max_tokens": "many"},
        {"max_tokens": 10**30},
        {"latency_ms": 0},
        {"latency_ms": -1},
        {"latency_ms": 1e18},
        {"memory_bytes": 0},
        {"cost_usd": -0.1},
        {"min_quality": 1.1},
        {"min_quality": -1},
    ],
)
async def test_absurd_budgets_are_refused_by_name(
    client: httpx.AsyncClient, budget: dict[str, object]
) -> None:
    """Each by the field that holds it."""
    response = await client.post("/v1/process", json={**text_body(), "budget": budget})

    assert response.status_code == 422
    assert f"budget.{next(iter(budget))}" in response.text


async def test_a_tool_result_without_its_call_is_refused(client: httpx.AsyncClient) -> None:
    """A provider would refuse it too, after the bill."""
    orphan = {"role": "tool", "tool_call_id": "nobody", "content": "42"}
    response = await client.post("/v1/process", json=chat_body(USER, orphan, max_tokens=50))

    assert response.status_code == 422
    assert "nobody" in response.json()["detail"]


async def test_a_budget_below_what_must_be_kept_names_the_minimum(
    client: httpx.AsyncClient,
) -> None:
    """The caller can repeat the request with it."""
    system = {"role": "system", "content": "Answer in the words of the contract. " * 10}
    refused = await client.post("/v1/process", json=chat_body(system, USER, max_tokens=3))
    minimum = int(refused.json()["minimum"])
    taken = await client.post("/v1/process", json=chat_body(system, USER, max_tokens=minimum))

    assert refused.status_code == 422
    assert taken.status_code == 200
    assert taken.json()["usage"]["prompt_tokens"] <= minimum


async def test_an_unknown_stage_lists_those_that_exist(client: httpx.AsyncClient) -> None:
    """Two of four are built so far."""
    response = await client.post("/v1/process", json={**text_body(), "stages": ["psychic"]})

    assert response.status_code == 422
    assert {"fast", "balanced"} <= set(response.json()["stages"])


@pytest.mark.parametrize("ask", ["", "   \n"])
async def test_no_question_is_query_free_and_said_so(client: httpx.AsyncClient, ask: str) -> None:
    """Not an error: a summary of what matters is a wish too."""
    response = await client.post("/v1/process", json=text_body(ask=ask, max_tokens=40))

    assert response.status_code == 200
    assert response.json()["query_free"] is True


@pytest.mark.parametrize(
    "text",
    [
        "a\x00b. " * 50,
        "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd. " * 50,
        "\u79df\u7ea6\u7531\u9648\u5973\u58eb\u7b7e\u7f72\u3002" * 50,
        "\U0001f9d1\u200d\U0001f680 signed. \U0001f3f3\ufe0f\u200d\U0001f308 " * 50,
        "\u202eright to left override\u202c. " * 50,
        "x" * 5000,
    ],
    ids=["nul", "hebrew", "chinese", "emoji", "override", "one word"],
)
async def test_any_text_is_folded_inside_its_budget(client: httpx.AsyncClient, text: str) -> None:
    """And comes back whole when there is room."""
    folded = await client.post("/v1/process", json=text_body(text, max_tokens=60))
    whole = await client.post("/v1/process", json=text_body(text))

    assert folded.status_code == 200
    assert folded.json()["usage"]["prompt_tokens"] <= 60
    assert whole.json()["sources"] == [{"text": text}]


async def test_deep_nesting_is_refused(client: httpx.AsyncClient) -> None:
    """1,000 levels end parsers that recurse."""
    deep = b'{"sources": [{"text": "x"}], "extra": ' + b"[" * 1000 + b"]" * 1000 + b"}"

    assert (await client.post("/v1/process", content=deep)).status_code == 413


async def test_a_hundred_thousand_tiny_messages_are_taken(client: httpx.AsyncClient) -> None:
    """One more is refused by number."""
    rows = [{"role": "user", "content": "ok"}] * LIMITS.messages_max
    taken = await client.post("/v1/process", json=chat_body(*rows, max_tokens=2000))
    refused = await client.post("/v1/process", json=chat_body(*rows, USER, max_tokens=2000))

    assert taken.status_code == 200
    assert taken.json()["usage"]["prompt_tokens"] <= 2000
    assert refused.status_code == 413
    assert "100,001" in refused.json()["detail"]


async def test_a_body_over_64_mib_is_refused(client: httpx.AsyncClient) -> None:
    """While it is being read."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(65):
            yield b" " * 1024 * 1024

    response = await client.post("/v1/process", content=chunks())

    assert response.status_code == 413


@pytest.mark.parametrize(
    "body",
    [
        {"messages": []},
        {"messages": [{"role": "user", "content": None}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
        {"messages": [{"role": "tool", "tool_call_id": "gone", "content": TEXT}]},
        {"messages": [USER], "token_budget": 0},
        {"messages": [USER], "token_budget": 1, "config": {"compress_user_messages": True}},
        {"messages": [USER], "config": {"target_ratio": 0.1}, "model": "none-such", "x": 1},
        {"messages": [USER], "token_budget": 10**18},
        {"messages": [{"role": "user", "content": "word " * 30_000}, USER], "token_budget": 50},
        {"messages": [{"role": "user", "content": "word " * 30_000}], "token_budget": 50},
    ],
)
async def test_compress_takes_every_well_formed_body(
    client: httpx.AsyncClient, body: dict[str, list[object]]
) -> None:
    """LiteLLM would turn a 4xx into a 502 for its caller."""
    response = await client.post("/v1/compress", json=body)

    assert response.status_code == 200, response.text
    assert len(response.json()["messages"]) == len(body["messages"])


@pytest.mark.parametrize(
    "options",
    [{}, {"token_budget": 0}, {"token_budget": 5}, {"config": {"target_ratio": 0.01}}],
    ids=str,
)
async def test_compress_with_bypass_answers_the_rows_as_they_came(
    client: httpx.AsyncClient, options: dict[str, object]
) -> None:
    """Whatever the budget: the rows are not measured against it, only counted."""
    rows = [
        USER,
        {"role": "assistant", "content": json.dumps({"a": [1, 2]}, indent=8) * 40, "x": 1},
    ]
    body = {"messages": rows, "config": {"compress_user_messages": True}, **options}
    response = await client.post("/v1/compress", json=body, headers={"x-tierfold-bypass": "true"})
    answer = response.json()

    assert response.status_code == 200
    assert answer["messages"] == rows
    assert answer["skip_reason"] == "bypass"
    assert answer["compression_skipped"] is True
    assert answer["tokens_after"] == answer["tokens_before"] > 0
    assert response.headers["x-tierfold-tokens-saved"] == "0"


async def test_compress_lists_the_fields_it_does_not_know(client: httpx.AsyncClient) -> None:
    """A typo is never silently dropped, with bypass or without."""
    body = {"messages": [USER], "tokn_budget": 1, "config": {"mood": "good"}}
    plain = await client.post("/v1/compress", json=body)
    bypassed = await client.post("/v1/compress", json=body, headers={"x-headroom-bypass": "1"})

    assert set(plain.json()["ignored_fields"]) == {"tokn_budget", "config.mood"}
    assert bypassed.json()["ignored_fields"] == plain.json()["ignored_fields"]


async def test_compress_refuses_only_what_is_malformed(client: httpx.AsyncClient) -> None:
    """In OpenAI's words."""
    for body in (b"{", b"{}", json.dumps({"messages": [{"role": "wizard"}]}).encode()):
        response = await client.post("/v1/compress", content=body)

        assert response.status_code == 422
        assert response.json()["error"]["type"] == "invalid_request_error"
