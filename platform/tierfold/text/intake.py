"""The caller's sources as units, all of them read at once or going on where a read one ended."""

import math

from tierfold.config import Limits
from tierfold.context import DocumentSource, MessagesSource, Source, Tokenizer
from tierfold.errors import InvalidInputError, TooLargeError
from tierfold.text.blocks import Intake
from tierfold.text.chat import read_chat
from tierfold.text.growth import grown
from tierfold.text.reading import Reading, path_of
from tierfold.text.tokens import token_counter

_LIMITS = Limits()


def read(
    sources: tuple[Source, ...],
    *,
    tokenizer: Tokenizer,
    strict: bool = True,
    limits: Limits = _LIMITS,
) -> Intake:
    """Return the sources cut into units.

    Strict refuses chats that a provider would refuse; lenient takes every well-formed row.
    Raises InvalidInputError with the path of the value, TooLargeError when a limit is passed.
    """
    _require_size(sources, limits)
    _require_priorities(sources)
    reading = Reading(counter=token_counter(tokenizer), strict=strict)
    for index, source in enumerate(sources):
        reading.add_source(index, source)
    return reading.intake([source.priority for source in sources])


def read_more(
    intake: Intake,
    source: MessagesSource | DocumentSource,
    *,
    known: int,
    tokenizer: Tokenizer,
    limits: Limits = _LIMITS,
) -> Intake:
    """Return what `read` returns for a chat or a document's parts, reading only what is new.

    `intake` is that of the source's first `known` rows or parts. Costs what the new ones cost,
    besides copying arrays.
    """
    _require_size((source,), limits)
    reading = Reading(counter=token_counter(tokenizer), strict=False)
    frames_before = 0
    if isinstance(source, MessagesSource):
        rows, counter = source.messages, reading.counter
        chat = intake.chat or read_chat(
            rows[:known], path=path_of(0), strict=False, counter=counter
        )
        frames_before = len(chat.frame_tokens)
        chat = chat.copy()
        chat.add(rows, counter)
        reading.add_chat(0, rows, chat, first=known)
    else:
        reading.titles = list(intake.units.titles)
        reading.add_parts(0, source.document.parts or (), group=0, first=known)
    return grown(intake, reading, frames_before=frames_before, priority=source.priority)


def _require_size(sources: tuple[Source, ...], limits: Limits) -> None:
    if len(sources) > limits.sources_max:
        what = "sources"
        raise TooLargeError(what, size=len(sources), limit=limits.sources_max)
    rows = 0
    for source in sources:
        if isinstance(source, MessagesSource):
            rows += len(source.messages)
        elif isinstance(source, DocumentSource):
            rows += len(source.document.parts or ())
    if rows > limits.messages_max:
        what = "messages and document parts of all sources"
        raise TooLargeError(what, size=rows, limit=limits.messages_max)


def _require_priorities(sources: tuple[Source, ...]) -> None:
    for index, source in enumerate(sources):
        if not (math.isfinite(source.priority) and source.priority >= 0):
            problem = f"must be a finite number of at least 0, not {source.priority!r}"
            raise InvalidInputError(problem, path=f"sources[{index}].priority")
