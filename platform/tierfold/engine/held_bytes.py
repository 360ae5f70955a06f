"""What sources that were read hold in memory: texts, rows, arrays; postings apart."""

import sys
from collections.abc import Iterable
from dataclasses import fields

import numpy as np

from tierfold.context import DocumentSource, MessagesSource, Source, TextSource
from tierfold.text import Intake, UnitTable

BLOCK_BYTES = 550  # a block, its origin, its place in tuples, what says that it is left out
ROW_BYTES = 1_500  # a message with its own object, a row, what is known of it; texts apart

_UNIT_BYTES = 80  # of what answers have in common: lanes, and stocks with and without markers
_PART_BYTES = 150
_TABLE_FIELDS = tuple(field.name for field in fields(UnitTable))


def held_bytes(sources: Iterable[Source], intake: Intake) -> int:
    """Return the bytes of sources and of what was made of them, without the postings."""
    units = intake.units
    arrays = (
        *(getattr(units, name) for name in _TABLE_FIELDS),
        *(units.frames.parent, units.frames.tokens, units.frames.pinned),
        *(intake.block_start, intake.weight, intake.row_is_pinned, intake.row_overhead),
    )
    size = sum(each.nbytes for each in arrays if isinstance(each, np.ndarray))
    size += sys.getsizeof(units.text) + sum(map(sys.getsizeof, units.titles))
    size += BLOCK_BYTES * len(intake.blocks) + _UNIT_BYTES * len(units)
    return size + sum(map(_source_bytes, sources))


def _source_bytes(source: Source) -> int:
    match source:
        case MessagesSource(messages=messages):
            texts = (text for message in messages for text in message.texts())
            return ROW_BYTES * len(messages) + sum(map(sys.getsizeof, texts))
        case DocumentSource(document=document) if document.parts is not None:
            return sum(_PART_BYTES + sys.getsizeof(part.text) for part in document.parts)
        case DocumentSource(document=document):
            return sys.getsizeof(document.text)
        case TextSource(text=text):
            return sys.getsizeof(text)
