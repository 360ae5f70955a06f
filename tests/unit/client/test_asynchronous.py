"""The client for event loops does what the other one does."""

import inspect
import random
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.unit.client.fake_server import TIERS, FakeServer
from tierfold import errors
from tierfold.client import AsyncClient, Client, Retries

ROWS = [{"role": "user", "content": f"row {i}"} for i in range(5)]
QUICK = Retries(tries_max=3, wait_s_first=0.001, wait_s_max=0.002)


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture
async def client(server: FakeServer) -> AsyncIterator[AsyncClient]:
    transport = httpx.MockTransport(server)
    dice = random.Random(7)
    async with AsyncClient(
        "http://host:1", transport=transport, retries=QUICK, dice=dice
    ) as client:
        yield client


def test_both_clients_have_the_same_methods() -> None:
    """Who changes from one to the other changes `await` and nothing else."""
    public = [name for name in vars(Client) if not name.startswith("_")]
    for name in public:
        ours, theirs = getattr(Client, name), getattr(AsyncClient, name)
        assert list(inspect.signature(ours).parameters.values()) == list(
            inspect.signature(theirs).parameters.values()
        ), name
    assert public == [name for name in vars(AsyncClient) if not name.startswith("_")]


async def test_a_context_is_made_grown_read_changed_and_deleted(
    client: AsyncClient, server: FakeServer
) -> None:
    """One life of a context, every method once."""
    assert (await client.create("c", messages=ROWS[:2])).items == 2
    assert (await client.append("c", messages=ROWS[2:])).version == 2
    assert [item async for item in client.items("c", 1, -1)] == ROWS[1:-1]
    assert (await client.process("c", ask="?"))["object"] == "answer"
    assert server.seen[-1].headers["x-tierfold-version"] == "2"
    assert (await client.update("c", title="t")).title == "t"
    assert (await client.put("d", text="needle")).shape == "text"
    assert [context.id async for context in client.list()] == ["c", "d"]
    assert (await client.search("needle")).hits[0].context == "d"
    assert await client.handle("h_x") == ROWS
    assert (await client.handle_page("h_x", limit=1)).value == ROWS[:1]
    assert await client.tiers() == TIERS
    await client.delete("c")
    with pytest.raises(errors.UnknownContextError):
        await client.get("c")


async def test_a_listing_comes_in_pages(client: AsyncClient) -> None:
    """However many there are."""
    for number in range(150):
        await client.create(f"c{number:03}", messages=[])

    assert len([context async for context in client.list()]) == 150


async def test_what_failed_for_a_moment_is_tried_again(
    client: AsyncClient, server: FakeServer
) -> None:
    """As the other client does, waiting without blocking the loop."""
    server.before = [httpx.ConnectError("x"), httpx.ReadTimeout("x")]
    assert (await client.create("c", text="x")).id == "c"
    server.before = [httpx.ConnectError("x") for _ in range(3)]
    with pytest.raises(errors.ServerUnreachableError):
        await client.tiers()
