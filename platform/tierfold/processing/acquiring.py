"""How the characters that there is time to read are split over several sources.

Nothing is read yet, so the value of a source is guessed: by how many of the question's words stand
in its newest part, where reading would begin.
"""

from collections.abc import Iterator, Sequence

from tierfold.context import DocumentSource, MessagesSource, Source, TextSource
from tierfold.memory.lifecycle.acquisition import Claim, split
from tierfold.relevance.vocabulary import words_of

_SAMPLED_MAX = 256_000  # characters of all sources together: half a millisecond
_WORDS_MAX = 32  # of the question that are looked for


def acquired(
    characters_max: int,
    sources: Sequence[Source],
    sizes: Sequence[int],
    verbatim: Sequence[int],
    *,
    ask: str = "",
) -> tuple[int, ...]:
    """Return how many characters of each source are read, its verbatim rows among them."""
    values = expected_values(sources, ask)
    claims = [
        Claim(size=size, size_min=least, priority=source.priority, expected_value=value)
        for source, size, least, value in zip(sources, sizes, verbatim, values, strict=True)
    ]
    return split(characters_max, claims)


def expected_values(sources: Sequence[Source], ask: str) -> tuple[float, ...]:
    """Return what a piece of each source is worth for the question: never nothing, at most 1."""
    found = (word for words, _ in words_of(ask) for word in words)
    wanted = list(dict.fromkeys(found))[:_WORDS_MAX]
    if not wanted:
        return (1.0,) * len(sources)
    sampled_max = _SAMPLED_MAX // max(1, len(sources))
    samples = (_sample(source, sampled_max) for source in sources)
    return tuple(
        (1 + sum(word in sample for word in wanted)) / (1 + len(wanted)) for sample in samples
    )


def _sample(source: Source, characters_max: int) -> str:
    pieces: list[str] = []
    for text in _newest_first(source):
        if characters_max <= 0:
            break
        pieces.append(text[-characters_max:])
        characters_max -= len(pieces[-1]) + 1
    return "\n".join(pieces).lower()


def _newest_first(source: Source) -> Iterator[str]:
    match source:
        case TextSource(text=text):
            yield text
        case DocumentSource(document=document) if document.parts is None:
            yield document.text
        case DocumentSource(document=document):
            yield from (part.text for part in reversed(document.parts or ()))
        case MessagesSource(messages=messages):
            for message in reversed(messages):
                yield from message.texts()
