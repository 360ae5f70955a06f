"""The newest part of a stored context as what a hurried question reads, told as part of the whole.

Nobody has counted the characters of what is not read: they are estimated from its bytes, exactly
where all of a text is ASCII. Items are counted and named, so handles are exact everywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from tierfold.context import LeftOut, MessagesSource
from tierfold.context.canonical import text_of
from tierfold.context.manifest import Shape
from tierfold.context.stored import ContextInfo
from tierfold.engine.working.decode import source_of
from tierfold.processing import Excerpt, Places, characters_of

_RESULT_ROLES = frozenset({"tool", "function"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Partial:
    """A part of a context, and how much the whole is."""

    excerpt: Excerpt
    characters_read: int
    characters: int  # of the whole, estimated
    is_for_memory: bool = False  # there was none to read all of it; else there was no time


def partial_of(
    info: ContextInfo,
    indexes: Sequence[int],
    bodies: Sequence[bytes],
    *,
    names: bytes,
    digest: bytes,
) -> Partial:
    """Return what these items are of the context; raises CorruptError.

    Results whose call is not read are left out with it, as everything else in front of them.
    """
    source = source_of(info, bodies)
    if isinstance(source, MessagesSource):
        roles = [message.role for message in source.messages]
        kept = _with_their_calls(indexes, roles, info.items)
        source = replace(source, messages=tuple(source.messages[at] for at in kept))
        indexes, bodies = [indexes[at] for at in kept], [bodies[at] for at in kept]
    lengths = [len(text_of(body)) for body in bodies] if info.head.shape is Shape.TEXT else []
    places = Places(
        digest=digest,
        shape=info.head.shape,
        names=names,
        item_start=np.cumsum([0, *lengths], dtype=np.int64)[: len(lengths)],
        text_length=sum(lengths),
        read=np.array(indexes, np.int64),
    )
    read = characters_of((source,))
    bytes_read = sum(len(body) - 1 for body in bodies)
    per_byte = read / bytes_read if bytes_read else 1.0
    characters = round((info.head.size_bytes - bytes_read) * per_byte)
    gaps = _gaps(indexes, info.items)
    unread = tuple(_unread(gap, gaps, characters, places) for gap in gaps)
    excerpt = Excerpt(
        source=source,
        unread=unread,
        place=lambda run: _placed(run, info.head.shape, indexes, characters),
        places=places,
        gaps=(_marker_handle(places, gaps),) if gaps else (),
    )
    return Partial(excerpt=excerpt, characters_read=read, characters=read + characters)


def _with_their_calls(indexes: Sequence[int], roles: Sequence[str], items: int) -> list[int]:
    """Return which of the rows read stay: those of the newest run begin with no result."""
    breaks = [at for at, (one, other) in enumerate(pairwise(indexes), 1) if other != one + 1]
    ends_last = bool(indexes) and indexes[-1] == items - 1
    first = after = (breaks[-1] if breaks else 0) if ends_last else len(indexes)
    while after < len(indexes) and indexes[first] > 0 and roles[after] in _RESULT_ROLES:
        after += 1
    return [*range(first), *range(after, len(indexes))]


def _gaps(indexes: Sequence[int], items: int) -> list[tuple[int, int]]:
    """Return the runs of items that are not read: the first of each, and how many."""
    borders = [-1, *indexes, items]
    return [(one + 1, other - one - 1) for one, other in pairwise(borders) if other > one + 1]


def _unread(
    gap: tuple[int, int], gaps: Sequence[tuple[int, int]], characters: int, places: Places
) -> LeftOut:
    first, count = gap
    end = round(characters * count / sum(each for _, each in gaps))
    is_text = places.shape is Shape.TEXT
    return LeftOut(
        source=0,
        message=first if places.shape is Shape.MESSAGES else None,
        part=first if places.shape is Shape.PARTS else None,
        start=0,
        end=end,
        tokens=0,
        handle=places.of_context(first, count),
        count=1 if is_text else count,
    )


def _marker_handle(places: Places, gaps: Sequence[tuple[int, int]]) -> str:
    """Return one handle from the first item that is not read to the last."""
    first, (last, count) = gaps[0][0], gaps[-1]
    return places.of_context(first, last + count - first)


def _placed(run: LeftOut, shape: Shape, indexes: Sequence[int], characters: int) -> LeftOut:
    """Return a place in what is read as one in the whole context."""
    if shape is Shape.TEXT:
        return replace(run, start=run.start + characters, end=run.end + characters)
    if shape is Shape.MESSAGES:
        return replace(run, message=indexes[run.message or 0])
    return replace(run, part=indexes[run.part or 0])
