"""The demo's first half: fold the Python language reference in this process."""

from functools import cache

from tierfold.cli.progress import Progress
from tierfold.cli.screen import Screen
from tierfold.config import Settings
from tierfold.context import Answer, Budget, Document, DocumentSource, Request
from tierfold.engine import Engine, MonotonicClock
from tierfold_actors.demo.passage import best_passage, show_passage

TOKENS = 2_000


def show_in_process(ask: str, screen: Screen) -> Answer:
    """Fold, and show how it went and the passage that answers."""
    heading("1. In this process", screen)
    screen.line(f"  text      the Python language reference, {len(reference())} documents")
    screen.line(f"  question  {ask}")
    screen.line(f"  budget    {TOKENS:,} tokens")
    screen.line()
    answer = fold(ask, screen)
    passage = best_passage(ask, answer)
    if passage is not None:
        show_passage(passage, ask, screen)
    return answer


def fold(ask: str, screen: Screen) -> Answer:
    """Fold the reference to what the question needs; the screen shows the stages as they land."""
    request = Request(
        sources=tuple(DocumentSource(document=document) for document in reference()),
        ask=ask,
        budget=Budget(max_tokens=TOKENS),
    )
    progress = Progress(screen)
    answer = progress.follow(_engine().stream(request))
    progress.close(answer)
    return answer


@cache
def reference() -> tuple[Document, ...]:
    """Return the language reference that every Python carries, one document per topic."""
    from pydoc_data.topics import topics  # noqa: PLC0415  # half a megabyte

    return tuple(Document(id=name, title=name, text=text) for name, text in sorted(topics.items()))


def heading(text: str, screen: Screen) -> None:
    """Write a line that a reader finds again."""
    screen.line()
    screen.line(screen.paint(text, "bold"))


@cache
def _engine() -> Engine:
    return Engine(settings=Settings(), clock=MonotonicClock())
