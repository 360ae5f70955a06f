import hashlib
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tierfold.cli.keyfile import KEYS_FILE_VARIABLE
from tierfold.cli.runs import read_runs
from tierfold.errors import CallerError, SetupError, StoreLockedError
from tierfold.storage import StoreLock
from tierfold_actors import haproxy, runtime, up

# What Ray 2.60 renders, as far as it matters here.
RENDERED = """\
frontend prometheus
    bind :9101
    mode http
frontend http_frontend
    bind 127.0.0.1:8000
listen stats
  bind *:8404
  stats enable
"""


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEYS_FILE_VARIABLE, raising=False)


@pytest.fixture
def never_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a start fail the test: what is refused is refused before."""

    def start(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(subprocess, "Popen", start)


@pytest.mark.usefixtures("never_started")
@pytest.mark.parametrize(
    "host",
    [
        *("0.0.0.0", "::", "10.0.0.1", "example.org"),  # noqa: S104
        *("127.example.org", "127.0.0.1.example.org", "127.", "localhost.example.org", ""),
    ],
)
def test_a_host_open_to_everybody_is_refused_without_keys(host: str) -> None:
    """The sentence says both ways out."""
    with pytest.raises(CallerError, match=f"(?s){KEYS_FILE_VARIABLE}.*127.0.0.1"):
        up.command(["--host", host])


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "::1"])
def test_loopback_needs_no_keys(host: str) -> None:
    """The first start works as it is."""
    runtime.require_safe(host, {})


def test_any_host_is_served_with_keys() -> None:
    """Then the gateway asks everybody."""
    runtime.require_safe("0.0.0.0", {KEYS_FILE_VARIABLE: "/keys"})  # noqa: S104


@pytest.mark.usefixtures("never_started")
def test_a_port_in_use_is_refused_before_ray_starts() -> None:
    """Ten seconds later Ray would say it in two hundred lines."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]

        with pytest.raises(SetupError, match=f"port {port} .*--port"):
            up.command(["--port", str(port)])


@pytest.mark.usefixtures("never_started")
def test_a_malformed_keys_file_is_refused_before_ray_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its line."""
    path = tmp_path / "keys"
    path.write_text(f"a:{hashlib.sha256(b'k').hexdigest()}\nthe key itself\n")
    monkeypatch.setenv(KEYS_FILE_VARIABLE, str(path))

    with pytest.raises(SetupError, match="line 2"):
        up.command([])


@pytest.mark.usefixtures("never_started")
def test_a_missing_config_file_is_refused(tmp_path: Path) -> None:
    """By its name."""
    with pytest.raises(CallerError, match="no config file"):
        up.command(["--config", str(tmp_path / "nowhere.yaml")])


@pytest.mark.usefixtures("never_started")
def test_a_store_in_use_is_refused_before_ray_starts(tmp_path: Path) -> None:
    """With the address of who has it."""
    url = "http://127.0.0.1:7"
    with StoreLock.acquire(tmp_path, url=url), pytest.raises(StoreLockedError, match=url):
        up.command(["--port", str(free_port()), "--store", str(tmp_path)])


@pytest.mark.parametrize("shards", ["0", "257", "x"])
def test_an_impossible_number_of_shards_is_a_usage_error(
    shards: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, as argparse says it."""
    with pytest.raises(SystemExit) as stopped:
        up.command(["--shards", shards])

    assert stopped.value.code == 2
    assert "--shards" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["0", "65536", "x"])
def test_an_impossible_port_is_a_usage_error(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, as argparse says it."""
    with pytest.raises(SystemExit) as stopped:
        up.command(["--port", port])

    assert stopped.value.code == 2
    assert "--port" in capsys.readouterr().err


def test_the_help_names_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts depend on them."""
    with pytest.raises(SystemExit) as stopped:
        up.command(["--help"])

    assert stopped.value.code == 0
    assert "exit codes: 0" in capsys.readouterr().out


def test_the_default_config_does_not_depend_on_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`tierfold up` works from anywhere."""
    monkeypatch.chdir(tmp_path)

    assert runtime.default_config().name == "local.yaml"


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104
def test_the_wrapper_keeps_haproxy_s_own_ports_on_loopback(tmp_path: Path, host: str) -> None:
    """Only the front end follows --host; everything else about the call stays as Ray wrote it."""
    config = tmp_path / "haproxy.cfg"
    config.write_text(RENDERED)
    echo = tmp_path / "echo"
    echo.write_text('#!/bin/sh\necho "$@"\n')
    echo.chmod(0o755)
    wrapper = haproxy.write_wrapper(tmp_path, binary=echo, host=host, port=8000)

    done = subprocess.run(
        [wrapper, "-db", "-f", config, "-sf", "12"], check=True, capture_output=True, text=True
    )

    assert f"-db -f {config} -sf 12\n" == done.stdout
    binds = [line.strip() for line in config.read_text().splitlines() if "bind" in line]
    assert ["bind 127.0.0.1:9101", f"bind {host}:8000", "bind 127.0.0.1:8404"] == binds


def test_the_folder_is_short_enough_for_sockets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unix socket paths end at 107 bytes; pytest's own folders are already too long."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    with runtime.short_folder() as folder:
        assert len(str(folder)) <= 20

    assert not folder.exists()


def test_a_driver_that_dies_is_a_sentence_with_the_end_of_its_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody should have to look for the log; it stays, since the sentence names it."""
    monkeypatch.setattr(sys, "executable", "/bin/false")

    with (
        pytest.raises(SetupError, match="did not start: its process died") as died,
        runtime.running(port=free_port()),
    ):
        pass

    log = Path(str(died.value).partition("the end of ")[2].partition(":")[0])
    assert log.is_file()
    shutil.rmtree(log.parent)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_driver_that_does_not_stop_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C ends, whatever hangs."""
    script = tmp_path / "driver"
    script.write_text('#!/bin/sh\necho \'{"step": "ready"}\'\nsleep 60\n')
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    monkeypatch.setattr(runtime, "_STOP_WAIT_S", 0.1)

    with runtime.running(port=free_port()) as server:
        pass

    with pytest.raises(SetupError, match="died"):
        server.require_alive()


def test_an_interrupted_stop_leaves_nothing_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second Ctrl-C is for the impatient, not for those who like to tidy up."""
    script = tmp_path / "driver"
    script.write_text('#!/bin/sh\necho \'{"step": "ready"}\'\nsleep 60\n')
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    waits = iter([KeyboardInterrupt()])

    class Driver(subprocess.Popen[bytes]):
        def wait(self, timeout: float | None = None) -> int:
            for interrupt in waits:
                raise interrupt
            return super().wait(timeout)

    monkeypatch.setattr(subprocess, "Popen", Driver)

    with pytest.raises(KeyboardInterrupt), runtime.running(port=free_port()) as server:
        folder, left = server.folder, server.processes() - {server.run.pid}

    assert left
    assert not left & server.processes()
    assert not folder.exists()
    assert server.run not in read_runs()


def test_what_outlives_the_driver_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by its place in the family and by its environment, killed by its own id."""
    script = tmp_path / "driver"
    script.write_text(
        '#!/bin/sh\nsleep 60 & echo \'{"step": "ready"}\'\ncat >/dev/null\n'  # the child stays
    )
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    steps: list[str] = []

    with runtime.running(port=free_port(), on_step=steps.append) as server:
        left = server.processes() - {server.run.pid}
        server.require_alive()

    assert steps == ["ready"]
    assert len(left) >= 2
    assert set() == left & server.processes()


@pytest.mark.parametrize("host", ["no-such-host.invalid", "203.0.113.7"])
def test_a_host_that_is_not_ours_is_not_blamed_on_the_port(host: str, tmp_path: Path) -> None:
    """The sentence names what is wrong, so that nobody hunts for a process that holds a port."""
    environment = {KEYS_FILE_VARIABLE: str(tmp_path / "keys")}
    with (
        pytest.raises(SetupError, match="no address of this machine"),
        runtime.running(host=host, port=8000, environment=environment),
    ):
        pass
