"""The client against a server that keeps a dict."""

import random
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from tests.unit.client.fake_server import TIERS, FakeServer, problem
from tierfold import errors
from tierfold.client import Client, Retries
from tierfold.client.documents import MalformedReplyError
from tierfold.client.replies import SeenVersions
from tierfold.context import Budget

ROWS = [{"role": "user", "content": f"row {i}"} for i in range(5)]
QUICK = Retries(tries_max=3, wait_s_first=0.001, wait_s_max=0.002)


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture
def client(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.delenv("TIERFOLD_API_KEY", raising=False)
    transport = httpx.MockTransport(server)
    dice = random.Random(7)
    with Client("http://host:1/", transport=transport, retries=QUICK, dice=dice) as client:
        yield client


def test_a_context_is_made_grown_read_changed_and_deleted(client: Client) -> None:
    """One life of a context, every method once."""
    made = client.create("a:b", messages=ROWS[:2], title="t", metadata={"k": 1}, ttl_s=60)
    assert (made.id, made.version, made.items, made.ttl_s) == ("a:b", 1, 2, 60.0)

    assert client.append("a:b", messages=ROWS[2:3]).version == 2
    assert client.put("a:b", messages=ROWS).items == 5
    assert list(client.items("a:b")) == ROWS
    assert client.update("a:b", title="new", pinned_s=5).title == "new"
    assert client.get("a:b").pinned_until
    client.delete("a:b")
    with pytest.raises(errors.UnknownContextError):
        client.get("a:b")


def test_texts_and_documents_travel_too(client: Client) -> None:
    """Each shape has its own field, in creating and in appending."""
    client.create("text", text="one ")
    client.append("text", text="two")
    client.create("doc", document={"parts": [{"text": "a"}]})
    client.append("doc", parts=[{"text": "b", "role": "user"}])

    assert [item["text"] for item in client.items("text")] == ["one ", "two"]
    assert list(client.items("doc")) == [{"text": "a"}, {"text": "b", "role": "user"}]


@pytest.mark.parametrize("given", [{}, {"text": "a", "messages": []}])
def test_a_change_says_exactly_one_thing(client: Client, given: dict[str, Any]) -> None:
    """Nothing or two things are refused before anything is sent."""
    with pytest.raises(errors.InvalidInputError, match="exactly one"):
        client.create(**given)


def test_lists_and_items_come_in_pages(client: Client, server: FakeServer) -> None:
    """However many there are, no request asks for more than a page."""
    for number in range(230):
        client.put(f"c{number:03}", messages=[])
    client.create("many", messages=[{"role": "user", "content": str(i)} for i in range(2_300)])
    server.seen.clear()

    assert [c.id for c in client.list()] == [f"c{n:03}" for n in range(230)] + ["many"]
    assert len(server.seen) == 3
    assert len(list(client.items("many"))) == 2_300
    assert len(server.seen) == 6
    assert client.list_page(limit=1, descending=True).contexts[0].id == "many"


@pytest.mark.parametrize(
    ("start", "stop"), [(0, None), (2, 4), (-2, None), (-3, -1), (4, 2), (9, None), (0, 0), (-9, 3)]
)
def test_a_run_of_items_is_a_slice(client: Client, start: int, stop: int | None) -> None:
    """Start and stop mean what they mean in Python."""
    client.create("c", messages=ROWS)

    assert list(client.items("c", start, stop)) == ROWS[start:stop]


def test_a_context_that_changes_between_two_pages_is_said(client: Client) -> None:
    """No caller gets items of two states as one list."""
    client.create("c", messages=[{"role": "user", "content": str(i)} for i in range(1_001)])
    items = client.items("c")
    next(items)
    client.append("c", messages=ROWS)

    with pytest.raises(errors.VersionConflictError):
        list(items)


def test_a_question_brings_the_answer_and_says_what_was_seen(
    client: Client, server: FakeServer
) -> None:
    """The version this client made is the least it will be answered from."""
    client.create("c", text="all")
    client.append("c", text=" of it")

    answer = client.process("c", ask="?", budget=Budget(max_tokens=5), stages=["fast"])

    assert answer["sources"] == [{"text": "all of it"}]
    assert server.seen[-1].headers["x-tierfold-version"] == "2"


def test_handles_search_and_tiers(client: Client) -> None:
    """What was left out comes back as it was stored, found items carry handles."""
    with pytest.raises(errors.UnknownHandleError):
        client.handle("h_x")
    client.create("c", text="needle")
    assert client.handle("h_x") == "needle"
    found = client.search("needle", limit=1)
    assert (found.hits[0].context, found.hits[0].handle) == ("c", "h_x")
    assert found.segments_waiting == 3
    assert client.tiers() == TIERS


def test_a_long_handle_is_brought_back_page_by_page(client: Client, server: FakeServer) -> None:
    """As one value, or as pages for whoever wants to hold no more."""
    client.create("c", messages=ROWS * 3)

    assert client.handle("h_x") == ROWS * 3
    assert len(server.seen) == 1 + -(-len(ROWS * 3) // 2)
    page = client.handle_page("h_x", limit=1)
    assert (page.value, page.next) == (ROWS[:1], "h_x~1")
    with pytest.raises(errors.MalformedHandleError, match="is no handle"):
        client.handle_page("../tiers")


def test_every_change_carries_a_key(client: Client, server: FakeServer) -> None:
    """What is sent again is made once; a caller's own key is the one that is sent."""
    client.create("c", messages=ROWS)
    client.append("c", messages=ROWS)
    client.put("c", messages=ROWS)
    client.update("c", title="t")
    client.update("c", title="u", if_version=4, idempotency_key="mine")
    keys = [request.headers["idempotency-key"] for request in server.seen]

    assert len(set(keys)) == 5
    assert keys[-1] == "mine"


def test_the_key_is_sent_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes from the argument or the environment; a broken one is refused without its text."""
    server = FakeServer()
    transport = httpx.MockTransport(server)
    monkeypatch.setenv("TIERFOLD_API_KEY", "from-environment")
    Client("http://host", transport=transport).tiers()
    Client("http://host", key="given", transport=transport).tiers()

    sent = [request.headers["authorization"] for request in server.seen]
    assert sent == ["Bearer from-environment", "Bearer given"]
    with pytest.raises(errors.InvalidInputError) as refused:
        Client("http://host", key="secret\n")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("host:80", "no server"),
        ("ftp://host", "no server"),
        ("http://", "no server"),
        ("http://me:word@host", "TIERFOLD_API_KEY"),
        ("http://host:99999", "no URL"),
        ("http://host/?a=b", "more than an address"),
    ],
)
def test_what_is_no_server_is_refused(url: str, said: str) -> None:
    """The refusal shows what to write, and never a password."""
    with pytest.raises(errors.InvalidInputError, match=said) as refused:
        Client(url)
    assert "word" not in str(refused.value)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../tiers", "\u00fc", "a b", "x" * 129])
def test_an_id_that_would_be_another_path_is_refused(
    client: Client, server: FakeServer, name: str
) -> None:
    """A server takes %2F for a slash: what is no id is never sent, whatever is to be done."""
    for call in (client.get, client.delete, client.items_page):
        with pytest.raises(errors.InvalidInputError, match="id"):
            call(name)
    for handle in {name} & {"", ".", "..", "a/b", "../tiers"}:
        with pytest.raises(errors.UnknownHandleError):
            client.handle(handle)
    assert server.seen == []


@pytest.mark.parametrize(
    "reply",
    [
        httpx.Response(200, content=b"<html>"),
        httpx.Response(200, content=b"[]"),
        httpx.Response(200, json={"id": "x"}),
    ],
)
def test_a_reply_of_something_else_is_named(
    client: Client, server: FakeServer, reply: httpx.Response
) -> None:
    """A proxy's page is no context."""
    server.before = [reply]
    with pytest.raises(MalformedReplyError, match="no reply of a tierfold server"):
        client.get("c")


@pytest.mark.parametrize("call", ["list_page", "handle"])
def test_a_list_or_handle_without_contents_is_named(
    client: Client, server: FakeServer, call: str
) -> None:
    """What a reply must have is asked for by name."""
    server.before = [httpx.Response(200, json={})]
    with pytest.raises(MalformedReplyError):
        client.list_page() if call == "list_page" else client.handle("h_x")


def test_bodies_are_bounded_in_both_directions(
    client: Client, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing over the server's limit is sent, no reply can fill the memory."""
    monkeypatch.setattr("tierfold.client.connection._REPLY_BYTES_MAX", 10)
    server.before = [httpx.Response(200, content=b"x" * 11)]
    with pytest.raises(errors.TooLargeError, match="reply"):
        client.get("c")
    monkeypatch.setattr(client, "_request_bytes_max", 10)
    with pytest.raises(errors.TooLargeError, match="request"):
        client.create("c", text="a longer text")


def test_versions_seen_are_bounded(client: Client) -> None:
    """A client that lives long does not remember every context it ever saw."""
    versions = SeenVersions(limit=2)
    for name in "abc":
        versions.seen(client.create(name, text="x"))

    assert [versions.of(name) for name in "abc"] == [0, 1, 1]


def test_the_newest_version_seen_counts_in_whatever_order_replies_come(client: Client) -> None:
    """But one that was deleted and made again begins anew: its first version is newer."""
    versions = SeenVersions()
    third = replace(client.create("a", text="x"), version=3)

    for context in (third, replace(third, version=2)):
        versions.seen(context)
    assert versions.of("a") == 3
    for context in (replace(third, version=1, created_at=third.created_at + 1), third):
        versions.seen(context)
    assert versions.of("a") == 1


@pytest.mark.parametrize(
    ("failures", "requests"),
    [
        ([httpx.ConnectError("x")], 2),
        ([httpx.ReadTimeout("x"), httpx.ReadError("x")], 3),
        ([httpx.Response(502)], 2),
        ([problem(errors.OverloadError(retry_after_s=0), **{"retry-after": "0"})], 2),
        ([httpx.ReadTimeout("x"), problem(errors.KeyInFlightError())], 3),
    ],
)
def test_what_failed_for_a_moment_is_tried_again_under_one_key(
    client: Client, server: FakeServer, failures: list[Any], requests: int
) -> None:
    """The caller sees one change, the server one key."""
    client.create("c", messages=[])
    server.seen.clear()
    server.before = failures

    assert client.append("c", messages=ROWS).items == 5
    assert len(server.seen) == requests
    assert len({request.headers["idempotency-key"] for request in server.seen}) == 1


def test_a_deletion_whose_reply_was_lost_is_done(client: Client, server: FakeServer) -> None:
    """The second try finds nothing, since the first one worked."""
    server.before = [httpx.ReadTimeout("x")]
    client.delete("gone")
    with pytest.raises(errors.UnknownContextError):
        client.delete("gone")


def test_nobody_there_is_said_with_the_way_out(client: Client, server: FakeServer) -> None:
    """The sentence names the URL and how to start a server; tries are bounded."""
    server.before = [httpx.ConnectError("x") for _ in range(3)]
    with pytest.raises(errors.ServerUnreachableError, match=r"http://host:1 .*`tierfold up`"):
        client.tiers()
    assert len(server.seen) == 3


def test_a_server_that_is_late_is_not_said_to_be_missing(
    client: Client, server: FakeServer
) -> None:
    """Nobody starts a second one because the first is busy."""
    server.before = [httpx.ReadTimeout("x")]
    with pytest.raises(errors.ServerUnreachableError, match="at it still") as late:
        client.process("c", ask="?")
    assert "tierfold up" not in str(late.value)
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (ConnectionRefusedError(), "connection refused"),
        (socket.gaierror(-2, "x"), "no machine is known by that name"),
        (ssl.SSLCertVerificationError(), "certificate is not trusted"),
        (ssl.SSLError(), "does not speak TLS"),
        (OSError(), "no connection"),
    ],
)
def test_why_nobody_is_there_is_said(
    client: Client, server: FakeServer, cause: Exception, said: str
) -> None:
    """A name that nobody knows is not a server that is down."""
    failure = httpx.ConnectError("x")
    failure.__cause__ = cause
    server.before = [failure] * 3
    with pytest.raises(errors.ServerUnreachableError, match=said):
        client.tiers()


@pytest.mark.parametrize("url", ["http://host:1", "http://host:1/", "http://host:1/v1/"])
def test_an_address_may_end_as_other_clients_want_it(url: str) -> None:
    """The /v1 of our paths is not asked for twice."""
    server = FakeServer()
    Client(url, transport=httpx.MockTransport(server)).tiers()
    assert [request.url.path for request in server.seen] == ["/v1/tiers"]


def test_a_server_on_this_machine_is_reached_without_a_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A proxy of the network does not know what listens here."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    for url in ("http://127.0.0.1:1", "http://localhost:1"):
        with Client(url, retries=QUICK) as client, pytest.raises(errors.ServerUnreachableError):
            client.tiers()
