"""Servers that run on this machine: each `tierfold up` leaves a file while it lives."""

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from tierfold.cli.ports import started_ticks

# In the environment of every process of a server, so that all of them can be found.
RUN_VARIABLE = "TIERFOLD_RUN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One running server."""

    id: str
    pid: int  # of the process that started it and will stop it
    url: str
    log: str  # where Ray's output goes
    born_ticks: int | None  # when `pid` started: the id alone may belong to another by now


def write_run(run: Run) -> Path:
    """Leave the run's file and return its path; the caller removes it."""
    folder = _folder()
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{run.pid}-{run.id}.json"
    path.write_text(json.dumps(asdict(run)), "utf-8")
    return path


def read_runs() -> list[Run]:
    """Return the servers whose process lives; files of dead ones are removed."""
    folder = _folder()
    runs = []
    for path in sorted(folder.glob("*.json")) if _is_ours(folder) else ():
        try:
            run = Run(**json.loads(path.read_text("utf-8")))
        except FileNotFoundError:
            continue  # just removed by its owner
        except (ValueError, TypeError):
            path.unlink(missing_ok=True)
            continue
        if started_ticks(run.pid) == run.born_ticks:
            runs.append(run)
        else:
            path.unlink(missing_ok=True)
    return runs


def _folder() -> Path:
    return Path(tempfile.gettempdir()) / f"tierfold-{os.getuid()}"


def _is_ours(folder: Path) -> bool:
    """Return whether nobody else could have written into the folder."""
    try:
        return folder.lstat().st_uid == os.getuid()
    except OSError:
        return False
