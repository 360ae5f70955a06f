"""`tierfold version`."""

import argparse
import importlib.metadata
import platform
import sys

from tierfold.cli.exits import Exit


def command(argv: list[str]) -> int:
    """Print the versions that a bug report needs."""
    parser = argparse.ArgumentParser(
        prog="tierfold version", description="Print the version.", allow_abbrev=False
    )
    parser.parse_args(argv)
    ours = importlib.metadata.version("tierfold")
    sys.stdout.write(f"tierfold {ours} (Python {platform.python_version()}, {sys.platform})\n")
    return Exit.DONE
