"""The postings of a query's terms, read within a limit, the rarest terms first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from tierfold.engine.shard.search.arrays import LongArray
from tierfold.engine.shard.search.postings import Postings, is_among
from tierfold.engine.shard.search.record import Record, Run
from tierfold.engine.shard.search.runs import Runs
from tierfold.engine.shard.search.scoring import Holders, no_holders

POSTINGS_MAX: Final = 1 << 19  # read for one query; a term that would pass it is left out

Blocks = Iterator[tuple[int, Postings]]


@dataclass(slots=True, kw_only=True)
class _Listing:
    """What was read of one term, and the runs that have more of it."""

    term: int
    parts: list[tuple[int, Postings]] = field(default_factory=list)
    unfinished: list[tuple[Run, Blocks]] = field(default_factory=list)
    expected: float = 0.0  # documents that hold it in unfinished runs

    def __len__(self) -> int:
        return sum(len(part) for _, part in self.parts)


def holders_of(
    runs: Runs,
    tenant: str,
    record: Record,
    terms: Sequence[int],
    *,
    dead: LongArray,
    postings_max: int = POSTINGS_MAX,
) -> dict[int, Holders]:
    """Return the live documents that hold each term.

    A term is read whole or not at all, since half of a list has a wrong rarity; only when nothing
    else is found, the rarest one is read as far as the limit goes.
    """
    listings = [_begun(runs, tenant, record, term) for term in terms]
    room = postings_max - sum(len(listing) for listing in listings)
    chosen = [listing for listing in listings if not listing.unfinished]
    for listing in sorted((each for each in listings if each.unfinished), key=_expected):
        before = len(listing)
        is_whole = _finish(listing, room)
        room -= len(listing) - before
        if is_whole or not any(map(len, chosen)):
            chosen.append(listing)
    return {each.term: _holders(runs, tenant, each, dead) for each in chosen}


def _expected(listing: _Listing) -> float:
    return listing.expected


def _begun(runs: Runs, tenant: str, record: Record, term: int) -> _Listing:
    """Read the first block of each run that may hold the term."""
    listing = _Listing(term=term)
    for run in record.runs:
        blocks = runs.blocks(tenant, run.number, term)
        last, block = next(blocks, (None, None))
        if block is None:
            continue
        part = block.of_term(term)
        if len(part):
            listing.parts.append((run.number, part))
        if last == term:
            listing.unfinished.append((run, blocks))
            span = int(part.documents[-1] - part.documents[0]) + 1
            listing.expected += len(part) / span * run.documents
    return listing


def _finish(listing: _Listing, room: int) -> bool:
    """Read the rest of the term; False where there is no room for it."""
    for run, blocks in listing.unfinished:
        for last, block in blocks:
            part = block.of_term(listing.term)
            if len(part):
                listing.parts.append((run.number, part))
            room -= len(part)
            if last != listing.term:
                break
            if room < 0:
                return False
    return True


def _holders(runs: Runs, tenant: str, listing: _Listing, dead: LongArray) -> Holders:
    held = no_holders()
    for number, part in listing.parts:
        live = part[~is_among(part.documents, dead)] if len(dead) else part
        lengths = runs.lengths(tenant, number).of(live.documents)
        more = Holders(documents=live.documents, counts=live.counts, lengths=lengths)
        held = held.with_more(more)
    return held


def fresh_holders(term: int, postings: Postings, lengths: LongArray, kept: LongArray) -> Holders:
    """Return the fresh documents that hold a term, numbered from -1 down."""
    part = postings.of_term(term)
    part = part[np.flatnonzero(is_among(part.documents, kept))]
    return Holders(
        documents=-1 - part.documents, counts=part.counts, lengths=lengths[part.documents]
    )
