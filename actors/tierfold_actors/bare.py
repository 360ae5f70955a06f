"""The application without Serve and without an engine: for its description."""

import importlib.metadata
from typing import cast

from fastapi import FastAPI

from tierfold.config import Limits
from tierfold.engine import MonotonicClock
from tierfold_actors.gateway import Desk, create_api
from tierfold_actors.keys import Keyring
from tierfold_actors.work import Work


def bare_api() -> FastAPI:
    """Return an application whose routes must not be called."""
    return create_api(
        Desk(
            work=cast("Work", None),
            keyring=Keyring(None),
            clock=MonotonicClock(),
            limits=Limits(),
            version=importlib.metadata.version("tierfold"),
        )
    )
