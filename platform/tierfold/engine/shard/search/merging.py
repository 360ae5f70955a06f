"""Runs become one, in steps that survive a crash; what is dead does not come along."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tierfold.engine.shard.search.arrays import LongArray
from tierfold.engine.shard.search.documents import Documents
from tierfold.engine.shard.search.keys import dead_key, record_key, run_prefixes
from tierfold.engine.shard.search.postings import Postings, is_among, joined, merged
from tierfold.engine.shard.search.record import Merge, Record, Run
from tierfold.engine.shard.search.runs import Runs, put_documents, put_postings
from tierfold.ports import Batch, Family, KeyValues

STEP_BLOCKS = 32  # of postings read in one step
STEP_KEYS = 4096  # removed in one step

_TERM_END = 1 << 64


def begun(runs: Runs, tenant: str, record: Record, inputs: Sequence[int]) -> Batch:
    """Return the batch that begins a merge, or retires runs in which nothing lives."""
    batch = Batch()
    if not record.documents:
        for number in runs.dead(tenant, record).tolist():
            batch.delete(Family.SEARCH, dead_key(tenant, number))
        retired = (*record.retired, *(run.number for run in record.runs))
        changed = replace(record, runs=(), retired=retired, dead=0)
    else:
        merge = Merge(output=Run(record.next_run, 0), inputs=tuple(inputs))
        changed = replace(record, next_run=record.next_run + 1, merge=merge)
    batch.put(Family.SEARCH, record_key(tenant), changed.encode())
    return batch


def documents_merged(runs: Runs, tenant: str, record: Record, merge: Merge) -> Batch:
    """Return the batch that writes the documents of a merge's output."""
    parts = [runs.documents(tenant, run) for run in merge.inputs]
    documents = _alive(_all_documents(parts), runs.dead(tenant, record))
    batch = Batch()
    put_documents(batch, tenant, merge.output.number, documents)
    output = Run(merge.output.number, len(documents))
    changed = replace(record, merge=replace(merge, output=output, has_documents=True))
    batch.put(Family.SEARCH, record_key(tenant), changed.encode())
    return batch


def postings_merged(runs: Runs, tenant: str, record: Record, merge: Merge) -> Batch:
    """Return the batch that merges the next postings, and the last one ends the merge."""
    parts, end = _next_postings(runs, tenant, merge)
    kept = runs.lengths(tenant, merge.output.number).numbers
    batch = Batch()
    put_postings(batch, tenant, merge.output.number, merged(parts, kept))
    if end < _TERM_END:
        record = replace(record, merge=replace(merge, term=end))
    else:
        record = _ended(batch, runs, tenant, record, merge)
    batch.put(Family.SEARCH, record_key(tenant), record.encode())
    return batch


def removed(values: KeyValues, tenant: str, record: Record) -> Batch:
    """Return the batch that removes a part of the first retired run, or the last mention of it."""
    run, *rest = record.retired
    batch = Batch()
    for prefix in run_prefixes(tenant, run):
        for key, _ in values.scan(Family.SEARCH, prefix):
            batch.delete(Family.SEARCH, key)
            if len(batch) >= STEP_KEYS:
                return batch
    changed = replace(record, retired=tuple(rest))
    if changed.runs or changed.retired:
        batch.put(Family.SEARCH, record_key(tenant), changed.encode())
    else:
        batch.delete(Family.SEARCH, record_key(tenant))
    return batch


def _next_postings(runs: Runs, tenant: str, merge: Merge) -> tuple[list[Postings], int]:
    """Return all postings of the next terms, and the first term that is not among them."""
    share = max(1, STEP_BLOCKS // len(merge.inputs))
    read = [_read(runs, tenant, run, merge.term, share) for run in merge.inputs]
    end = min(stop for _, stop in read)
    low = np.uint64(merge.term)
    parts = []
    for postings, _ in read:
        first = int(np.searchsorted(postings.terms, low))
        last = len(postings)
        if end < _TERM_END:
            last = int(np.searchsorted(postings.terms, np.uint64(end)))
        parts.append(postings[first:last])
    return parts, end


def _read(runs: Runs, tenant: str, run: int, term: int, share: int) -> tuple[Postings, int]:
    """Return some blocks from a term on, and the first term that may be incomplete in them."""
    blocks: list[Postings] = []
    for last, block in runs.blocks(tenant, run, term):
        blocks.append(block)
        if len(blocks) >= share and last > term:
            return joined(blocks), last
    return joined(blocks), _TERM_END


def _ended(batch: Batch, runs: Runs, tenant: str, record: Record, merge: Merge) -> Record:
    """Put the output where the inputs were; those that died before it was begun are forgotten."""
    left = _left_behind(runs, tenant, merge)
    for number in left.tolist():
        batch.delete(Family.SEARCH, dead_key(tenant, number))
    at = next(i for i, run in enumerate(record.runs) if run.number == merge.inputs[0])
    output = (merge.output,) if merge.output.documents else ()
    return replace(
        record,
        dead=record.dead - len(left),
        runs=(*record.runs[:at], *output, *record.runs[at + len(merge.inputs) :]),
        retired=(*record.retired, *merge.inputs, *(() if output else (merge.output.number,))),
        merge=None,
    )


def _left_behind(runs: Runs, tenant: str, merge: Merge) -> LongArray:
    """Return the dead documents that the inputs had and the output has not."""
    inputs = np.concatenate([runs.lengths(tenant, run).numbers for run in merge.inputs])
    return inputs[~is_among(inputs, runs.lengths(tenant, merge.output.number).numbers)]


def _all_documents(parts: Sequence[Documents]) -> Documents:
    return Documents(
        numbers=np.concatenate([part.numbers for part in parts]),
        lengths=np.concatenate([part.lengths for part in parts]),
        positions=np.concatenate([part.positions for part in parts]),
        names=tuple(name for part in parts for name in part.names),
    )


def _alive(documents: Documents, dead: LongArray) -> Documents:
    alive = np.flatnonzero(~is_among(documents.numbers, dead))
    return Documents(
        numbers=documents.numbers[alive],
        lengths=documents.lengths[alive],
        positions=documents.positions[alive],
        names=tuple(documents.names[at] for at in alive.tolist()),
    )
