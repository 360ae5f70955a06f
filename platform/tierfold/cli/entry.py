"""The way in: one word chooses a command, and every failure ends as one line and a code."""

import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from math import ceil

from tierfold.cli.exits import Exit
from tierfold.cli.writing import leave_stdout
from tierfold.errors import BudgetTooSmallError, CallerError, TierfoldError

HELP = """\
tierfold folds a long text or a chat to what a question needs, inside a budget.

usage: tierfold COMMAND [OPTION ...]

  compress   fold a file or stdin      tierfold compress notes.txt --ask "Who signed?" --tokens 2000
  up         serve it over HTTP        tierfold up
  doctor     check machine and ports   tierfold doctor
  version    print the version         tierfold version

contexts that last:
  put        store a file              tierfold put chat.json --id trip
  ask        fold what is stored       tierfold ask trip "When does it leave?" --tokens 500
  get        print it, or a handle     tierfold get trip
  ls         list what is stored       tierfold ls
  inspect    all about one             tierfold inspect trip
  rm         delete                    tierfold rm trip
  search     find by words             tierfold search "flight Oslo"
  tiers      what each tier holds      tierfold tiers
  prefetch   make ready for questions  tierfold prefetch trip
  refresh    read changed files again  tierfold refresh --all
  retention  how long what is kept     tierfold retention --plan rules.json
  export     write a Parquet file      tierfold export all.parquet
  import     read it back              tierfold import all.parquet
  backup     to an object store        tierfold backup create --to s3://bucket/backups

what if:
  simulate   replay a trace            tierfold simulate cache --trace accesses.csv

`tierfold COMMAND --help` lists a command's options.

exit codes:
  0    done
  1    we failed: a bug, or something is not set up
  2    refused: usage, bad input, or a budget too small for what must be kept
  3    the answer is printed, but its expected quality is below --min-quality
  130  Ctrl-C
  141  the reader of stdout closed the pipe (`| head`)
"""

Command = Callable[[list[str]], int]

MODULES = {
    "ask": "ask",
    "backup": "backup",
    "compress": "compress",
    "doctor": "doctor",
    "export": "exporting",
    "get": "get",
    "import": "importing",
    "inspect": "inspect",
    "ls": "ls",
    "prefetch": "prefetch",
    "put": "put",
    "refresh": "refresh",
    "retention": "retention",
    "rm": "rm",
    "search": "search",
    "simulate": "simulate",
    "tiers": "tiers",
    "version": "version",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(words)
    except SystemExit as stop:  # argparse and typer end this way
        return stop.code if isinstance(stop.code, int) else Exit.DONE
    except (KeyboardInterrupt, Exception) as error:
        if not _foreseen(error) and os.environ.get("TIERFOLD_DEBUG"):
            raise
        return _ended(error)


def _dispatch(words: list[str]) -> int:
    match words:
        case []:
            sys.stderr.write(HELP)
            return Exit.REFUSED
        case ["-h" | "--help" | "help"]:
            sys.stdout.write(HELP)
            return Exit.DONE
        case ["help", name, *_]:
            words = [name, "--help"]
        case ["--version", *_]:
            words = ["version"]
    return _command(words[0])(words[1:])


def _command(name: str) -> Command:
    """Import no more than the command that was called: start-up is a target."""
    if name in MODULES:
        command: Command = import_module(f"tierfold.cli.{MODULES[name]}").command
        return command
    from tierfold.cli import extra  # noqa: PLC0415  # as above

    return extra.load(name, built_in=MODULES)


# What the values call a limit, and what was typed for it.
_OPTIONS = {
    "budget.max_tokens": "--tokens",
    "budget.latency_ms": "--deadline (in ms)",
    "budget.memory_bytes": "--memory (in bytes)",
    "budget.cost_usd": "--usd",
    "budget.min_quality": "--min-quality",
    "model: ": "--model: ",
}


def in_options(message: str) -> str:
    """Say a refusal in the words of the command line."""
    for name, option in _OPTIONS.items():
        message = message.replace(name, option)
    return message


def _foreseen(error: BaseException) -> bool:
    return isinstance(error, TierfoldError | KeyboardInterrupt | BrokenPipeError)


def _ended(error: BaseException) -> int:
    """Say the failure in a line and return its code."""
    match error:
        case KeyboardInterrupt():
            _say("interrupted")
            return Exit.INTERRUPTED
        case BrokenPipeError():
            leave_stdout()
            return Exit.PIPE_CLOSED
        case BudgetTooSmallError():
            _say(_too_small(error))
            return Exit.REFUSED
        case CallerError():
            _say(in_options(str(error)))
            return Exit.REFUSED
        case TierfoldError():
            _say(str(error))
        case _:
            first_line = str(error).partition("\n")[0]
            _say(f"unexpected {type(error).__name__}: {first_line}")
            _say("run with TIERFOLD_DEBUG=1 for the traceback")
    return Exit.FAILED


def _too_small(error: BudgetTooSmallError) -> str:
    """Name the smallest budget that works, as it can be typed."""
    option = _OPTIONS[f"budget.{error.resource}"].partition(" ")[0]
    return (
        f"{option} is {error.asked:.10g}, but what must be kept needs more: "
        f"give at least {option} {ceil(error.minimum)}, or pin less"
    )


def _say(message: str) -> None:
    if sys.stderr is None:
        return
    with contextlib.suppress(OSError):  # nobody is left to read it
        sys.stderr.write(f"tierfold: {message}\n")
