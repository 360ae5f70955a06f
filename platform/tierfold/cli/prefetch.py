"""`tierfold prefetch`: say that contexts will be asked soon."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tierfold.cli.arguments import typed
from tierfold.cli.exits import Exit
from tierfold.cli.output import json_bytes, lines
from tierfold.cli.quantities import duration_ms
from tierfold.cli.reach import add_place, place, reached
from tierfold.cli.screen import stderr
from tierfold.cli.writing import to_stdout
from tierfold.errors import CallerError

_AT_ONCE = 100  # contexts in one call of a server
_NAMED_MAX = 5
_HINTS = ("asked", "session_opened", "tool_call_pending")
_WHY = {
    "busy": "enough waits already, try again in a moment",
    "damaged": "it cannot be read: `tierfold doctor --store`",
    "no_room": "its working set does not fit into L1",
    "off": "too few of the contexts hinted at before were asked",
}


def command(argv: list[str]) -> int:
    """Hint at every context named; those that are not there are said in the end."""
    found = _parser().parse_args(argv)
    ids = list(dict.fromkeys(found.ids))
    with reached(place(found), stderr(quiet=found.quiet)) as contexts:
        answers = [
            contexts.prefetch(
                ids[start : start + _AT_ONCE],
                hint=found.hint,
                tokenizer=found.tokenizer,
                deadline_ms=found.deadline,
            )
            for start in range(0, len(ids), _AT_ONCE)
        ]
    body = {name: _joined(answers, name) for name in ("accepted", "ready", "skipped")}
    to_stdout([json_bytes(body)] if found.json else lines(_as_text(body)))
    unknown = [each["context"] for each in body["skipped"] if each["reason"] == "unknown"]
    if unknown:
        raise CallerError(_refusal(unknown))
    return Exit.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tierfold prefetch",
        description="Say that contexts will be asked soon: a server brings them up meanwhile.",
        allow_abbrev=False,
    )
    parser.add_argument("ids", metavar="ID", nargs="+", help="contexts that will be asked")
    parser.add_argument(
        "--hint", choices=_HINTS, default="asked", help="why they will be (default: asked)"
    )
    parser.add_argument(
        "--tokenizer",
        choices=("o200k", "cl100k"),
        help="of the questions to come (default: of the last one)",
    )
    parser.add_argument(
        "--deadline",
        type=typed(duration_ms),
        metavar="TIME",
        help="how long the hint counts, such as 500ms or 10s (default: 30s)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="no lines but errors")
    add_place(parser)
    return parser


def _joined(answers: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    return [each for answer in answers for each in answer[name]]


def _as_text(body: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    for name in body["accepted"]:
        yield f"{name}: {'ready' if name in body['ready'] else 'is brought up'}"
    for each in body["skipped"]:
        if each["reason"] in _WHY:
            yield f"{each['context']}: skipped, {_WHY[each['reason']]}"


def _refusal(unknown: list[str]) -> str:
    named = ", ".join(repr(name) for name in unknown[:_NAMED_MAX])
    more = f" and {len(unknown) - _NAMED_MAX} more" if len(unknown) > _NAMED_MAX else ""
    return f"there is no context {named}{more}: `tierfold ls` lists what there is"
