"""The answering that every serving process has: the real engine, warm before the first request."""

from functools import partial

from tierfold.config import Settings
from tierfold.context import Budget, Request, TextSource
from tierfold.engine import Engine, MonotonicClock
from tierfold.engine.compress import compress_rows
from tierfold_actors.answering import Answering

_WARM_UP_TEXT = (
    "The invoice was sent on Monday. Nobody has paid it. The rest is about lunch.\n\n" * 40
)


def default_answering() -> Answering:
    """Return the real engine's answering after one request: weights and tokenizer are loaded."""
    engine = Engine(settings=Settings(), clock=MonotonicClock())
    engine.answer(
        Request(
            sources=(TextSource(text=_WARM_UP_TEXT),),
            ask="Who has paid the invoice?",
            budget=Budget(max_tokens=100),
        )
    )
    return Answering(engine, partial(compress_rows, engine=engine))
