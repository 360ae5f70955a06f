"""Runs on disk: written whole, read in parts, forgotten together."""

import threading
from collections import OrderedDict
from collections.abc import Iterator

import numpy as np

from tierfold.context.segment import Name
from tierfold.engine.shard.search.arrays import LongArray, garbled
from tierfold.engine.shard.search.documents import (
    NAMES_CHUNK,
    Documents,
    Lengths,
    lengths_values,
    names_values,
    read_lengths,
    read_name,
    read_names,
)
from tierfold.engine.shard.search.keys import (
    dead_prefix,
    documents_key,
    documents_prefix,
    last_term,
    lengths_key,
    lengths_prefix,
    number_of,
    postings_key,
    postings_prefix,
    record_key,
)
from tierfold.engine.shard.search.postings import Postings, blocks_of, decode_block, encode_block
from tierfold.engine.shard.search.record import Record
from tierfold.ports import Batch, Family, KeyValues

LENGTHS_BYTES_MAX = 16 << 20  # kept in memory: a million documents
DEAD_KEPT = 64  # tenants whose dead documents are kept in memory


class Runs:
    """Reads records, documents and postings; any thread may use it at any time."""

    def __init__(self, values: KeyValues) -> None:
        self._values = values
        self._lock = threading.Lock()
        self._lengths: OrderedDict[tuple[str, int], Lengths] = OrderedDict()
        self._lengths_bytes = 0
        self._dead: OrderedDict[str, tuple[Record, LongArray]] = OrderedDict()

    def record(self, tenant: str) -> Record:
        """Return a tenant's record, an empty one where there is none."""
        value = self._values.get(Family.SEARCH, record_key(tenant))
        return Record() if value is None else Record.decode(value)

    def dead(self, tenant: str, record: Record) -> LongArray:
        """Return the numbers of documents whose segments are gone, in order."""
        if not record.dead:
            return np.zeros(0, np.int64)
        with self._lock:
            known = self._dead.get(tenant)
        if known is not None and known[0] == record:
            return known[1]
        prefix = dead_prefix(tenant)
        found = (number_of(key) for key, _ in self._values.scan(Family.SEARCH, prefix))
        dead = np.fromiter(found, np.int64)
        with self._lock:
            self._dead[tenant] = record, dead
            while len(self._dead) > DEAD_KEPT:
                self._dead.popitem(last=False)
        return dead

    def lengths(self, tenant: str, run: int) -> Lengths:
        """Return numbers and lengths of a run's documents."""
        with self._lock:
            known = self._lengths.get((tenant, run))
            if known is not None:
                self._lengths.move_to_end((tenant, run))
                return known
        prefix = lengths_prefix(tenant, run)
        read = read_lengths([value for _, value in self._values.scan(Family.SEARCH, prefix)])
        self._keep(tenant, run, read)
        return read

    def named(self, tenant: str, record: Record, number: int) -> tuple[Name, int] | None:
        """Return name and position of a document; None where no run has it."""
        for run in record.runs:
            numbers = self.lengths(tenant, run.number).numbers
            rank = int(np.searchsorted(numbers, number))
            if rank < len(numbers) and numbers[rank] == number:
                return self._named(tenant, run.number, rank)
        return None

    def words_of(self, tenant: str, record: Record, numbers: LongArray) -> int:
        """Return how many words some documents have in all; the numbers rise."""
        total = 0
        for run in record.runs if len(numbers) else ():
            lengths = self.lengths(tenant, run.number)
            border = (lengths.numbers[0], lengths.numbers[-1] + 1)
            low, high = np.searchsorted(numbers, border)
            total += int(lengths.of(numbers[low:high]).sum())
        return total

    def _named(self, tenant: str, run: int, rank: int) -> tuple[Name, int]:
        value = self._values.get(Family.SEARCH, documents_key(tenant, run, rank // NAMES_CHUNK))
        if value is None:
            raise garbled()
        return read_name(value, rank % NAMES_CHUNK)

    def documents(self, tenant: str, run: int) -> Documents:
        """Return all documents of a run."""
        lengths = self.lengths(tenant, run)
        names: list[Name] = []
        positions = [np.zeros(0, np.int64)]
        for _, value in self._values.scan(Family.SEARCH, documents_prefix(tenant, run)):
            some, places = read_names(value)
            names += some
            positions.append(places)
        if len(names) != len(lengths.numbers):
            raise garbled()
        return Documents(
            numbers=lengths.numbers,
            lengths=lengths.lengths,
            positions=np.concatenate(positions),
            names=tuple(names),
        )

    def blocks(self, tenant: str, run: int, term: int) -> Iterator[tuple[int, Postings]]:
        """Yield the blocks of a run from a term on, each after its last term."""
        prefix = postings_prefix(tenant, run)
        after = postings_key(tenant, run, term, 0)  # no document has the number 0
        for key, value in self._values.scan(Family.SEARCH, prefix, after=after):
            yield last_term(key), decode_block(value)

    def forget(self, tenant: str, run: int) -> None:
        """Drop what is held of a run that is removed: its number may be used again."""
        with self._lock:
            self._dead.pop(tenant, None)
            known = self._lengths.pop((tenant, run), None)
            self._lengths_bytes -= known.size_bytes if known else 0

    def forget_all(self) -> None:
        """Drop what is held of all runs."""
        with self._lock:
            self._dead.clear()
            self._lengths.clear()
            self._lengths_bytes = 0

    def _keep(self, tenant: str, run: int, read: Lengths) -> None:
        with self._lock:
            before = self._lengths.pop((tenant, run), None)
            self._lengths[tenant, run] = read
            self._lengths_bytes += read.size_bytes - (before.size_bytes if before else 0)
            while self._lengths_bytes > LENGTHS_BYTES_MAX and len(self._lengths) > 1:
                self._lengths_bytes -= self._lengths.popitem(last=False)[1].size_bytes


def put_documents(batch: Batch, tenant: str, run: int, documents: Documents) -> None:
    """Write the documents of a run."""
    for chunk, value in enumerate(lengths_values(documents)):
        batch.put(Family.SEARCH, lengths_key(tenant, run, chunk), value)
    for chunk, value in enumerate(names_values(documents)):
        batch.put(Family.SEARCH, documents_key(tenant, run, chunk), value)


def put_postings(batch: Batch, tenant: str, run: int, postings: Postings) -> None:
    """Write postings that follow those the run has."""
    for block in blocks_of(postings):
        last = postings_key(tenant, run, int(block.terms[-1]), int(block.documents[-1]))
        batch.put(Family.SEARCH, last, encode_block(block))
