"""`tierfold doctor`: what this machine has and lacks, and which of our ports are open to whom."""

import argparse
import json
import sys

from tierfold.cli import checks
from tierfold.cli.exits import Exit
from tierfold.cli.ports import Listener, can_list, family, listeners
from tierfold.cli.runs import RUN_VARIABLE, Run, read_runs
from tierfold.errors import InvalidInputError

_EPILOG = "exit codes: 0 nothing fails (warnings may stand); 1 something fails"


def command(argv: list[str]) -> int:
    """Check the machine and list our ports; returns 1 if something fails."""
    arguments = _parser().parse_args(argv)
    if arguments.store is not None:
        from tierfold.cli import audit  # noqa: PLC0415  # a store is seldom opened here

        return audit.audit_store(arguments)
    if arguments.repair:
        problem = "it mends a store: say --store too"
        raise InvalidInputError(problem, path="--repair")
    runs = read_runs()
    found = checks.all_checks(port=arguments.port, is_ours=_is_ours(runs, arguments.port))
    ports = {run.id: _ports(run) for run in runs}
    if arguments.json:
        sys.stdout.write(_as_json(found, runs, ports))
    else:
        sys.stdout.write(_as_text(found, runs, ports))
    return Exit.FAILED if any(check.state == "fail" for check in found) else Exit.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tierfold doctor",
        description="Check this machine and list every port that tierfold listens on, "
        "or check a store.",
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    parser.add_argument("--port", type=int, default=8000, help="port that `up` would use")
    parser.add_argument(
        "--store",
        nargs="?",
        const="",
        metavar="PATH",
        help="check a store instead: every reference and every checksum (default: the usual one)",
    )
    parser.add_argument(
        "--repair", action="store_true", help="with --store: mend what can be mended"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser


def _is_ours(runs: list[Run], port: int) -> bool:
    return any(run.url.endswith(f":{port}") for run in runs)


def _ports(run: Run) -> list[Listener]:
    return listeners(family(run.pid, variable=RUN_VARIABLE, value=run.id))


def _as_text(found: list[checks.Check], runs: list[Run], ports: dict[str, list[Listener]]) -> str:
    lines = [line for check in found for line in _check_lines(check)]
    lines.append("")
    if not can_list():
        lines.append("ports: this system has no /proc/net/tcp; `netstat -an` lists them")
    elif not runs:
        lines.append("ports: no tierfold server of yours runs here, so none of our ports is open")
    for run in runs:
        lines.append(f"ports of {run.url} (pid {run.pid}):")
        lines += [_port_line(listener) for listener in ports[run.id]]
    return "\n".join(lines) + "\n"


def _check_lines(check: checks.Check) -> list[str]:
    line = f"{check.state:4}  {check.name}: {check.detail}"
    return [line, f"      {check.mend}"] if check.mend else [line]


def _port_line(listener: Listener) -> str:
    address = f"[{listener.address}]" if ":" in listener.address else listener.address
    endpoint = f"{address}:{listener.port}"
    return f"  {endpoint:22} {listener.reach:16} {listener.process} (pid {listener.pid})"


def _as_json(found: list[checks.Check], runs: list[Run], ports: dict[str, list[Listener]]) -> str:
    body = {
        "ok": all(check.state != "fail" for check in found),
        "checks": [
            {"name": c.name, "state": c.state, "detail": c.detail, "mend": c.mend} for c in found
        ],
        "servers": [
            {
                "url": run.url,
                "pid": run.pid,
                "log": run.log,
                "ports": [
                    {
                        "port": each.port,
                        "address": each.address,
                        "reach": each.reach,
                        "pid": each.pid,
                        "process": each.process,
                    }
                    for each in ports[run.id]
                ],
            }
            for run in runs
        ],
    }
    return json.dumps(body, indent=2) + "\n"
