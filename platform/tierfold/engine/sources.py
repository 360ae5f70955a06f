"""The sources of a question as they were read: whole, or the newest part of a stored context."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tierfold.context import Source
from tierfold.engine.working import Loaded, Partial
from tierfold.processing import Excerpt, Newest, characters_of

_ALL = -1

Found = Loaded | Partial


@dataclass(frozen=True, slots=True)
class SourceRead:
    """One source as it was read."""

    excerpt: Excerpt
    characters: int = _ALL  # of the whole
    characters_read: int = _ALL

    @classmethod
    def of(cls, source: Source) -> "SourceRead":
        """Return a source that was read whole."""
        return cls(Excerpt.whole(source))

    @classmethod
    def found(cls, found: Found, priority: float) -> "SourceRead":
        """Return a stored context, with the priority that the question gives it."""
        if isinstance(found, Loaded):
            return cls.of(_weighted(found.prepared.sources[0], priority))
        excerpt = replace(found.excerpt, source=_weighted(found.excerpt.source, priority))
        return cls(excerpt, found.characters, found.characters_read)


def newest_of(read: Sequence[SourceRead]) -> Newest | None:
    """Return what was read of sources, of which some were not read whole; None where all were."""
    if all(each.characters == _ALL for each in read):
        return None
    counts = [
        (characters_of((each.excerpt.source,)),) * 2
        if each.characters == _ALL
        else (each.characters_read, each.characters)
        for each in read
    ]
    share = sum(part for part, _ in counts) / max(1, sum(whole for _, whole in counts))
    parts = tuple(_in_place(index, each.excerpt) for index, each in enumerate(read))
    return Newest(parts=parts, share=share)


def _in_place(index: int, excerpt: Excerpt) -> Excerpt:
    """Return an excerpt whose runs name the source they are of."""
    return replace(excerpt, unread=tuple(replace(run, source=index) for run in excerpt.unread))


def _weighted(source: Source, priority: float) -> Source:
    return source if source.priority == priority else replace(source, priority=priority)
