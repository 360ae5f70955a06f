"""`fold` and `afold`: the whole pipeline as one call, without a server."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from tierfold.config import Settings
from tierfold.context import (
    UNLIMITED,
    Answer,
    Budget,
    Document,
    DocumentSource,
    Markers,
    MessagesSource,
    Request,
    Source,
    TextSource,
    Tokenizer,
)
from tierfold.engine.clock import MonotonicClock
from tierfold.engine.engine import Engine
from tierfold.engine.process_memory import process_keeper
from tierfold.errors import InvalidInputError

DocumentInput = str | Mapping[str, Any] | Document


def fold(
    text: str | None = None,
    *,
    messages: Sequence[Mapping[str, Any]] | None = None,
    documents: Sequence[DocumentInput] | None = None,
    ask: str = "",
    budget: Budget = UNLIMITED,
    stages: Sequence[str] = (),
    markers: Markers = "short",
    tokenizer: Tokenizer = "o200k",
    model: str = "none",
    bypass: bool = False,
) -> Answer:
    """Fold a text, a chat or documents to what the question needs, inside the budget.

    Exactly what `POST /v1/process` does, in this process. Raises CallerError when the request
    cannot be served as it stands: InvalidInputError, BudgetTooSmallError, UnknownStageError or
    TooLargeError. A floor that is not reached is no error: see `answer.quality.floor_met`.
    """
    request = Request(
        sources=_sources(text, messages, documents),
        ask=ask,
        budget=budget,
        stages=tuple(_listed("stages", stages)),
        markers=markers,
        tokenizer=tokenizer,
        model=model,
        bypass=bypass,
    )
    return default_engine().answer(request)


async def afold(text: str | None = None, **options: Any) -> Answer:
    """Do what `fold` does in a worker thread, so that the event loop goes on."""
    # It brings ssl and logging along, and the command line needs none of them.
    import asyncio  # noqa: PLC0415

    return await asyncio.to_thread(fold, text, **options)


@cache
def default_engine() -> Engine:
    """Return the process's engine behind `fold`: default settings, the machine's clock."""
    settings = Settings()
    keeper = process_keeper(settings.memory)
    return Engine(settings=settings, clock=MonotonicClock(), keeper=keeper)


def _sources(
    text: str | None,
    messages: Sequence[Mapping[str, Any]] | None,
    documents: Sequence[DocumentInput] | None,
) -> tuple[Source, ...]:
    given = [each for each in (text, messages, documents) if each is not None]
    if len(given) != 1:
        msg = f"give exactly one of text, messages and documents, not {len(given)}"
        raise InvalidInputError(msg)
    if messages is not None:
        # Pydantic costs 70 ms to import, and plain text does not need it.
        from tierfold.wire import parse_messages  # noqa: PLC0415

        return (MessagesSource(messages=parse_messages(_listed("messages", messages))),)
    if documents is not None:
        documents = _listed("documents", documents)
        return tuple(DocumentSource(document=document_of(each)) for each in documents)
    if not isinstance(text, str):
        msg = f"must be a str, not {type(text).__name__}"
        raise InvalidInputError(msg, path="text")
    return (TextSource(text=text),)


def _listed(name: str, values: object) -> list[Any]:
    if isinstance(values, str) or not isinstance(values, Sequence):
        msg = f"must be a list, not {type(values).__name__}"
        raise InvalidInputError(msg, path=name)
    return list(values)


def document_of(document: DocumentInput) -> Document:
    """Return what a caller means by a document; raises InvalidInputError."""
    if isinstance(document, str):
        return Document(text=document)
    if isinstance(document, Document):
        return document
    from tierfold.wire import parse_document  # noqa: PLC0415  # pydantic costs 70 ms to import

    return parse_document(document)
