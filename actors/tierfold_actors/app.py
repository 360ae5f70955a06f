"""Composition root: settings, engine, keys and HTTP, bound to a Serve application.

`tierfold_actors.app:app` asks every caller for a key. `tierfold_actors.app:build` takes
`args: {open: true}` and then asks for none while no keys file is named: only for loopback. Where
the store is stands in `args` too, or in the environment.
"""

import gc
import importlib.metadata
import os
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from pydantic import BaseModel, ConfigDict
from ray import serve
from ray.serve import Application
from starlette.types import ASGIApp

from tierfold.config import Settings
from tierfold.engine import MonotonicClock
from tierfold_actors.default_answering import default_answering
from tierfold_actors.desk import Desk
from tierfold_actors.gateway import create_api
from tierfold_actors.keys import load_keyring
from tierfold_actors.links import AsyncShardLink
from tierfold_actors.reconcile import reconcile
from tierfold_actors.store_desk import store_desk
from tierfold_actors.store_plan import StorePlan, plan_of
from tierfold_actors.work import Work, WorkLimits, body_ledgers
from tierfold_actors.worker_process import WorkerProcess

GATEWAY = "gateway"

Links = tuple[AsyncShardLink, ...]

# Python's 5 ms are what a health check waits for the working thread at each of its hops; with 1 ms
# the slowest in a flood takes a third of the time, at the same throughput (ADR 0003).
_GIL_SWITCH_INTERVAL_S = 0.001


class GatewayArguments(BaseModel):
    """`args` of the application in a Serve config file."""

    model_config = ConfigDict(extra="forbid")

    open: bool = False  # without a keys file everybody is the tenant `local`
    store: str = ""  # the folder of stored contexts; empty is what TIERFOLD_STORE says
    objects: str = ""  # URL of L4, or `none`; empty is what TIERFOLD_OBJECTS says, else as before
    shards: int = 0  # 0 is what TIERFOLD_SHARDS says, else as before


class Gateway:
    """The deployment: everything it holds is made in the replica, nothing is shipped to it."""

    def __init__(self, *, is_open: bool, plan: StorePlan | None) -> None:
        keyring = load_keyring(may_be_open=is_open)  # before anything expensive
        links = _links(plan)  # the shards start while the engine here warms itself
        sys.setswitchinterval(_GIL_SWITCH_INTERVAL_S)
        settings = Settings()
        limits = WorkLimits(inline_body_bytes_max=settings.limits.inline_body_bytes_max)
        worker = WorkerProcess()  # warms itself while the engine here does the same
        answering = default_answering()
        work = Work(answering, worker, limits)
        self._desk = Desk(
            work=work,
            ledgers=body_ledgers(limits, settings.limits),
            keyring=keyring,
            clock=MonotonicClock(),
            settings=settings,
            version=importlib.metadata.version("tierfold"),
            store=None if plan is None else store_desk(plan, links.result(), work, settings),
        )
        _freeze()

    def __serve_build_asgi_app__(self) -> ASGIApp:  # Serve's name for it
        """Return the application; Serve calls this after the constructor."""
        return create_api(self._desk, echoes_request_id=False)


def build(arguments: GatewayArguments) -> Application:
    """Return the application for a Serve config file with `args`."""
    plan = plan_of(
        store=arguments.store,
        objects=arguments.objects,
        shards=arguments.shards,
        environment=os.environ,
    )
    return _bound(is_open=arguments.open, plan=plan)


def _freeze() -> None:
    """Take what will live as long as the process out of the collector's sight.

    Each full collection would walk through all modules and tables, and stop every thread for .1 to
    .4 s: a large history is enough to set one off.
    """
    gc.collect()
    gc.freeze()


def _links(plan: StorePlan | None) -> Future[Links]:
    """Return the ways to the shards of a plan, made in a thread: Ray's calls block."""
    thread = ThreadPoolExecutor(1, thread_name_prefix="reconcile")
    future = thread.submit(lambda: () if plan is None else reconcile(plan))
    thread.shutdown(wait=False)
    return future


def _bound(*, is_open: bool, plan: StorePlan | None) -> Application:
    # Far above the 256 + 8 calls that may wait in our own queue, so that every wait happens there.
    deployment: Any = serve.deployment(name=GATEWAY, max_ongoing_requests=1024)
    gateway = deployment(serve.ingress()(Gateway))
    application: Application = gateway.bind(is_open=is_open, plan=plan)
    return application


app = _bound(is_open=False, plan=plan_of(environment=os.environ))
