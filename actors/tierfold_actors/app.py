"""Composition root: settings, engine, keys and HTTP, bound to a Serve application.

`tierfold_actors.app:app` asks every caller for a key. `tierfold_actors.app:build` takes
`args: {open: true}` and then asks for none while no keys file is named: only for loopback.
"""

import importlib.metadata
import sys
from typing import Any

from pydantic import BaseModel, ConfigDict
from ray import serve
from ray.serve import Application
from starlette.types import ASGIApp

from tierfold.config import Settings
from tierfold.engine import MonotonicClock
from tierfold_actors.default_answering import default_answering
from tierfold_actors.gateway import Desk, create_api
from tierfold_actors.keys import load_keyring
from tierfold_actors.work import Work, WorkLimits, body_ledgers
from tierfold_actors.worker_process import WorkerProcess

GATEWAY = "gateway"

# Python's 5 ms are what a health check waits for the working thread at each of its hops; with 1 ms
# the slowest in a flood takes a third of the time, at the same throughput (ADR 0003).
_GIL_SWITCH_INTERVAL_S = 0.001


class GatewayArguments(BaseModel):
    """`args` of the application in a Serve config file."""

    model_config = ConfigDict(extra="forbid")

    open: bool = False  # without a keys file everybody is the tenant `local`


class Gateway:
    """The deployment: everything it holds is made in the replica, nothing is shipped to it."""

    def __init__(self, *, is_open: bool) -> None:
        keyring = load_keyring(may_be_open=is_open)  # before anything expensive
        sys.setswitchinterval(_GIL_SWITCH_INTERVAL_S)
        settings = Settings()
        limits = WorkLimits(inline_body_bytes_max=settings.limits.inline_body_bytes_max)
        worker = WorkerProcess()  # warms itself while the engine here does the same
        self._desk = Desk(
            work=Work(default_answering(), worker, limits),
            ledgers=body_ledgers(limits, settings.limits),
            keyring=keyring,
            clock=MonotonicClock(),
            limits=settings.limits,
            version=importlib.metadata.version("tierfold"),
        )

    def __serve_build_asgi_app__(self) -> ASGIApp:  # Serve's name for it
        """Return the application; Serve calls this after the constructor."""
        return create_api(self._desk, echoes_request_id=False)


def build(arguments: GatewayArguments) -> Application:
    """Return the application for a Serve config file with `args`."""
    return _bound(is_open=arguments.open)


def _bound(*, is_open: bool) -> Application:
    # Far above the 256 + 8 calls that may wait in our own queue, so that every wait happens there.
    deployment: Any = serve.deployment(name=GATEWAY, max_ongoing_requests=1024)
    application: Application = deployment(serve.ingress()(Gateway)).bind(is_open=is_open)
    return application


app = _bound(is_open=False)
