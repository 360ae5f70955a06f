"""The child of `Builder`: takes jobs from a socket until its parent has gone."""

import os
import sys
from multiprocessing.connection import Connection
from pathlib import Path

from tierfold.engine.working.builder import received
from tierfold.engine.working.job import Build
from tierfold.engine.working.mapped import encode_working
from tierfold.errors import TierfoldError

_NICENESS = 5  # somebody may be waiting for an answer on this machine
_OWNER_ONLY = 0o600


def serve(connection: Connection) -> None:
    """Answer each job with None or with the error it ended in."""
    while True:
        try:
            job, path = received(connection.recv(), connection)
        except (EOFError, ConnectionError):
            return
        outcome = _outcome(job, path, connection)
        if connection.poll():  # nobody says anything before the answer: the parent has gone
            return
        connection.send(outcome)


def main(number: int) -> None:
    """Be the child."""
    os.nice(_NICENESS)
    serve(Connection(number))


def _outcome(job: Build, path: Path, connection: Connection) -> TierfoldError | OSError | None:
    try:
        data = encode_working(job.here(), job.bodies)
        if not connection.poll():  # else what is written is for nobody
            _write(path, data)
    except TierfoldError as error:
        return error
    except OSError as error:
        path.unlink(missing_ok=True)
        return OSError(error.errno, error.strerror)
    return None


def _write(path: Path, data: memoryview) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    with os.fdopen(os.open(path, flags, _OWNER_ONLY), "wb") as file:
        file.write(data)


if __name__ == "__main__":
    main(int(sys.argv[1]))
