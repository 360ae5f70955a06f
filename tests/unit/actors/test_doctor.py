import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tierfold.cli import checks, doctor, ports, runs
from tierfold.cli.keyfile import KEYS_FILE_VARIABLE
from tierfold.cli.ports import Listener, family, listeners, started_ticks
from tierfold.cli.runs import RUN_VARIABLE, Run, read_runs, write_run

LISTENING_CHILD = """
import socket, sys, time
held = []
for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0"),
                        (socket.AF_INET6, "::"), (socket.AF_INET6, "::ffff:127.0.0.1")):
    each = socket.socket(family)
    each.bind((address, 0))
    each.listen()
    held.append(each)
    print(each.getsockname()[1], flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep run files of real servers out of sight."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv(KEYS_FILE_VARIABLE, raising=False)


@pytest.fixture
def child() -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A process of the run `here` with four listening ports."""
    with subprocess.Popen(
        [sys.executable, "-c", LISTENING_CHILD],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, RUN_VARIABLE: "here"},
    ) as process:
        assert process.stdout
        opened = [int(process.stdout.readline()) for _ in range(4)]
        yield process, opened
        process.kill()


def test_the_kernel_s_table_is_read(child: tuple[subprocess.Popen[str], list[int]]) -> None:
    """Address, port and reach, for both families and for addresses mapped between them."""
    process, opened = child

    found = {each.port: each for each in listeners([process.pid])}

    assert set(opened) == set(found)
    reached = [found[port].reach for port in opened]
    assert reached == ["loopback only", "every interface", "every interface", "loopback only"]
    assert {process.pid} == {each.pid for each in found.values()}


def test_a_single_address_is_named() -> None:
    """Neither loopback nor everything."""
    listener = Listener(port=1, address="192.0.2.1", pid=1, process="x")

    assert listener.reach == "192.0.2.1 only"
    assert not listener.is_loopback


def test_a_family_is_descendants_and_bearers_of_the_variable(
    child: tuple[subprocess.Popen[str], list[int]],
) -> None:
    """An orphan is found by its environment, a process that hides it by its parent."""
    process, _ = child

    assert {process.pid} == family(process.pid, variable="NOTHING", value="x")
    assert process.pid in family(os.getpid(), variable="NOTHING", value="x")
    assert process.pid in family(-1, variable=RUN_VARIABLE, value="here")


def test_a_process_is_its_pid_and_its_birth() -> None:
    """Pids are given away again."""
    assert started_ticks(os.getpid()) == started_ticks(os.getpid())
    assert started_ticks(-1) is None


@pytest.mark.parametrize(
    ("cmdline", "name"),
    [
        (b"ray::ServeReplica:tierfold:gateway\0", "ray::ServeReplica:tierfold:gateway"),
        (b"/usr/lib/ray/gcs_server\0--log\0", "gcs_server"),
        (b"/venv/bin/python\0-u\0/x/monitor.py\0", "monitor.py"),
        (b"/venv/bin/python\0-P\0-m\0tierfold_actors.driver\0", "tierfold_actors.driver"),
        (b"/venv/bin/python\0-c\0pass\0", "python"),
        (b"", "unknown"),
    ],
)
def test_processes_are_named_by_what_they_run(
    cmdline: bytes, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten lines of `python` help nobody."""
    monkeypatch.setattr(ports, "_read", lambda _pid, _name: cmdline)

    assert name == ports.process_name(1)


def own_run() -> Run:
    """A run of this very process."""
    return Run(
        id="a",
        pid=os.getpid(),
        url="http://127.0.0.1:1",
        log="/log",
        born_ticks=started_ticks(os.getpid()),
    )


def test_a_run_that_ends_while_it_is_read_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner removes the file."""
    path = write_run(own_run())
    monkeypatch.setattr(Path, "glob", lambda *_: [path.with_name("gone.json")])

    assert read_runs() == []


def test_processes_that_vanish_while_they_are_read_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file of /proc may be gone when it is opened."""
    (tmp_path / "7" / "fd").mkdir(parents=True)
    (tmp_path / "7" / "fd" / "0").write_text("a file, not a link")
    (tmp_path / "7" / "fd" / "1").symlink_to("pipe:[1]")
    (tmp_path / "8").mkdir()
    (tmp_path / "self").mkdir()
    monkeypatch.setattr(ports, "_PROC", tmp_path)

    assert listeners([7, 8, 9]) == []
    assert family(9, variable=RUN_VARIABLE, value="x") == set()


@pytest.mark.parametrize(("stat", "is_dead"), [(b"7 (a (b) c) Z 1", True), (b"7 (x) S 1", False)])
def test_a_zombie_has_ended(stat: bytes, is_dead: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001  # pytest's parameter
    """It only waits for its parent; its name may hold anything."""
    monkeypatch.setattr(ports, "_read", lambda _pid, _name: stat)

    assert ports.is_zombie(7) is is_dead


def test_a_run_is_known_while_its_process_lives() -> None:
    """A file left by a crash is removed by the next reader."""
    alive = own_run()
    write_run(alive)
    dead = write_run(replace(alive, id="b", born_ticks=1))  # its pid was given away
    broken = dead.with_name("broken.json")
    broken.write_text("{")

    assert [alive] == read_runs()
    assert not dead.exists()
    assert not broken.exists()


def test_a_folder_of_somebody_else_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The temporary folder is everybody's."""
    write_run(own_run())
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    monkeypatch.setattr(runs, "_folder", lambda: tmp_path / "tierfold-0")

    assert read_runs() == []


def test_doctor_lists_the_ports_of_running_servers(
    child: tuple[subprocess.Popen[str], list[int]], capsys: pytest.CaptureFixture[str]
) -> None:
    """As text for people and as JSON for programs."""
    process, opened = child
    born_ticks, url = started_ticks(process.pid), f"http://127.0.0.1:{opened[0]}"
    write_run(replace(own_run(), id="here", pid=process.pid, url=url, born_ticks=born_ticks))

    code = doctor.command(["--port", str(opened[0])])
    text = capsys.readouterr().out
    doctor.command(["--json"])
    server = json.loads(capsys.readouterr().out)["servers"][0]

    assert code == 0
    assert "held by a tierfold server of yours" in text
    for port in opened:
        assert f":{port} " in text
    assert set(opened) == {each["port"] for each in server["ports"]}
    assert process.pid == server["pid"]


def test_doctor_says_when_nothing_of_ours_listens(capsys: pytest.CaptureFixture[str]) -> None:
    """An empty list could also mean that nobody looked."""
    doctor.command([])

    assert "no tierfold server of yours runs here" in capsys.readouterr().out


def test_doctor_says_where_ports_cannot_be_listed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only Linux has the tables."""
    monkeypatch.setattr(ports, "_PROC", Path("/nowhere"))

    doctor.command([])

    assert "netstat" in capsys.readouterr().out


def test_doctor_fails_on_a_malformed_keys_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, and the line to mend."""
    path = tmp_path / "keys"
    path.write_text("nonsense\n")
    monkeypatch.setenv(KEYS_FILE_VARIABLE, str(path))

    code = doctor.command([])

    assert code == 1
    assert "fail  api keys" in capsys.readouterr().out


def test_keys_readable_by_all_are_a_warning(tmp_path: Path) -> None:
    """Hashes of weak keys can be guessed."""
    path = tmp_path / "keys"
    path.write_text("acme:" + "0" * 64 + "\n")

    path.chmod(0o644)
    assert checks.keys_file(str(path)).state == "warn"
    path.chmod(0o600)
    assert checks.keys_file(str(path)).state == "ok"


@pytest.mark.parametrize("version", [(3, 10), (3, 14)])
def test_other_pythons_fail(version: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """No wheel of rs-bpe, or no syntax."""
    monkeypatch.setattr(sys, "version_info", (*version, 0))

    assert checks.python().state == "fail"


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The core's fail, those of an extra warn, a wrong pinned version counts as missing."""
    wanted = ["nothing-a>=1", "nothing-b==1; extra == 'ray'", "pytest==0; extra == 'ray'", "???"]
    monkeypatch.setattr("importlib.metadata.requires", lambda _: wanted)

    core, extra = checks.packages()

    assert (core.state, core.detail) == ("fail", "missing: nothing-a")
    assert extra.state == "warn"
    assert "nothing-b" in extra.detail
    assert "pytest 0 (there is" in extra.detail
    assert "'tierfold[ray]'" in extra.mend


def test_uncompiled_ray_is_a_warning_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It costs 20 s at every start."""
    monkeypatch.setattr(checks, "_package_folder", lambda _: tmp_path)
    warned = checks.bytecode()
    monkeypatch.setattr(checks, "_package_folder", lambda _: None)

    assert warned.state == "warn"
    assert "compileall" in warned.mend
    assert checks.bytecode().state == "ok"
    assert checks.weights().state == "fail"


def test_haproxy_may_be_the_system_s_or_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The bundled one comes first."""
    monkeypatch.setattr(checks, "_package_folder", lambda _: None)
    monkeypatch.setattr("shutil.which", lambda _: "/usr/sbin/haproxy")
    assert checks.haproxy().detail == "/usr/sbin/haproxy"

    monkeypatch.setattr("shutil.which", lambda _: None)
    assert checks.haproxy().state == "warn"


def test_too_little_of_anything_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each says what mends it."""
    for name in ("_RAM_FREE_MIN", "_DISK_FREE_MIN", "_SHM_FREE_MIN", "_FILES_MIN"):
        monkeypatch.setattr(checks, name, 1 << 60)

    found = [checks.memory(), checks.disk(), checks.shared_memory(), checks.open_files()]

    assert {"warn"} == {check.state for check in found}
    assert all(check.mend for check in found)


def test_other_systems_are_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """No /proc, no /dev/shm."""
    monkeypatch.setattr(checks, "Path", lambda _: Path("/nowhere"))

    assert checks.memory().state == "ok"
    assert checks.shared_memory().state == "ok"


def test_a_port_in_use_is_a_warning() -> None:
    """`up` has an option for it."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]

        assert checks.free_port(port, is_ours=False).state == "warn"
    assert checks.free_port(port, is_ours=False).state == "ok"
