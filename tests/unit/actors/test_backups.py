"""Backups over HTTP: one of a tenant's at a time, in the server's own object store."""

import asyncio
import hashlib
import json
import shutil
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.actors.stored import MemoryShard, StoreBench
from tests.unit.actors.test_over_http import served
from tierfold import errors
from tierfold.cli import main
from tierfold.cli.keyfile import KeyLine
from tierfold.client import AsyncClient, Client
from tierfold.engine.shard.operations import Create, Operation
from tierfold.storage.files import FileObjects
from tierfold_actors import backup_jobs
from tierfold_actors.gateway import create_api
from tierfold_actors.keys import Keyring

Output = pytest.CaptureFixture[str]
LINES = {"accept": "application/x-ndjson"}


@pytest.fixture
def shard(tmp_path: Path) -> MemoryShard:
    return MemoryShard(objects=FileObjects(tmp_path / "objects"))


@pytest.fixture
def bench(shard: MemoryShard) -> StoreBench:
    return StoreBench([shard])


@pytest.fixture
async def client(bench: StoreBench) -> AsyncIterator[httpx.AsyncClient]:
    async with bench.client() as client:
        for at in range(5):
            await made(client, f"c{at}", f"row {at}")
        yield client


async def made(client: httpx.AsyncClient, id_: str, text: str) -> None:
    body = {"id": id_, "messages": [{"role": "user", "content": text}], "title": id_}
    (await client.post("/v1/contexts", json=body)).raise_for_status()


async def test_a_backup_is_made_listed_checked_restored_and_deleted(
    client: httpx.AsyncClient,
) -> None:
    """One life of a backup, every route once."""
    made = await client.post("/v1/backups", json={"name": "one"})
    body = made.json()
    id_ = body["backup"]["id"]
    assert made.status_code == 201
    assert (body["backup"]["contexts"], body["new_packs"], body["damaged"]) == (5, 1, [])

    (listed,) = (await client.get("/v1/backups")).json()["data"]
    one = (await client.get(f"/v1/backups/{id_}")).json()
    assert listed == one == body["backup"]
    assert (await client.post(f"/v1/backups/{id_}/verify")).json()["contexts"] == 5

    before = (await client.get("/v1/contexts/c3")).json()
    await client.delete("/v1/contexts/c3")
    restored = (await client.post(f"/v1/backups/{id_}/restore")).json()
    assert (restored["restored"], restored["identical"]) == (1, 4)
    assert (await client.get("/v1/contexts/c3")).json() == before

    deleted = await client.delete(f"/v1/backups/{id_}")
    assert deleted.json() == {
        "object": "backup.deleted",
        "id": id_,
        "removed": 3,
        "kept_because": "",
    }
    for gone in ("get", "delete"):
        reply = await getattr(client, gone)(f"/v1/backups/{id_}")
        assert (reply.status_code, reply.json()["code"]) == (404, "unknown_backup")


async def test_a_line_says_how_far_it_is(client: httpx.AsyncClient) -> None:
    """The last one is the report: nothing on the way takes a silent reply for dead."""
    reply = await client.post("/v1/backups", headers=LINES)
    lines = [json.loads(line) for line in reply.text.splitlines()]

    assert reply.headers["content-type"] == "application/x-ndjson"
    assert [line["object"] for line in lines] == ["backup.progress", "backup.made"]
    assert lines[0] == {
        "object": "backup.progress",
        "contexts": 5,
        "contexts_total": None,
        "size_bytes": lines[1]["backup"]["size_bytes"],
    }


@pytest.mark.parametrize("field", ["to", "url", "objects", "at", "from"])
async def test_nobody_makes_the_server_write_to_an_address(
    client: httpx.AsyncClient, field: str
) -> None:
    """Neither in a body nor in a query: it might reach what the caller cannot."""
    address = {field: "file:///tmp/elsewhere"}
    made = (await client.post("/v1/backups")).json()["backup"]["id"]
    replies = [
        await client.post("/v1/backups", json=address),
        await client.post("/v1/backups", params=address),
        await client.post(f"/v1/backups/{made}/restore", json=address),
        await client.get("/v1/backups", params=address),
    ]

    assert [reply.status_code for reply in replies] == [422] * 4
    assert all(reply.json()["path"] == field for reply in replies)
    assert all("its own object store" in reply.json()["detail"] for reply in replies)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"nam": "x"}, "nam"),
        ({"name": 7}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "x" * 201}, "name"),
        ([], "body"),
    ],
)
async def test_a_malformed_body_is_refused_where_it_is(
    client: httpx.AsyncClient, body: Any, path: str
) -> None:
    """A misspelt option would quietly do something else."""
    reply = await client.post("/v1/backups", json=body)

    assert reply.status_code == 422
    assert reply.json().get("path", "") == path


async def test_conflicts_and_wrong_options_are_said(client: httpx.AsyncClient) -> None:
    """With what helps, and nothing is written."""
    id_ = (await client.post("/v1/backups")).json()["backup"]["id"]
    await client.post(
        "/v1/contexts/c1/items", json={"messages": [{"role": "user", "content": "more"}]}
    )
    path = f"/v1/backups/{id_}/restore"
    conflict = await client.post(path)
    assert (conflict.status_code, conflict.json()["code"]) == (409, "restore_conflict")
    assert (await client.post(path, json={"if_exists": "merge"})).status_code == 422
    assert (await client.post(path, json={"only": ["zz"]})).json()["path"] == "only"
    lines = (await client.post(path, headers=LINES)).text.splitlines()
    assert json.loads(lines[-1])["code"] == "restore_conflict"

    replaced = await client.post(path, json={"if_exists": "replace", "only": ["c1"]})
    assert replaced.json()["replaced"] == 1


async def test_a_second_one_of_a_tenant_at_a_time_is_refused(
    shard: MemoryShard, client: httpx.AsyncClient
) -> None:
    """409 while the first is under way; questions are answered beside it."""
    reached, goes_on = asyncio.Event(), asyncio.Event()

    async def slow(operations: tuple[Operation, ...]) -> None:
        if isinstance(operations[0], Create):
            reached.set()
            await goes_on.wait()

    id_ = (await client.post("/v1/backups")).json()["backup"]["id"]
    await client.delete("/v1/contexts/c1")
    shard.before = slow
    first = asyncio.create_task(client.post(f"/v1/backups/{id_}/restore"))
    await reached.wait()
    second = await client.post("/v1/backups")
    beside = await client.get("/v1/contexts/c2")
    goes_on.set()
    done = await first

    assert (second.status_code, second.json()["code"]) == (409, "backup_busy")
    assert beside.status_code == 200
    assert done.json()["restored"] == 1
    assert (await client.post("/v1/backups")).status_code == 201


async def test_more_tenants_than_there_is_room_for_are_asked_to_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes memory: the next one comes again."""
    async with StoreBench([MemoryShard(objects=FileObjects(tmp_path))]).client() as client:
        monkeypatch.setattr(backup_jobs, "JOBS_MAX", 0)
        reply = await client.post("/v1/backups")

    assert reply.status_code == 503
    assert reply.headers["retry-after"] == "30"


async def test_a_caller_who_leaves_stops_the_backup(
    shard: MemoryShard, bench: StoreBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is left to hear of it; nothing is listed, no claim stays, the next one begins."""
    monkeypatch.setattr(backup_jobs, "_REST_S_MAX", 0.2)
    async with served(bench) as url, httpx.AsyncClient(base_url=url) as client:
        for at in range(150):
            await made(client, f"c{at:03}", f"row {at}")
        async with client.stream("POST", "/v1/backups", headers=LINES) as reply:
            async for _ in reply.aiter_lines():
                break
        async with asyncio.timeout(10):
            while (await client.post("/v1/backups")).status_code == 409:  # noqa: ASYNC110  # it ends
                await asyncio.sleep(0.02)
        assert shard.objects is not None
        assert len((await client.get("/v1/backups")).json()["data"]) == 1
        assert not any("/claims/" in key for key in shard.objects.keys(""))


async def test_a_silent_step_is_said_to_go_on(
    client: httpx.AsyncClient, shard: MemoryShard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long one step takes, something comes."""
    monkeypatch.setattr(backup_jobs, "_TOLD_S", 0.01)

    async def slow(_: tuple[Operation, ...]) -> None:
        await asyncio.sleep(0.1)

    shard.before = slow
    reply = await client.post("/v1/backups", headers=LINES)
    kinds = [json.loads(line)["object"] for line in reply.text.splitlines()]

    assert len(kinds) > 5
    assert kinds[-1] == "backup.made"


async def test_a_bug_is_no_half_reply(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller gets a problem document and the log the place, before the first line or later."""

    def fails(*_: object, **__: object) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr("tierfold.engine.backup.creating._Creation._put_manifest", fails)
    lines = (await client.post("/v1/backups", headers=LINES)).text.splitlines()
    assert json.loads(lines[-1])["code"] == "internal_error"
    monkeypatch.setattr("tierfold.engine.backup.creating._Creation._pages", fails)
    assert (await client.post("/v1/backups")).json()["code"] == "internal_error"
    monkeypatch.undo()
    assert (await client.post("/v1/backups")).status_code == 201


async def test_a_tenant_sees_its_own_backups_only(shard: MemoryShard, tmp_path: Path) -> None:
    """Under another's id there is nothing, and where they lie is for who owns the machine."""
    keyring = Keyring(
        (
            KeyLine(tenant="acme", digest=hashlib.sha256(b"one").digest()),
            KeyLine(tenant="else", digest=hashlib.sha256(b"two").digest()),
        )
    )
    bench = StoreBench([shard], keyring=keyring)
    async with bench.client("one") as client, bench.client("two") as stranger:
        await made(client, "trip", "hello")
        backup = (await client.post("/v1/backups")).json()["backup"]
        assert backup["url"] == ""
        assert (await stranger.get("/v1/backups")).json()["data"] == []
        for path in ("", "/verify", "/restore"):
            method = stranger.post if path else stranger.get
            reply = await method(f"/v1/backups/{backup['id']}{path}")
            assert reply.status_code == 404
            assert "objects" not in reply.text
        shutil.rmtree(tmp_path / "objects")
        (tmp_path / "objects").write_bytes(b"no folder")
        for reply in (await client.get("/v1/backups"), await client.post("/v1/backups")):
            assert reply.status_code == 503
            assert "object store of this server: " in reply.json()["detail"]


async def test_without_an_object_store_it_is_said() -> None:
    """There is no place for backups then."""
    async with StoreBench().client() as client:
        reply = await client.post("/v1/backups")

    assert reply.status_code == 422
    assert "follows no object store" in reply.json()["detail"]


@pytest.mark.usefixtures("client")
async def test_both_clients_follow_a_backup(
    bench: StoreBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a store does, against a server, with what it raises."""
    monkeypatch.delenv("TIERFOLD_API_KEY", raising=False)
    told: list[Any] = []
    async with served(bench) as url:
        async with AsyncClient(url) as waiting:
            made = await waiting.backup(name="n", progress=told.append)
            id_ = made["backup"]["id"]
            assert (await waiting.verify_backup(id_))["contexts"] == 5
            assert (await waiting.restore(id_, only=["c1"]))["identical"] == 1
            assert [each["name"] for each in await waiting.backups()] == ["n"]
            with pytest.raises(errors.UnknownBackupError):
                await waiting.restore("bk_01m87g65vvg5h3d4mr")
        await asyncio.to_thread(followed, url, id_)

    assert told[0]["contexts"] == 5


def followed(url: str, id_: str) -> None:
    with Client(url) as client:
        assert client.verify_backup(id_)["damaged"] == []
        client.append("c1", messages=[{"role": "user", "content": "more"}])
        with pytest.raises(errors.RestoreConflictError, match="one is 'c1'"):
            client.restore(id_)
        assert client.restore(id_, if_exists="skip")["skipped"] == 1
        assert client.backup()["backup"]["contexts"] == 5
        assert len(client.backups()) == 2
        assert client.delete_backup(id_)["id"] == id_


async def test_the_command_speaks_to_the_server(
    bench: StoreBench,
    client: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Output,
) -> None:
    """The same words as for a store opened here; a URL is the server's to choose."""
    async with served(bench) as url:
        monkeypatch.setenv("TIERFOLD_URL", url)

        async def run(*words: str) -> tuple[int, str, str]:
            code = await asyncio.to_thread(main, ["backup", *words])
            return code, *capsys.readouterr()

        code, out, err = await run("create", "--name", "nightly")
        id_ = out.strip()
        assert (code, "backed up 5 contexts" in err) == (0, True)
        assert "nightly" in (await run("list"))[1]
        await client.delete("/v1/contexts/c1")
        assert "restored 1 context" in (await run("restore", id_))[2]
        assert (await run("verify", id_))[0] == 0
        code, _, err = await run("create", "--to", "file:///tmp/x")
        assert (code, "--to: a server's backups" in err) == (2, True)
        code, _, err = await run("restore", id_, "--tenant", "x")
        assert (code, "--tenant: on a server" in err) == (2, True)
        assert (await run("delete", id_))[0] == 0
        assert (await run("delete", id_))[0] == 2


async def test_nobody_waits_for_a_loop_that_ends(
    bench: StoreBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that did would keep the process from ending."""
    monkeypatch.setattr(backup_jobs, "_LOOKED_S", 0.01)

    async def never(_: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(type(bench.store), "run", lambda _, steps: never(steps))
    loop = asyncio.get_running_loop()
    driver = backup_jobs.LoopDriver(bench.store, loop, is_over=lambda: True)
    with pytest.raises(errors.ShardUnavailableError):
        await asyncio.to_thread(driver.run, bench.store.verbs.tiers())


def test_the_jobs_end_with_the_server(bench: StoreBench) -> None:
    """No thread outlives it."""

    async def live() -> None:
        api = create_api(bench.desk)
        async with api.router.lifespan_context(api):
            pass

    before: Callable[[], int] = threading.active_count
    count = before()
    asyncio.run(live())
    assert threading.active_count() <= count + 1
