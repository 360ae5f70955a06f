"""`tierfold up`: Ray, Serve and the gateway on this machine, until Ctrl-C."""

import argparse
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from tierfold.cli.exits import Exit
from tierfold.cli.keyfile import KEYS_FILE_VARIABLE, read_keys
from tierfold.cli.storepath import store_path
from tierfold.replication.placement import SHARDS_MAX
from tierfold_actors.runtime import Server, require_safe, running
from tierfold_actors.store_plan import StorePlan, plan_of

_EPILOG = """\
exit codes: 0 stopped by Ctrl-C or SIGTERM; 1 something is not set up (port in use, keys file
malformed, store in use, Ray did not start); 2 refused (a host open to everybody without API keys);
130 Ctrl-C before it was ready, or a second Ctrl-C, which ends everything at once
"""

_ALIVE_CHECK_S = 1.0
_LINES = {
    "starting": "ray: starting ...",
    "ray": "ray: runs; serve: starting ...",
    "serve": "serve: runs, HAProxy listens; gateway: starting ...",
    "gateway": "gateway: runs, warm",
    "stopping": "stopping: gateway, serve, ray ...",
    "stopped": "stopped, nothing is left",
}


def command(argv: list[str]) -> int:
    """Run the server until Ctrl-C or SIGTERM; returns 0, or 130 when that came before ready."""
    arguments = _parser().parse_args(argv)
    require_safe(arguments.host)
    keys_file = os.environ.get(KEYS_FILE_VARIABLE)
    if keys_file:
        read_keys(Path(keys_file))  # a malformed one is refused here, not 10 s later
    plan = _plan(arguments)
    progress = _Progress(is_json=arguments.json)
    progress.step("starting")
    with _interruptible():
        with running(
            host=arguments.host,
            port=arguments.port,
            config=arguments.config,
            store=plan,
            on_step=progress.step,
        ) as server:
            progress.ready(server, plan)
            _wait(server)
            progress.step("stopping")
        progress.step("stopped")
    return Exit.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tierfold up",
        description="Serve tierfold over HTTP on this machine, until Ctrl-C.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to bind (default: %(default)s)"
    )
    parser.add_argument("--port", type=_port, default=8000, help="port to bind (default: 8000)")
    parser.add_argument("--config", type=Path, help="Serve config file (default: local.yaml)")
    store = parser.add_mutually_exclusive_group()
    store.add_argument(
        "--store", help="folder of stored contexts (default: $TIERFOLD_STORE, else ~/.tierfold)"
    )
    store.add_argument("--no-store", action="store_true", help="only fold what is sent")
    parser.add_argument(
        "--objects",
        default="",
        help="object store for the lowest tier: file://, s3://, gs://, az:// or none "
        "(default: $TIERFOLD_OBJECTS, else the one it had, else a folder in the store)",
    )
    parser.add_argument(
        "--shards", type=_shards, default=0, help="shards of a new store (default: 1)"
    )
    parser.add_argument("--json", action="store_true", help="progress as JSON lines on stdout")
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 1 << 16:
        msg = f"a port is a number between 1 and 65535, not {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _shards(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= SHARDS_MAX:
        msg = f"shards are a number between 1 and {SHARDS_MAX}, not {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _plan(arguments: argparse.Namespace) -> StorePlan | None:
    if arguments.no_store:
        return None
    return plan_of(
        store=str(store_path(arguments.store)),
        objects=arguments.objects,
        shards=arguments.shards,
        environment=os.environ,
    )


class _Progress:
    """One line per step: seconds since the start, and what was reached."""

    def __init__(self, *, is_json: bool) -> None:
        self._is_json = is_json
        self._began_s = time.monotonic()

    def step(self, name: str) -> None:
        """Say that a step was reached."""
        if name != "ready":  # it has a line of its own
            self._say(_LINES[name], step=name)

    def ready(self, server: Server, plan: StorePlan | None) -> None:
        """Say where it answers, where its store is, and how to stop it."""
        store = plan.path if plan else ""
        line = (
            f"ready: {server.url}  docs: {server.url}/docs  store: {store or 'none'}  stop: Ctrl-C"
        )
        docs = f"{server.url}/docs"
        self._say(line, step="ready", url=server.url, docs=docs, store=store)

    def _say(self, line: str, **fields: str) -> None:
        seconds = time.monotonic() - self._began_s
        if self._is_json:
            sys.stdout.write(json.dumps({**fields, "elapsed_s": round(seconds, 2)}) + "\n")
            sys.stdout.flush()
        else:
            sys.stderr.write(f"{seconds:6.1f} s  {line}\n")
            sys.stderr.flush()


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Make SIGTERM end the block as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _wait(server: Server) -> None:
    """Return at Ctrl-C or SIGTERM; raises SetupError when the server dies."""
    try:
        while True:
            server.require_alive()
            time.sleep(_ALIVE_CHECK_S)
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    sys.exit(command(sys.argv[1:]))
