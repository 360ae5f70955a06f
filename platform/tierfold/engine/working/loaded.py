"""A stored context made ready for questions, and made longer by what is appended."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tierfold.config import Limits
from tierfold.context import DocumentSource, MessagesSource, Tokenizer
from tierfold.context.canonical import text_of
from tierfold.context.manifest import Shape
from tierfold.context.segment import item_name
from tierfold.context.stored import ContextInfo
from tierfold.engine.held_bytes import BLOCK_BYTES, ROW_BYTES, held_bytes
from tierfold.engine.working.decode import StoredSource, more_of, source_of
from tierfold.processing import Places, Prepared
from tierfold.relevance import WorkingSet
from tierfold.text import read, read_more

_LIMITS = Limits()
_ITEM_BYTES = BLOCK_BYTES + ROW_BYTES  # of an item that is appended, and for each of its bytes:
_GROWTH = 9


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class Loaded:
    """The working set of one version of a context."""

    info: ContextInfo
    prepared: Prepared
    items: int
    size_bytes: int  # of everything it holds: texts, rows, arrays, postings


def build(
    info: ContextInfo,
    bodies: Sequence[bytes],
    *,
    tokenizer: Tokenizer,
    digest: bytes | None = None,
    limits: Limits = _LIMITS,
) -> Loaded:
    """Return the working set of a context's items; raises CorruptError, TooLargeError.

    `digest` is the context's own; without it there are no handles. A chat is read leniently: what
    is stored cannot be mended by who asks, and it may well end with a call whose results are
    still to come.
    """
    source = source_of(info, bodies)
    places = None
    if digest is not None:
        places = grown_places(Places.empty(digest, info.head.shape), bodies)
    return _of_source(info, source, places, tokenizer=tokenizer, limits=limits)


def extended(
    loaded: Loaded, info: ContextInfo, bodies: Sequence[bytes], *, limits: Limits = _LIMITS
) -> Loaded:
    """Return the working set after `bodies` were appended, equal to one built of all items.

    Costs what the new items cost besides copying arrays; postings are merged when somebody asks.
    Only a whole text is cut anew, since what is appended may change how all of it is cut.
    """
    if info.head.items != loaded.items + len(bodies):
        raise ValueError(info.head.items)
    before = loaded.prepared
    source = _source_in(before)
    grown = more_of(source, info, bodies)
    places = None if before.places is None else grown_places(before.places, bodies)
    if info.head.shape is Shape.TEXT or _title(source) != _title(grown):
        return _of_source(info, grown, places, tokenizer=before.tokenizer, limits=limits)
    intake = read_more(
        before.intake, grown, known=loaded.items, tokenizer=before.tokenizer, limits=limits
    )
    prepared = Prepared(
        sources=(grown,),
        tokenizer=before.tokenizer,
        intake=intake,
        places=places,
        working=before.working().extend(intake.units),
    )
    size_bytes = loaded.size_bytes + sum(_ITEM_BYTES + _GROWTH * len(body) for body in bodies)
    return Loaded(info=info, prepared=prepared, items=info.head.items, size_bytes=size_bytes)


def grown_places(places: Places, bodies: Sequence[bytes]) -> Places:
    """Return the places of a context after items were appended."""
    starts = places.item_start
    if places.shape is Shape.TEXT:
        lengths = [len(text_of(body)) for body in bodies]
        starts = np.concatenate((starts, places.text_length + np.cumsum([0, *lengths])[:-1]))
        places = replace(places, text_length=places.text_length + sum(lengths))
    names = places.names + b"".join(map(item_name, bodies))
    return replace(places, names=names, item_start=starts)


def _of_source(
    info: ContextInfo,
    source: StoredSource,
    places: Places | None,
    *,
    tokenizer: Tokenizer,
    limits: Limits,
) -> Loaded:
    intake = read((source,), tokenizer=tokenizer, strict=False, limits=limits)
    working = WorkingSet.build(intake.units)
    prepared = Prepared(
        sources=(source,), tokenizer=tokenizer, intake=intake, places=places, working=working
    )
    size_bytes = held_bytes((source,), intake) + working.size_bytes
    return Loaded(info=info, prepared=prepared, items=info.head.items, size_bytes=size_bytes)


def _source_in(prepared: Prepared) -> StoredSource:
    (source,) = prepared.sources
    assert isinstance(source, MessagesSource | DocumentSource)  # of a stored context
    return source


def _title(source: StoredSource) -> str:
    return source.document.title if isinstance(source, DocumentSource) else ""
