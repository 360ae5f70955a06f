"""Exit codes, the same for every command; docs/reference/cli.md lists them."""

from enum import IntEnum


class Exit(IntEnum):
    """How a command ended, for the shell."""

    DONE = 0
    FAILED = 1  # our fault, or the machine's: a bug, a missing extra, a full disk
    REFUSED = 2  # the call's fault: usage, input, a budget that cannot hold
    FLOOR_NOT_MET = 3  # the answer is printed, its expected quality is below --min-quality
    INTERRUPTED = 130  # Ctrl-C, as shells say it
    PIPE_CLOSED = 141  # the reader of stdout left early, as shells say it
