"""What the index knows of a tenant as a whole, and when runs are merged."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from tierfold.engine.shard.search.arrays import garbled, packed, unpacked

RUN_DOCUMENTS: Final = 256  # in one step's run, at most
FAN_IN: Final = 8  # runs of like size that become one
DEAD_SHARE_MAX: Final = 0.5  # of a tenant's documents: above it all runs are written anew

_SIGN: Final = 1 << 63
_FIXED: Final = 9


@dataclass(frozen=True, slots=True)
class Run:
    """Documents and their postings, written once."""

    number: int
    documents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """Runs that are becoming one, and how far that is."""

    output: Run
    inputs: tuple[int, ...]  # numbers of neighbouring runs
    has_documents: bool = False  # those of the output are written
    term: int = 0  # postings below it are written


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A tenant's totals and runs, the oldest first."""

    next_document: int = 1
    next_run: int = 1
    documents: int = 0  # live
    length: int = 0  # words in all of them
    dead: int = 0  # documents that still have postings
    runs: tuple[Run, ...] = ()
    retired: tuple[int, ...] = ()  # runs nothing reads any more
    merge: Merge | None = field(default=None)

    def encode(self) -> bytes:
        """Return the value on disk."""
        merge = self.merge
        fixed = [
            self.next_document,
            self.next_run,
            self.documents,
            self.length,
            self.dead,
            merge.output.number if merge else 0,
            merge.output.documents if merge else 0,
            int(merge.has_documents) if merge else 0,
            merge.term - _SIGN if merge else 0,
        ]
        runs = [part for run in self.runs for part in (run.number, run.documents)]
        lists = (fixed, runs, self.retired, merge.inputs if merge else ())
        return packed([np.array(part, np.int64) for part in lists])

    @classmethod
    def decode(cls, data: bytes) -> "Record":
        """Return the record of a value; raises CorruptError."""
        fixed, runs, retired, inputs = (part.tolist() for part in unpacked(data, 4))
        if len(fixed) != _FIXED or len(runs) % 2:
            raise garbled()
        *totals, output, documents, has_documents, term = fixed
        next_document, next_run, live, length, dead = totals
        return cls(
            next_document=next_document,
            next_run=next_run,
            documents=live,
            length=length,
            dead=dead,
            runs=tuple(Run(*pair) for pair in zip(runs[::2], runs[1::2], strict=True)),
            retired=tuple(retired),
            merge=Merge(
                output=Run(output, documents),
                inputs=tuple(inputs),
                has_documents=bool(has_documents),
                term=term + _SIGN,
            )
            if inputs
            else None,
        )


def due_merge(record: Record, *, all_dead: bool = False) -> tuple[int, ...] | None:
    """Return the runs to merge next, None where they are fine; `all_dead` leaves no dead at all."""
    dead = record.dead
    if dead and (all_dead or dead > DEAD_SHARE_MAX * (dead + record.documents)):
        return tuple(run.number for run in record.runs)
    start = _start_of_like(tuple(run.documents for run in record.runs))
    return None if start is None else tuple(run.number for run in record.runs[start:])


def _start_of_like(sizes: Sequence[int]) -> int | None:
    """Return where the newest FAN_IN or more runs of at most one size class begin."""
    limit = RUN_DOCUMENTS
    while True:
        start = len(sizes)
        while start and sizes[start - 1] <= limit:
            start -= 1
        if len(sizes) - start >= FAN_IN:
            return start
        if not start:
            return None
        limit *= FAN_IN
