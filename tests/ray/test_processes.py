import json
import os
import signal
import subprocess
import time

import httpx
import psutil

from tests.ray.server import TIERFOLD, Up
from tierfold.cli.ports import started_ticks
from tierfold.cli.runs import read_runs

LOOPBACK = ("127.", "::1", "::ffff:127.")


def kernel_ports(pids: set[int]) -> set[tuple[int, int]]:
    """Return (pid, port) of everything that listens, as psutil reads it from the kernel."""
    return {
        (connection.pid, connection.laddr.port)
        for connection in psutil.net_connections("tcp")
        if connection.laddr and connection.status == psutil.CONN_LISTEN and connection.pid in pids
    }


def test_doctor_lists_what_the_kernel_lists(server: Up) -> None:
    """Every listening port of every process of ours, no more and no less."""
    pids = server.processes()
    done = subprocess.run(
        [TIERFOLD, "doctor", "--json", "--port", str(server.port)],
        check=True,
        capture_output=True,
        text=True,
    )
    found = next(
        each for each in json.loads(done.stdout)["servers"] if each["pid"] == server.process.pid
    )

    listed = {(each["pid"], each["port"]) for each in found["ports"]}
    assert listed == kernel_ports(pids)
    assert server.port in {port for _, port in listed}
    assert len(listed) > 10


def test_the_family_is_the_whole_process_tree(server: Up) -> None:
    """What psutil finds below `up` is found without it."""
    tree = {each.pid for each in psutil.Process(server.process.pid).children(recursive=True)}

    assert tree <= server.processes()


def test_only_one_port_can_be_reached_from_outside(server: Up) -> None:
    """Ray's channel between replicas: it has no setting, and asks for Ray's token."""
    pids = server.processes()
    outside = {
        psutil.Process(each.pid).cmdline()[0]
        for each in psutil.net_connections("tcp")
        if each.laddr
        and each.status == psutil.CONN_LISTEN
        and each.pid in pids
        and not each.laddr.ip.startswith(LOOPBACK)
    }

    assert outside == {"ray::ServeReplica:tierfold:gateway"}


def test_two_servers_live_side_by_side_and_ctrl_c_leaves_nothing_behind(server: Up) -> None:
    """No shared file, port or name; no process, folder or run file after the end."""
    environment = {k: v for k, v in os.environ.items() if k != "TIERFOLD_API_KEYS_FILE"}
    second = Up(environment, options=["--no-store"]).start()
    births = {pid: started_ticks(pid) for pid in second.processes()}
    folder = second.folder()
    answers = [httpx.get(f"{each.url}/livez").status_code for each in (server, second)]
    steps = [step["step"] for step in second.steps]

    began = time.monotonic()
    code = second.stop(signal.SIGINT)
    took_s = time.monotonic() - began

    assert answers == [200, 200]
    assert steps == ["starting", "ray", "serve", "gateway", "ready"]
    assert code == 0
    assert took_s < 10
    assert not [pid for pid, born in births.items() if started_ticks(pid) == born]
    assert not folder.exists()
    assert second.process.pid not in {run.pid for run in read_runs()}
    assert httpx.get(f"{server.url}/livez").status_code == 200


def test_up_refuses_a_host_open_to_everybody() -> None:
    """Exit code 2 and the sentence that mends it, at once."""
    environment = {k: v for k, v in os.environ.items() if k != "TIERFOLD_API_KEYS_FILE"}
    done = subprocess.run(
        [TIERFOLD, "up", "--host", "0.0.0.0"],  # noqa: S104
        check=False,
        capture_output=True,
        text=True,
        env=environment,
    )

    assert done.returncode == 2
    assert "TIERFOLD_API_KEYS_FILE" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_up_refuses_a_port_in_use(server: Up) -> None:
    """Exit code 1, before Ray starts."""
    began = time.monotonic()
    done = subprocess.run(
        [TIERFOLD, "up", "--no-store", "--port", str(server.port)],
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    assert "--port" in done.stderr
    assert time.monotonic() - began < 5
