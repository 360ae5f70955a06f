"""`tierfold ask`: fold a stored context to what a question needs."""

import argparse
from collections.abc import Iterable
from typing import get_args

from tierfold.cli.answered import answer_of, rendered_sources
from tierfold.cli.arguments import add_budget, budget, joined, question, stages
from tierfold.cli.exits import Exit
from tierfold.cli.output import ended, json_bytes
from tierfold.cli.progress import Progress
from tierfold.cli.reach import add_place, place, reached
from tierfold.cli.screen import stderr
from tierfold.cli.writing import require_writable, save, to_stdout
from tierfold.config import Settings
from tierfold.context import Answer, Markers, Tokenizer

_EPILOG = """\
examples:
  tierfold ask trip "When does the flight leave?" --tokens 500
  tierfold ask trip "When does the flight leave?" --tokens 500 --markers handles

exit codes: as `tierfold compress`
"""


def command(argv: list[str]) -> int:
    """Fold the context; prints what is kept."""
    found = _parser().parse_args(joined(argv))
    settings = Settings()
    settings.prices.model(found.model)
    asked, limit = question(found.question, settings.limits, path="QUESTION"), budget(found)
    if found.output is not None:
        require_writable(found.output)
    screen = stderr(quiet=found.quiet)
    with reached(place(found), screen) as contexts:
        document = contexts.process(
            found.id,
            ask=asked,
            budget=limit,
            stages=found.stages,
            markers=found.markers,
            tokenizer=found.tokenizer,
            model=found.model,
        )
    answer = answer_of(document)
    progress = Progress(screen, priced=found.model != "none")
    progress.show(answer)
    _write(found, document["sources"], [json_bytes(document)] if found.json else None)
    progress.close(answer)
    return Exit.DONE if _floor_met(answer) else Exit.FLOOR_NOT_MET


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tierfold ask",
        usage="tierfold ask ID QUESTION [--tokens N] [OPTION ...]",
        description="Fold a stored context to what a question needs, inside a budget.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("id", metavar="ID", help="the context's id")
    parser.add_argument("question", metavar="QUESTION", help='"" keeps what stands out by itself')
    add_budget(parser.add_argument_group("budget (each may be left out)"))
    group = parser.add_argument_group("pipeline")
    group.add_argument(
        "--stages", type=stages, default=(), metavar="A,B", help="run exactly these (fast,balanced)"
    )
    group.add_argument(
        "--markers",
        choices=get_args(Markers),
        default="short",
        help="handles: each gap names what brings it back (`tierfold get HANDLE`)",
    )
    group.add_argument(
        "--tokenizer", choices=get_args(Tokenizer), default="o200k", help="whose tokens are counted"
    )
    output = parser.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print the whole answer object")
    output.add_argument("-o", "--output", metavar="FILE", help="write the result here")
    output.add_argument("-q", "--quiet", action="store_true", help="no lines but errors")
    add_place(parser)
    return parser


def _write(
    found: argparse.Namespace, sources: Iterable[object], document: list[bytes] | None
) -> None:
    if found.output is not None:
        save(found.output, rendered_sources(sources))
        to_stdout(document or [])
    else:
        to_stdout(document or ended([rendered_sources(sources)]))


def _floor_met(answer: Answer) -> bool:
    return answer.quality.floor is None or answer.quality.floor_met
