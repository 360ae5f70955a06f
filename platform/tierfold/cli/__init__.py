"""The `tierfold` command; importing it loads nothing that a command does not need."""

from tierfold.cli.entry import main

__all__ = ["main"]
