"""`python -m tierfold_actors.openapi` writes the description of the routes to `openapi.json`."""

import importlib.metadata
import json
import sys
from pathlib import Path
from typing import cast

from fastapi import FastAPI

from tierfold.config import Limits, Settings
from tierfold.engine import MonotonicClock
from tierfold_actors.desk import Desk
from tierfold_actors.gateway import create_api
from tierfold_actors.keys import Keyring
from tierfold_actors.work import Work, WorkLimits, body_ledgers

PATH = Path(__file__).parents[2] / "openapi.json"


def bare_api() -> FastAPI:
    """Return the application without an engine: it can be described, but not called."""
    return create_api(
        Desk(
            work=cast("Work", None),
            ledgers=body_ledgers(WorkLimits(), Limits()),
            keyring=Keyring(None),
            clock=MonotonicClock(),
            settings=Settings(),
            version=importlib.metadata.version("tierfold"),
        )
    )


def document() -> str:
    """Return the text of `openapi.json`."""
    description = bare_api().openapi()
    return json.dumps(description, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the file at the root of the repository."""
    PATH.write_text(document(), "utf-8")
    sys.stdout.write(f"wrote {PATH}\n")


if __name__ == "__main__":
    main()
