"""One step of the indexer: look at some waiting segments, write what became of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from tierfold.context.segment import Name
from tierfold.engine.shard.search.bodies import ItemBodies, context_of
from tierfold.engine.shard.search.documents import Documents
from tierfold.engine.shard.search.keys import (
    dead_key,
    named_key,
    number_bytes,
    number_of,
    record_key,
)
from tierfold.engine.shard.search.record import Record, Run
from tierfold.engine.shard.search.runs import Runs, put_documents, put_postings
from tierfold.engine.shard.search.waiting import Claim, put_back, settle
from tierfold.engine.shard.search.words import Counted, count_terms, text_in
from tierfold.errors import CorruptError, ObjectStoreError
from tierfold.ports import Batch, Family, KeyValues

STEP_CHARACTERS = 1 << 20  # of text in one run; what comes after it is left to the next step


@dataclass(slots=True, kw_only=True)
class Looked:
    """What became of the segments of a claim."""

    texts: dict[Name, str] = field(default_factory=dict)  # to be indexed
    gone: dict[Name, int] = field(default_factory=dict)  # numbers of documents to bury
    settled: list[Name] = field(default_factory=list)  # done with, whatever came of them
    unread: dict[Name, int] = field(default_factory=dict)  # the object store does not answer


def look(values: KeyValues, bodies: ItemBodies, claim: Claim) -> Looked:
    """Read the segments of a claim, until there is text enough for one run."""
    names = list(claim.positions)
    numbers = values.get_many(Family.SEARCH, [named_key(claim.tenant, name) for name in names])
    looked = Looked()
    characters = 0
    for name, number in zip(names, numbers, strict=True):
        if characters >= STEP_CHARACTERS:
            break
        _look_at(values, bodies, claim, name, number, looked)
        characters += len(looked.texts.get(name, ""))
    return looked


def _look_at(
    values: KeyValues,
    bodies: ItemBodies,
    claim: Claim,
    name: Name,
    number: bytes | None,
    looked: Looked,
) -> None:
    if context_of(values, claim.tenant, name) is None:
        if number is not None:
            looked.gone[name] = number_of(number)
    elif number is None:
        try:
            looked.texts[name] = text_in(bodies.whole(claim.tenant, name))
        except ObjectStoreError:
            looked.unread[name] = claim.positions[name]
            return
        except CorruptError:
            pass  # the audit names it; its words cannot be found
    looked.settled.append(name)


def written(runs: Runs, claim: Claim, looked: Looked, counted: Counted) -> Batch:
    """Return the batch that brings the index up to date with what was looked at."""
    batch = Batch()
    tenant, record = claim.tenant, runs.record(claim.tenant)
    if looked.gone:
        record = _buried(batch, runs, tenant, record, looked.gone)
    if looked.texts:
        record = _added(batch, tenant, record, counted, _documents(claim, looked, counted, record))
    if looked.gone or looked.texts:
        batch.put(Family.SEARCH, record_key(tenant), record.encode())
    settle(batch, tenant, looked.settled)
    put_back(batch, tenant, looked.unread)
    return batch


def counted_terms(looked: Looked, tenant: str) -> Counted:
    """Count the terms of what is to be indexed."""
    return count_terms(list(looked.texts.values()), tenant)


def _documents(claim: Claim, looked: Looked, counted: Counted, record: Record) -> Documents:
    names = tuple(looked.texts)
    return Documents(
        numbers=np.arange(len(names)) + record.next_document,
        lengths=counted.lengths,
        positions=np.array([claim.positions[name] for name in names], np.int64),
        names=names,
    )


def _added(
    batch: Batch, tenant: str, record: Record, counted: Counted, documents: Documents
) -> Record:
    """Write a run and return the record that lists it."""
    run = Run(record.next_run, len(documents))
    put_documents(batch, tenant, run.number, documents)
    put_postings(batch, tenant, run.number, counted.postings.numbered(documents.numbers))
    for name, number in zip(documents.names, documents.numbers.tolist(), strict=True):
        batch.put(Family.SEARCH, named_key(tenant, name), number_bytes(number))
    return replace(
        record,
        next_document=record.next_document + len(documents),
        next_run=record.next_run + 1,
        documents=record.documents + len(documents),
        length=record.length + int(documents.lengths.sum()),
        runs=(*record.runs, run),
    )


def _buried(
    batch: Batch, runs: Runs, tenant: str, record: Record, gone: Mapping[Name, int]
) -> Record:
    """Mark documents as dead and return the record that does not count them."""
    numbers = np.array(sorted(gone.values()), np.int64)
    for name, number in gone.items():
        batch.delete(Family.SEARCH, named_key(tenant, name))
        batch.put(Family.SEARCH, dead_key(tenant, number), b"")
    return replace(
        record,
        documents=record.documents - len(gone),
        length=record.length - runs.words_of(tenant, record, numbers),
        dead=record.dead + len(gone),
    )
