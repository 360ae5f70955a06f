"""Exact counts of texts that change a little between calls."""

import re

from tierfold.context import DocumentSource, MessagesSource, Source, TextSource
from tierfold.text import TOKENS_REPLY, TokenCounter, message_overhead

# Both encodings split a text before they merge, and there a line break never joins what follows
# it, unless that is white space or, behind punctuation, a slash.
_BORDER = re.compile(r"\n(?=[^\s/])")


class PiecewiseCounter:
    """Counts piece by piece and remembers: of a changed text only what changed costs."""

    def __init__(self, counter: TokenCounter) -> None:
        self._counter = counter
        self._known: dict[str, int] = {}

    def count(self, text: str) -> int:
        """Return the exact number of tokens of the whole text."""
        known = self._known
        found = pieces(text)
        for piece in found:
            if piece not in known:
                known[piece] = self._counter.count(piece)
        return sum(map(known.__getitem__, found))


def pieces(text: str) -> list[str]:
    """Return pieces that no token reaches across; joined by nothing they are the text."""
    *lines, last = _BORDER.split(text)
    return [*(line + "\n" for line in lines), last]


def tokens_of(sources: tuple[Source, ...], counter: TokenCounter) -> int:
    """Return the exact tokens of sources as they are sent."""
    has_chat = any(isinstance(source, MessagesSource) for source in sources)
    return sum(_tokens(source, counter) for source in sources) + has_chat * TOKENS_REPLY


def _tokens(source: Source, counter: TokenCounter) -> int:
    match source:
        case TextSource(text=text):
            return counter.count(text)
        case DocumentSource(document=document):
            return counter.count(document.whole_text)
        case MessagesSource(messages=messages):
            return sum(
                message_overhead(message, counter) + sum(map(counter.count, message.texts()))
                for message in messages
            )
