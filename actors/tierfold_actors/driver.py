"""The process that owns a local Ray: started by `runtime`, alone in the world that imports Ray.

It says each step as one line of JSON on stdout, waits until its stdin ends, and stops cleanly.
Everything Ray prints goes to the log file that is this process's stderr.
"""

import functools
import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

from tierfold.errors import SetupError

_OBJECT_STORE_BYTES = 200 * 1024 * 1024
_STATUS_INTERVAL_S = 0.05


def main(argv: list[str]) -> None:
    """Start Ray, Serve and the application of the config file, then wait for the end of stdin."""
    temporary, config, port = Path(argv[0]), Path(argv[1]), int(argv[2])
    steps = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(**step: str) -> None:
        steps.write(json.dumps(step) + "\n")

    try:
        _start_ray(temporary)
        say(step="ray")
        _start_serve(config, port, say)
    except Exception as error:  # noqa: BLE001  # the parent says it, the log has the traceback
        import traceback  # noqa: PLC0415  # only now

        traceback.print_exc()
        name = "" if isinstance(error, SetupError) else f"{type(error).__name__}: "
        say(step="failed", reason=f"{name}{error}")
    else:
        say(step="ready")
        sys.stdin.buffer.read()
    _stop()


def _start_ray(temporary: Path) -> None:
    import ray  # noqa: PLC0415  # the environment had to be complete before
    from ray._private.parameter import RayParams  # noqa: PLC0415

    # ray.init has no argument for this port, and a fixed one would be shared by two servers.
    RayParams.__init__ = functools.partialmethod(  # type: ignore[assignment,method-assign]
        RayParams.__init__, dashboard_agent_listen_port=0
    )
    ray.init(
        address="local",  # whatever RAY_ADDRESS says: this server is its own cluster
        num_cpus=max(4, os.cpu_count() or 1),  # places for actors, not cores: all of ours are small
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=_OBJECT_STORE_BYTES,
        _temp_dir=str(temporary),
    )


def _start_serve(config: Path, port: int, say: Any) -> None:
    import yaml  # noqa: PLC0415  # comes with Ray
    from ray import serve  # noqa: PLC0415  # costs 2 CPU seconds
    from ray.serve._private.api import serve_start  # noqa: PLC0415
    from ray.serve.schema import ServeDeploySchema  # noqa: PLC0415

    schema = ServeDeploySchema.model_validate(yaml.safe_load(config.read_text("utf-8")))
    # Always loopback: the front end gets its real host from the wrapper around HAProxy.
    http_options = schema.http_options.model_dump() | {"host": "127.0.0.1", "port": port}
    client = serve_start(
        http_options=http_options,
        proxy_location=schema.proxy_location,
        global_logging_config=schema.logging_config,
    )
    say(step="serve")
    client.deploy_apps(schema)
    while True:
        applications = serve.status().applications
        states = {name: state.status.value for name, state in applications.items()}
        if "DEPLOY_FAILED" in states.values():
            raise SetupError(_why(applications))
        if states and set(states.values()) == {"RUNNING"}:
            break
        time.sleep(_STATUS_INTERVAL_S)
    say(step="gateway")


def _why(applications: dict[str, Any]) -> str:
    """Return what the deployments, or else the applications, say about their failure."""
    messages = [
        deployment.message
        for application in applications.values()
        for deployment in application.deployments.values()
        if deployment.message
    ]
    messages += [application.message for application in applications.values()]
    lines = messages[0].strip().splitlines()
    return lines[-1].strip() if lines else "no reason was given"


def _stop() -> None:
    import ray  # noqa: PLC0415  # already there
    from ray import serve  # noqa: PLC0415

    if ray.is_initialized():
        from tierfold_actors.reconcile import close_shards  # noqa: PLC0415  # imports Ray

        serve.shutdown()  # type: ignore[no-untyped-call]
        close_shards()
        ray.shutdown()


if __name__ == "__main__":
    main(sys.argv[1:])
