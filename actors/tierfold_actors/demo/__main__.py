"""`python -m tierfold_actors.demo "QUESTION"`; KEEP=1 leaves the server up."""

import importlib.util
import os
import signal
import sys
from collections.abc import Sequence

from tierfold.cli.screen import Screen
from tierfold.errors import CallerError, TierfoldError
from tierfold_actors.demo.in_process import show_in_process
from tierfold_actors.demo.stored import opened_here, show_stored
from tierfold_actors.demo.throwaway import throwaway_folder

DEFAULT_ASK = "When are the default parameter values of a function evaluated?"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; returns its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    ask = " ".join(words).strip() or DEFAULT_ASK
    screen = Screen(sys.stdout)
    try:
        answer = show_in_process(ask, screen)
        if importlib.util.find_spec("ray") is None:
            with throwaway_folder() as folder, opened_here(folder) as contexts:
                show_stored(2, ask, contexts, screen)
            screen.line("\nThe server needs Ray: pip install 'tierfold[ray]'. The rest is skipped.")
            return 0
        from tierfold_actors.demo.over_http import show_over_http  # noqa: PLC0415  # not without Ray

        keep = os.environ.get("KEEP", "0") not in {"", "0"}
        return show_over_http(ask, answer, screen, keep=keep)
    except TierfoldError as error:
        screen.line(f"  {error}")
        return 2 if isinstance(error, CallerError) else 1
    except KeyboardInterrupt:
        screen.line("interrupted")
        return 130


if __name__ == "__main__":
    # The server has a session of its own: whoever ends the demo ends it too.
    for way in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(way, signal.default_int_handler)
    sys.exit(main())
