"""Words of segments and queries, as the ranking cuts and stems them, told apart by hashes.

A term is a hash of 64 bits under the tenant's name: the index holds no word, and no two tenants
have a term in common.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from tierfold.context.canonical import json_of, part_of, text_of
from tierfold.context.segment import SegmentKind, kind_of
from tierfold.engine.shard.search.arrays import LongArray, TermArray
from tierfold.engine.shard.search.postings import Postings
from tierfold.errors import CorruptError, TooLargeError
from tierfold.relevance.vocabulary import scan, stems_of

QUERY_CHARACTERS_MAX = 16_384
QUERY_TERMS_MAX = 64  # distinct; those after them are not looked up

_HASH_BYTES = 8
_DOCUMENT_BITS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Terms of n documents: postings that count documents from 0, and lengths, (n,)."""

    postings: Postings
    lengths: LongArray


def text_in(body: bytes) -> str:
    """Return the words of an item's whole body, joined where it was split.

    Raises CorruptError for a body that is no item's.
    """
    try:
        return _text_in(body)
    except (ValueError, TypeError) as error:
        raise CorruptError(what="an item", problem="its body cannot be read") from error


def _text_in(body: bytes) -> str:
    match kind_of(body):
        case SegmentKind.MESSAGE:
            return "\n".join(_texts_of(json_of(body)))
        case SegmentKind.PART:
            return part_of(body).text
        case SegmentKind.TEXT:
            return text_of(body)
        case kind:
            raise CorruptError(what="an item", problem=f"its body is a {kind.name.lower()}")


def count_terms(texts: Sequence[str], tenant: str) -> Counted:
    """Count the terms of some documents, one text each.

    A document is as long as it has words; an identifier is a word to find, but its parts are what
    makes it long, as in the ranking.
    """
    vocabulary: dict[str, int] = {}
    found = scan(list(texts), vocabulary)
    stems: dict[str, int] = {}
    stem_of = [stems.setdefault(stem, len(stems)) for stem in stems_of(list(vocabulary))]
    hashes = _hashes(stems, tenant)
    order = np.argsort(hashes)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    of_word = rank[np.array(stem_of, np.int64)]
    keys, counts = np.unique(of_word[found.word] << _DOCUMENT_BITS | found.slot, return_counts=True)
    return Counted(
        postings=Postings(
            terms=hashes[order][keys >> _DOCUMENT_BITS],
            documents=keys & ((1 << _DOCUMENT_BITS) - 1),
            counts=counts.astype(np.int64),
        ),
        lengths=np.bincount(found.slot[~found.is_name], minlength=len(texts)).astype(np.int64),
    )


def query_stems(query: str) -> tuple[str, ...]:
    """Return the distinct stems of a query, the first ones where there are too many."""
    if len(query) > QUERY_CHARACTERS_MAX:
        raise TooLargeError(
            what="characters of a query", size=len(query), limit=QUERY_CHARACTERS_MAX
        )
    vocabulary: dict[str, int] = {}
    scan([query], vocabulary)
    return tuple(islice(dict.fromkeys(stems_of(list(vocabulary))), QUERY_TERMS_MAX))


def term_of(stem: str, tenant: str) -> int:
    """Return the term of a stem."""
    key = tenant.encode()
    hashed = hashlib.blake2b(stem.encode(), digest_size=_HASH_BYTES, key=key).digest()
    return int.from_bytes(hashed, "big")


def _hashes(stems: Mapping[str, int], tenant: str) -> TermArray:
    return np.array([term_of(stem, tenant) for stem in stems], np.uint64)


def _texts_of(message: Any) -> Iterator[str]:
    """Yield what a message says, and what its calls say to tools."""
    if not isinstance(message, dict):
        raise TypeError(type(message))
    content = message.get("content")
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for part in content:
            if isinstance(part, dict) and isinstance(part.get("text"), str):
                yield part["text"]
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        yield from _texts_of_call(call.get("function") if isinstance(call, dict) else None)
    yield from _texts_of_call(message.get("function_call"))


def _texts_of_call(function: Any) -> Iterator[str]:
    if isinstance(function, dict):
        for field in ("name", "arguments"):
            if isinstance(function.get(field), str):
                yield function[field]
