"""`tierfold version`."""

import argparse
import platform
import sys

from tierfold import __version__
from tierfold.cli.exits import Exit


def command(argv: list[str]) -> int:
    """Print the versions that a bug report needs."""
    parser = argparse.ArgumentParser(
        prog="tierfold version", description="Print the version.", allow_abbrev=False
    )
    parser.parse_args(argv)
    sys.stdout.write(
        f"tierfold {__version__} (Python {platform.python_version()}, {sys.platform})\n"
    )
    return Exit.DONE
