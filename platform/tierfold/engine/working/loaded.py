"""A stored context made ready for questions, and made longer by what is appended."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from tierfold.config import Limits
from tierfold.context import DocumentSource, MessagesSource, Tokenizer
from tierfold.context.canonical import text_of
from tierfold.context.manifest import Shape
from tierfold.context.segment import item_name
from tierfold.context.stored import ContextInfo
from tierfold.engine.working.decode import StoredSource, more_of, source_of
from tierfold.processing import Places, Prepared
from tierfold.relevance import WorkingSet
from tierfold.text import Intake, UnitTable, read, read_more

_LIMITS = Limits()
_BLOCK_BYTES = 550  # a block, its origin, its place in tuples, what says that it is left out
_UNIT_BYTES = 80  # of what answers have in common: lanes, and stocks with and without markers
_ROW_BYTES = 1_500  # a message with its own object, a row, what is known of it; texts apart
_PART_BYTES = 150
_ITEM_BYTES = _BLOCK_BYTES + _ROW_BYTES  # of an item that is appended, and for each of its bytes:
_GROWTH = 9


@dataclass(frozen=True, slots=True, kw_only=True)
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
    size_bytes = _size_bytes(source, intake) + working.size_bytes
    return Loaded(info=info, prepared=prepared, items=info.head.items, size_bytes=size_bytes)


def _source_in(prepared: Prepared) -> StoredSource:
    (source,) = prepared.sources
    assert isinstance(source, MessagesSource | DocumentSource)  # of a stored context
    return source


def _title(source: StoredSource) -> str:
    return source.document.title if isinstance(source, DocumentSource) else ""


def _size_bytes(source: StoredSource, intake: Intake) -> int:
    """Return the bytes of what is held besides the postings."""
    units = intake.units
    arrays = (
        *(getattr(units, field.name) for field in fields(UnitTable)),
        *(units.frames.parent, units.frames.tokens, units.frames.pinned),
        *(intake.block_start, intake.weight, intake.row_is_pinned, intake.row_overhead),
    )
    size = sum(each.nbytes for each in arrays if isinstance(each, np.ndarray))
    size += sys.getsizeof(units.text) + sum(map(sys.getsizeof, units.titles))
    size += _BLOCK_BYTES * len(intake.blocks) + _UNIT_BYTES * len(units)
    if isinstance(source, MessagesSource):
        texts = (text for message in source.messages for text in message.texts())
        return size + _ROW_BYTES * len(source.messages) + sum(map(sys.getsizeof, texts))
    parts = source.document.parts
    if parts is None:
        return size + sys.getsizeof(source.document.text)
    return size + sum(_PART_BYTES + sys.getsizeof(part.text) for part in parts)
