"""Working sets made by a process of their own."""

import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread

import pytest

from tierfold.config import Limits
from tierfold.context import Part
from tierfold.context.manifest import Head, Shape
from tierfold.context.stored import About, ContextInfo
from tierfold.engine.contents import part_contents, text_contents
from tierfold.engine.working import Build, Builder, encode_working, map_shared
from tierfold.engine.working.build_process import serve
from tierfold.errors import OverloadError, TooLargeError

TEXT = "The ferry to Oslo leaves at nine. " * 300
WAIT_S = 0.01


def job(contents_of: str = TEXT) -> Build:
    contents = text_contents(contents_of)
    head = Head(id="a", shape=Shape.TEXT, items=len(contents.items), size_bytes=contents.size_bytes)
    return Build(
        info=ContextInfo(head=head, about=About()),
        bodies=tuple(item.segment.body for item in contents.items),
        tokenizer="o200k",
        digest=b"12345678",
        limits=Limits(),
    )


@pytest.fixture
def builder() -> Iterator[Builder]:
    builder = Builder(kept_bytes_max=1 << 20)
    yield builder
    builder.close()


def test_what_the_child_writes_is_what_would_have_been_made_here(
    builder: Builder, tmp_path: Path
) -> None:
    """The same file, byte for byte, for its owner alone; the child stays for the next."""
    path = tmp_path / "a"
    for _ in builder.building(job(), path, wait_s=WAIT_S):
        pass
    first = builder.pid
    for _ in builder.building(job(), tmp_path / "b", wait_s=WAIT_S):
        pass

    assert path.read_bytes() == bytes(encode_working(job().here(), job().bodies))
    assert path.stat().st_mode & 0o777 == 0o600
    assert map_shared(path, job().info).items == job().info.items
    assert builder.pid == first


def test_a_large_build_ends_its_child(tmp_path: Path) -> None:
    """What it has taken of memory is given back only by its end."""
    builder = Builder()
    list(builder.building(job(), tmp_path / "a", wait_s=WAIT_S))

    assert builder.pid is None


def test_what_building_raises_is_raised_here(builder: Builder, tmp_path: Path) -> None:
    """The error itself, so that its reader sees no difference."""
    parts = part_contents([Part(text="one"), Part(text="two")])
    head = replace(job().info.head, shape=Shape.PARTS, items=2)
    small = replace(
        job(),
        info=ContextInfo(head=head, about=About()),
        bodies=tuple(item.segment.body for item in parts.items),
        limits=Limits(messages_max=1),
    )
    with pytest.raises(TooLargeError):
        list(builder.building(small, tmp_path / "a", wait_s=WAIT_S))


def test_a_file_without_room_is_told_apart(builder: Builder, tmp_path: Path) -> None:
    """The caller may have another place for it, or do without."""
    with pytest.raises(OSError, match="No such file"):
        list(builder.building(job(), tmp_path / "none" / "a", wait_s=WAIT_S))


def test_a_child_that_dies_is_replaced(builder: Builder, tmp_path: Path) -> None:
    """Whoever waited hears that it may be tried again; the next build has another child."""
    building = builder.building(job("word " * 400_000), tmp_path / "a", wait_s=WAIT_S)
    next(building)
    pid = builder.pid
    assert pid is not None
    os.kill(pid, 9)
    with pytest.raises(OverloadError):
        list(building)
    list(builder.building(job(), tmp_path / "b", wait_s=WAIT_S))

    assert builder.pid not in {None, pid}


def test_a_build_that_nobody_waits_for_is_stopped(builder: Builder, tmp_path: Path) -> None:
    """Closing the iterator ends the child in mid-build."""
    building = builder.building(job("word " * 400_000), tmp_path / "a", wait_s=WAIT_S)
    next(building)
    building.close()

    assert builder.pid is None
    assert not (tmp_path / "a").exists()


def test_the_child_serves_until_its_parent_goes(tmp_path: Path) -> None:
    """And writes nothing that nobody is there for."""
    ours, theirs = (Connection(each.detach()) for each in socket.socketpair())
    child = Thread(target=serve, args=(theirs,))
    child.start()
    one = job()
    ours.send((replace(one, bodies=()), str(tmp_path / "a"), len(one.bodies)))
    ours.send(list(one.bodies))
    assert ours.recv() is None
    ours.send((replace(one, bodies=()), str(tmp_path / "b"), len(one.bodies)))
    ours.send(list(one.bodies))
    ours.close()
    child.join(10)
    theirs.close()

    assert (tmp_path / "a").exists()
    assert not (tmp_path / "b").exists()
