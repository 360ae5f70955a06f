"""A server of ours with a bare echo beside it, behind the same ingress."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tierfold_actors.runtime import default_config, running
from tierfold_actors.store_plan import StorePlan

_ECHO_APPLICATION = """
  - name: echo
    route_prefix: /echo
    import_path: benchmarks.echo:app
"""


@contextmanager
def running_with_echo(*, port: int, folder: Path, store: StorePlan | None = None) -> Iterator[None]:
    """Run a server and the echo until the block ends; `folder` takes its config file."""
    config = folder / "bench.yaml"
    config.write_text(default_config().read_text("utf-8") + _ECHO_APPLICATION, "utf-8")
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    with running(port=port, config=config, store=store, environment=environment):
        yield
