"""`tierfold prefetch` against a real gateway, and where there is none."""

import asyncio
import json
from pathlib import Path

import pytest

import tierfold
from tests.unit.actors.stored import MemoryShard, StoreBench
from tests.unit.actors.test_over_http import served
from tierfold.cli import main
from tierfold.engine.working import SharedFolder

Output = pytest.CaptureFixture[str]


async def command(url: str, *words: str) -> int:
    return await asyncio.to_thread(main, ["prefetch", *words, "--url", url])


async def test_the_command_hints_at_every_context_named(tmp_path: Path, capsys: Output) -> None:
    """Each has a line; unknown ones are named in the end, and the exit code tells."""
    shard = MemoryShard(folder=SharedFolder(tmp_path / "l1", bytes_max=1 << 26))
    bench = StoreBench([shard])
    async with bench.client() as client:
        for id_ in ("a", "b"):
            await client.post("/v1/contexts", json={"id": id_, "text": f"Text {id_}. " * 50})
    async with served(bench) as url:
        assert await command(url, "a", "--hint", "session_opened", "--deadline", "20s") == 0
        assert "a: is brought up\n" in capsys.readouterr().out
        await asyncio.to_thread(shard.shard.step, 1_000.0)
        assert await command(url, "a", "b", "none", "--json", "-q") == 2
        out, err = capsys.readouterr()
        body = json.loads(out)
        assert (body["accepted"], body["ready"]) == (["a", "b"], ["a"])
        assert body["skipped"] == [{"context": "none", "reason": "unknown"}]
        assert "there is no context 'none'" in err
        assert await command(url, "a", "--hint", "later") == 2
        assert await command(url, "a", "--deadline", "soon") == 2
        assert "a number and its unit" in capsys.readouterr().err


async def test_what_is_skipped_is_said(capsys: Output) -> None:
    """The store takes the hint, and has no place for what it asks."""
    bench = StoreBench()
    async with bench.client() as client:
        await client.post("/v1/contexts", json={"id": "a", "text": "Text."})
    async with served(bench) as url:
        assert await command(url, "a") == 0
    assert "a: skipped, its working set does not fit into L1" in capsys.readouterr().out


def test_a_store_that_no_server_has_open_is_refused(tmp_path: Path, capsys: Output) -> None:
    """What the command brought up would end with it."""
    with tierfold.open(tmp_path / "store") as store:
        store.create("a", text="Text.")
    assert main(["prefetch", "a", "--store", str(tmp_path / "store")]) == 2
    assert "`tierfold up`" in capsys.readouterr().err
