"""What `tierfold compress` is called with, and the options that other folds share with it.

argparse and not typer: typer and rich cost 155 ms to import, more than the rest of the start-up.
"""

import argparse
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from tierfold.cli.quantities import duration_ms, real, share, size_bytes, whole
from tierfold.config import Limits
from tierfold.context import Budget, Markers, Tokenizer
from tierfold.errors import InvalidInputError, TooLargeError

Format = Literal["auto", "text", "messages"]

_QUANTITIES = frozenset({"--tokens", "--deadline", "--memory", "--usd", "--min-quality"})
_NEGATIVE = re.compile(r"-\.?\d")

_EXAMPLES = """\
examples:
  tierfold compress report.txt --ask "Who signed the contract?" --tokens 2000
  tierfold compress chat.json --ask "Where was order 4471 sent?" --tokens 1500 --deadline 200ms
  git log -p | tierfold compress - --ask "Why was the cache removed?" --tokens 4000 | less
  tierfold compress report.txt --ask "Who signed?" --tokens 2000 --diff

The result is all that goes to stdout. Stage lines and figures go to stderr.
The deadline is for the folding itself; starting and reading the file come before it.

exit codes: 0 done, 1 we failed, 2 refused (usage, bad input, budget too small),
            3 printed but --min-quality not reached, 130 Ctrl-C, 141 reader closed the pipe
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """One checked call of `tierfold compress`."""

    file: str  # "-" is stdin
    ask: str
    budget: Budget
    model: str
    format: Format
    markers: Markers
    stages: tuple[str, ...]
    tokenizer: Tokenizer
    show: Literal["result", "json", "diff"]  # what stdout gets
    output: str | None  # where the result goes instead of stdout
    quiet: bool


def parse(argv: list[str], limits: Limits) -> Arguments:
    """Return the call; raises SystemExit on usage, InvalidInputError on values no call can mean."""
    found = _parser().parse_args(joined(argv))
    return Arguments(
        file=found.file,
        ask=question(found.ask, limits, path="--ask"),
        budget=budget(found),
        model=found.model,
        format=found.format,
        markers=found.markers,
        stages=found.stages,
        tokenizer=found.tokenizer,
        show=found.show,
        output=found.output,
        quiet=found.quiet,
    )


def budget(found: argparse.Namespace) -> Budget:
    """Return the budget that the options of `add_budget` make."""
    return Budget(
        max_tokens=found.tokens,
        latency_ms=found.deadline,
        memory_bytes=found.memory,
        cost_usd=found.usd,
        min_quality=found.min_quality,
    )


def joined(argv: list[str]) -> list[str]:
    """Write `--deadline -5ms` as `--deadline=-5ms`: argparse takes the value for an option."""
    words: list[str] = []
    for word in argv:
        is_value = bool(words) and words[-1] in _QUANTITIES and _NEGATIVE.match(word)
        if is_value:
            words[-1] += f"={word}"
        else:
            words.append(word)
    return words


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tierfold compress",
        usage="tierfold compress FILE|- [--ask QUESTION] [--tokens N] [OPTION ...]",
        description="Fold a text or a chat to what a question needs, inside a budget.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("file", metavar="FILE", help="the input; - is stdin")
    parser.add_argument(
        "--ask",
        default="",
        metavar="QUESTION",
        help="keep what this needs; without it, what stands out by itself is kept",
    )
    add_budget(parser.add_argument_group("budget (each may be left out)"))
    _add_input(parser.add_argument_group("input and pipeline"))
    _add_output(parser.add_argument_group("output"))
    return parser


def add_budget(group: argparse._ArgumentGroup) -> None:
    """Add the five limits and the model whose price counts."""
    group.add_argument(
        "--tokens", type=typed(whole), metavar="N", help="at most N tokens, markers included"
    )
    group.add_argument(
        "--deadline",
        type=typed(duration_ms),
        metavar="TIME",
        help="best answer within TIME: 200ms, 1.5s",
    )
    group.add_argument(
        "--memory", type=typed(size_bytes), metavar="SIZE", help="working set at most 64MB, 64MiB"
    )
    group.add_argument(
        "--usd", type=typed(real), metavar="X", help="kept tokens at --model's price, and CPU"
    )
    group.add_argument(
        "--min-quality",
        type=typed(share),
        metavar="Q",
        help="floor of the expected share of the evidence, .9 or 90%%; exit 3 below it",
    )
    group.add_argument(
        "--model", default="none", metavar="NAME", help="whose price counts (none: tokens are free)"
    )


def _add_input(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--format",
        choices=get_args(Format),
        default="auto",
        help="auto: JSON rows with a role (a list, {messages: [...]}, or one a line) are a chat",
    )
    group.add_argument(
        "--stages",
        type=stages,
        default=(),
        metavar="A,B",
        help="run exactly these (fast,balanced) instead of what the budget allows",
    )
    group.add_argument(
        "--markers", choices=get_args(Markers), default="short", help="short: […] per gap, counted"
    )
    group.add_argument(
        "--tokenizer",
        choices=get_args(Tokenizer),
        default="o200k",
        help="whose tokens are counted (default: o200k)",
    )


def _add_output(group: argparse._ArgumentGroup) -> None:
    show = group.add_mutually_exclusive_group()
    show.add_argument(
        "--json",
        dest="show",
        action="store_const",
        const="json",
        default="result",
        help="print the whole answer object, as POST /v1/process sends it",
    )
    show.add_argument(
        "--diff",
        dest="show",
        action="store_const",
        const="diff",
        help="print what was kept and what was left out",
    )
    group.add_argument(
        "-o", "--output", metavar="FILE", help="write the result here instead of stdout"
    )
    group.add_argument("-q", "--quiet", action="store_true", help="no stage lines, only errors")


def typed(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Let argparse print the parser's own sentence."""

    def typed(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return typed


def stages(text: str) -> tuple[str, ...]:
    """Return the names in `fast,balanced`."""
    return tuple(name for name in (part.strip() for part in text.split(",")) if name)


def question(text: str, limits: Limits, *, path: str) -> str:
    """Return the question; raises TooLargeError, or InvalidInputError for broken characters."""
    if len(text) > limits.question_characters_max:
        what = f"characters in {path}"
        raise TooLargeError(what, size=len(text), limit=limits.question_characters_max)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        problem = "the question is not valid UTF-8"
        raise InvalidInputError(problem, path=path) from error
    return text
