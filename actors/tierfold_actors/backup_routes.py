"""Routes of backups: make, list, check, restore, delete."""

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from dataclasses import asdict, replace
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from tierfold.context.identity import ID_RANDOM_BITS
from tierfold.engine import backup
from tierfold.engine.backup import BackupInfo, BackupProgress, BackupWorld, RestoreOptions
from tierfold.engine.backup.bodies import (
    Report,
    backup_body,
    backups_body,
    progress_body,
    report_body,
)
from tierfold.engine.backup.reading import read_manifest
from tierfold.engine.backup.reports import BackupReport
from tierfold.engine.backups import BackupParts, Backups, require_name
from tierfold.errors import ObjectStoreError, TierfoldError
from tierfold.wire import problem_body
from tierfold.wire.backups import parse_backup, parse_restore, require_no_address
from tierfold_actors.answering import log_unforeseen
from tierfold_actors.arrival import request_id
from tierfold_actors.backup_jobs import BackupJobs, BackupSteps, LoopDriver
from tierfold_actors.problems import InternalError
from tierfold_actors.serving import Serving, call_of, guarded
from tierfold_actors.stream import EventResponse

LINES_MEDIA_TYPE = "application/x-ndjson"

_CREATED = 201
_DICE = random.SystemRandom()
_Steps = Callable[[BackupWorld], BackupSteps]


class BackupRoutes:
    """One method per route. A tenant's backups lie in the object store that the server follows."""

    def __init__(self, serving: Serving) -> None:
        self.serving = serving
        self.jobs = BackupJobs()

    @guarded
    async def make_backup(self, request: Request) -> Response:
        """Back up all contexts; with `Accept: application/x-ndjson` a line says how far it is."""
        tenant, backups = self._entered(request)
        asked = await self.serving.parsed(request, parse_backup)
        require_name(asked.name)

        def steps(world: BackupWorld) -> BackupSteps:
            return backup.create(world, name=asked.name, full=asked.full)

        return await self._run(request, tenant, backups, steps)

    @guarded
    async def list_backups(self, request: Request) -> Response:
        """List all backups, the oldest first."""
        _, backups = self._entered(request)
        with self._discreet():
            found = await asyncio.to_thread(backups.list)
        return self.serving.json(request, backups_body([self._shown(info) for info in found]))

    @guarded
    async def get_backup(self, request: Request) -> Response:
        """Return one backup."""
        _, backups = self._entered(request)
        with self._discreet():
            info = await asyncio.to_thread(_info, backups, request.path_params["id"])
        return self.serving.json(request, backup_body(self._shown(info)))

    @guarded
    async def verify_backup(self, request: Request) -> Response:
        """Read all of a backup and check it."""
        tenant, backups = self._entered(request)
        id_ = request.path_params["id"]
        return await self._run(request, tenant, backups, lambda world: backup.verify(world, id_))

    @guarded
    async def restore_backup(self, request: Request) -> Response:
        """Bring contexts back, each as one change."""
        tenant, backups = self._entered(request)
        asked = await self.serving.parsed(request, parse_restore)
        options = RestoreOptions(**asdict(asked))
        id_ = request.path_params["id"]

        def steps(world: BackupWorld) -> BackupSteps:
            return backup.restore(world, id_, options)

        return await self._run(request, tenant, backups, steps)

    @guarded
    async def delete_backup(self, request: Request) -> Response:
        """Delete a backup, and what no other one needs."""
        tenant, backups = self._entered(request)
        id_ = request.path_params["id"]

        def steps(world: BackupWorld) -> BackupSteps:
            yield from ()
            return backup.delete(world, id_)

        return await self._run(request, tenant, backups, steps)

    def _entered(self, request: Request) -> tuple[str, Backups]:
        tenant, store = self.serving.entered(request)
        require_no_address(request.query_params)
        parts = BackupParts(
            driver=LoopDriver(
                store, asyncio.get_running_loop(), is_over=lambda: self.jobs.is_closed
            ),
            verbs=store.verbs,
            tenant=tenant,
            wall=store.wall,
            clock=self.serving.desk.clock,
            random_bits=lambda: _DICE.getrandbits(ID_RANDOM_BITS),
            page_max=self.serving.desk.settings.store.page_max,
        )
        return tenant, Backups(parts)

    async def _run(
        self, request: Request, tenant: str, backups: Backups, steps: _Steps
    ) -> Response:
        """Run steps and answer with the report, or a line for each step where that is asked."""
        told = self._told(self.jobs.run(tenant, lambda: _begun(backups, steps)))
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(contextlib.aclosing(told))
            first = await anext(told)
            if LINES_MEDIA_TYPE in request.headers.get("accept", "").lower():
                lines = self._lines(request, first, told)
                chunks = await stack.enter_async_context(contextlib.aclosing(lines))
                response = EventResponse(chunks, stack.pop_all())
                response.headers["content-type"] = LINES_MEDIA_TYPE
                return response
            report = first
            async for each in told:
                report = each
            assert not isinstance(report, BackupProgress)
            status = _CREATED if isinstance(report, BackupReport) else 200
            return self.serving.json(request, self._body(report), status=status)
        raise AssertionError(tenant)  # pragma: no cover  # the stack swallows nothing

    async def _told(
        self, outcomes: AsyncGenerator[BackupProgress | Report]
    ) -> AsyncGenerator[BackupProgress | Report]:
        async with contextlib.aclosing(outcomes):
            with self._discreet():
                async for each in outcomes:
                    yield each

    @contextlib.contextmanager
    def _discreet(self) -> Iterator[None]:
        """Keep the object store's address to who owns the machine."""
        try:
            yield
        except ObjectStoreError as error:
            if not self.serving.desk.keyring.is_open:
                error.args = (str(error).replace(error.url, "of this server"),)
            raise

    async def _lines(
        self,
        request: Request,
        first: BackupProgress | Report,
        rest: AsyncIterator[BackupProgress | Report],
    ) -> AsyncGenerator[bytes]:
        """Yield a line for each outcome; an error is the last one, since the status has gone."""
        yield _line(self._body(first))
        try:
            async for each in rest:
                yield _line(self._body(each))
        except TierfoldError as error:
            yield _line(_problem(error, request))
        except Exception as error:  # noqa: BLE001  # the caller gets a problem document, we a log line
            log_unforeseen(error, call_of(request, "process", b""))
            yield _line(_problem(InternalError(), request))

    def _body(self, outcome: BackupProgress | Report) -> dict[str, Any]:
        if isinstance(outcome, BackupProgress):
            return progress_body(outcome)
        if isinstance(outcome, BackupReport):
            outcome = replace(outcome, backup=self._shown(outcome.backup))
        return report_body(outcome)

    def _shown(self, info: BackupInfo) -> BackupInfo:
        """Return a backup as a caller may see it: where it lies is for who owns the machine."""
        return info if self.serving.desk.keyring.is_open else replace(info, url="")


def _begun(backups: Backups, steps: _Steps) -> Generator[BackupProgress, None, Report]:
    with backups.world() as world:
        return (yield from steps(world))


def _info(backups: Backups, id_: str) -> BackupInfo:
    with backups.world() as world:
        return read_manifest(world, id_).info


def _problem(error: TierfoldError, request: Request) -> dict[str, Any]:
    return {"object": "error", **problem_body(error, request_id=request_id(request))}


def _line(body: dict[str, Any]) -> bytes:
    return orjson.dumps(body) + b"\n"
