"""Replies that come line by line: progress as it comes, the report in the end."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from tests.unit.client.fake_server import problem
from tierfold import errors
from tierfold.client import AsyncClient, Client
from tierfold.client.documents import MalformedReplyError

PROGRESS = b'{"object":"backup.progress","contexts":1}\n'
REPORT = b'{"object":"backup.made","new_packs":1}\n'


class Broken(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A reply whose connection breaks in the middle."""

    def __iter__(self) -> Iterator[bytes]:
        yield PROGRESS
        text = "reset"
        raise httpx.ReadError(text)


def client(reply: httpx.Response | Exception) -> Client:
    def answer(_: httpx.Request) -> httpx.Response:
        if isinstance(reply, Exception):
            raise reply
        return reply

    return Client("http://host:1", transport=httpx.MockTransport(answer))


def test_progress_is_told_and_the_report_returned() -> None:
    """Blank lines are nothing, as everywhere."""
    told: list[Mapping[str, Any]] = []
    reply = httpx.Response(200, content=PROGRESS + b"\n" + PROGRESS + REPORT)
    with client(reply) as it:
        assert it.backup(progress=told.append)["new_packs"] == 1

    assert [each["contexts"] for each in told] == [1, 1]


def test_nobody_has_to_listen() -> None:
    """The report is what counts."""
    with client(httpx.Response(200, content=PROGRESS + REPORT)) as it:
        assert it.backup()["object"] == "backup.made"


@pytest.mark.parametrize(
    ("reply", "kind", "said"),
    [
        (httpx.Response(200, content=PROGRESS), errors.ServerUnreachableError, "broke off"),
        (httpx.Response(200, stream=Broken()), errors.ServerUnreachableError, "connection broke"),
        (httpx.ConnectError("no"), errors.ServerUnreachableError, "no server answers"),
        (httpx.Response(200, content=b"hello\n"), MalformedReplyError, "not JSON"),
        (httpx.Response(200, content=b"[1]\n"), MalformedReplyError, "no object"),
        (
            problem(errors.BackupBusyError("a backup is under way")),
            errors.BackupBusyError,
            "a backup is under way",
        ),
        (
            httpx.Response(
                200,
                content=PROGRESS
                + b'{"object":"error","status":409,"code":"restore_conflict","detail":"two"}\n',
            ),
            errors.RestoreConflictError,
            "two",
        ),
        (
            httpx.Response(200, content=b'{"object":"error","code":"x","detail":"y"}\n'),
            errors.TierfoldError,
            "y",
        ),
    ],
)
def test_failures_are_the_errors_they_were(
    reply: httpx.Response | Exception, kind: type[Exception], said: str
) -> None:
    """Before the first line, in the middle, or instead of the last."""
    with client(reply) as it, pytest.raises(kind, match=said):
        it.backup()


async def test_the_client_for_event_loops_does_the_same() -> None:
    """Each way it can end, once."""
    replies = [
        httpx.Response(200, content=PROGRESS + REPORT),
        problem(errors.UnknownBackupError("b", tenant="t")),
        httpx.Response(200, content=b'{"data": []}'),
        httpx.Response(200, content=b'{"id": "b"}'),
    ]
    transport = httpx.MockTransport(lambda _: replies.pop(0))
    async with AsyncClient("http://host:1", transport=transport) as it:
        assert (await it.backup())["new_packs"] == 1
        with pytest.raises(errors.UnknownBackupError) as caught:
            await it.verify_backup("b")
        assert caught.value.backup == "b"
        assert await it.backups() == []
        assert await it.delete_backup("b") == {"id": "b"}

    def refuse(_: httpx.Request) -> httpx.Response:
        text = "no"
        raise httpx.ConnectError(text)

    async with AsyncClient("http://host:1", transport=httpx.MockTransport(refuse)) as it:
        with pytest.raises(errors.ServerUnreachableError):
            await it.backup()


def test_a_list_that_is_none_is_refused() -> None:
    """Whatever answers there is no tierfold server."""
    for content in (b"{}", b'{"data": [1]}', b'{"data": {}}'):
        with client(httpx.Response(200, content=content)) as it, pytest.raises(MalformedReplyError):
            it.backups()
