"""`tierfold compress`: fold one input, show the stages as they land, print the result."""

import os
import sys
from collections.abc import Iterator

from tierfold.cli.arguments import Arguments, parse
from tierfold.cli.exits import Exit
from tierfold.cli.progress import Progress
from tierfold.cli.reading import STDIN, Input, read
from tierfold.cli.reading import parse as parse_input
from tierfold.cli.screen import Screen, stderr
from tierfold.cli.writing import require_writable, save, to_stdout
from tierfold.config import Settings
from tierfold.context import Answer, MessagesSource, Request, TextSource


def command(argv: list[str]) -> int:
    """Run the command; returns its exit code, raises CallerError on bad input."""
    _one_thread()
    settings = Settings()
    arguments = parse(argv, settings.limits)
    settings.prices.model(arguments.model)
    if arguments.output is not None:
        require_writable(arguments.output)
    screen = stderr(quiet=arguments.quiet)
    given = _given(arguments, settings, screen)
    progress = Progress(screen, priced=arguments.model != "none")
    answer = _fold(_request(arguments, given), settings, progress)
    _write(arguments, given, answer)
    progress.close(answer)
    return Exit.DONE if _floor_met(answer) else Exit.FLOOR_NOT_MET


def _one_thread() -> None:
    """Keep BLAS from starting threads that a single short run only waits for (45 ms)."""
    for library in ("OPENBLAS", "OMP", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")


def _given(arguments: Arguments, settings: Settings, screen: Screen) -> Input:
    if arguments.file == STDIN and sys.stdin is not None and sys.stdin.isatty():
        screen.line("reading the terminal; end with Ctrl-D")
    given = parse_input(
        read(arguments.file, settings.limits),
        name=arguments.file,
        kind=arguments.format,
        limits=settings.limits,
    )
    for note in _notes(arguments):
        screen.line(note)
    return given


def _notes(arguments: Arguments) -> Iterator[str]:
    """Say what was left out or binds nothing: both are allowed, and seldom meant."""
    if not arguments.ask.strip():
        yield "no question (--ask): keeping what stands out by itself"
    if not arguments.budget.asks_to_shrink:
        yield "nothing in the budget asks for less than the whole: --tokens N does"
    if arguments.budget.cost_usd is not None and arguments.model == "none":
        yield "--usd binds nothing: without --model tokens are free"


def _request(arguments: Arguments, given: Input) -> Request:
    return Request(
        sources=(given.source,),
        ask=arguments.ask,
        budget=arguments.budget,
        stages=arguments.stages,
        markers=arguments.markers,
        tokenizer=arguments.tokenizer,
        model=arguments.model,
    )


def _fold(request: Request, settings: Settings, progress: Progress) -> Answer:
    from tierfold.engine import Engine, MonotonicClock  # noqa: PLC0415  # after the input is known good

    engine = Engine(settings=settings, clock=MonotonicClock())
    return progress.follow(engine.stream(request))


def _floor_met(answer: Answer) -> bool:
    return answer.quality.floor is None or answer.quality.floor_met


def _write(arguments: Arguments, given: Input, answer: Answer) -> None:
    shown: Iterator[bytes] = iter(())
    if arguments.show == "json":
        shown = iter((_as_json(answer),))
    elif arguments.show == "diff":
        from tierfold.cli.difference import difference  # noqa: PLC0415  # only where asked for

        screen = Screen(sys.stdout)
        shown = (f"{line}\n".encode() for line in difference(given.source, answer.left_out, screen))
    elif arguments.output is None:
        shown = iter((_ended(rendered(given, answer)),))
    if arguments.output is not None:
        save(arguments.output, rendered(given, answer))
    to_stdout(shown)


def rendered(given: Input, answer: Answer) -> bytes:
    """Return the folded input in the shape it came in."""
    match answer.sources[0]:
        case TextSource(text=text):
            return text.encode()
        case MessagesSource(messages=messages):
            rows = [message.to_dict() for message in messages]
            if given.is_lines:
                return b"".join(map(_json_line, rows))
            return _json(rows if given.envelope is None else given.envelope | {"messages": rows})
        case other:
            raise AssertionError(other)


def _ended(result: bytes) -> bytes:
    """End the last line where a person reads; a pipe gets exactly the counted text."""
    needs_end = sys.stdout is not None and sys.stdout.isatty() and not result.endswith(b"\n")
    return result + b"\n" if needs_end else result


def _as_json(answer: Answer) -> bytes:
    from tierfold.wire import answer_body  # noqa: PLC0415  # a text needs no pydantic

    return _json(answer_body(answer))


def _json(value: object) -> bytes:
    import orjson  # noqa: PLC0415  # a text needs no JSON

    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _json_line(value: object) -> bytes:
    import orjson  # noqa: PLC0415  # as above

    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
