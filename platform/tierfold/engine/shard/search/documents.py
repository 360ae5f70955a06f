"""The documents of one run: numbers, lengths, names, and where their items stood."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tierfold.context.segment import NAME_BYTES, Name, names_in
from tierfold.engine.shard.search.arrays import LongArray, garbled, packed, unpacked

LENGTHS_CHUNK = 4096  # documents in one value of lengths: a query reads all of a run
NAMES_CHUNK = 256  # documents in one value of names: a query reads one for each hit


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """Documents of one run in the order of their numbers; all of one length."""

    numbers: LongArray
    lengths: LongArray  # in words
    positions: LongArray  # index of the item where it was written
    names: tuple[Name, ...]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.numbers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """Numbers and lengths of documents: what scoring needs of them."""

    numbers: LongArray
    lengths: LongArray

    @property
    def size_bytes(self) -> int:
        """What it takes in memory."""
        return self.numbers.nbytes + self.lengths.nbytes

    def of(self, numbers: LongArray) -> LongArray:
        """Return the lengths of some documents, all of which must be here."""
        place = np.searchsorted(self.numbers, numbers)
        if len(place) and int(place.max()) >= len(self.numbers):
            raise garbled()
        found: LongArray = self.lengths[place]
        return found


def lengths_values(documents: Documents) -> Iterator[bytes]:
    """Yield the values that hold numbers and lengths."""
    for at in range(0, len(documents), LENGTHS_CHUNK):
        part = slice(at, at + LENGTHS_CHUNK)
        yield packed((documents.numbers[part], documents.lengths[part]))


def names_values(documents: Documents) -> Iterator[bytes]:
    """Yield the values that hold names and positions."""
    for at in range(0, len(documents), NAMES_CHUNK):
        part = slice(at, at + NAMES_CHUNK)
        names = b"".join(documents.names[part])
        yield packed((documents.positions[part], np.frombuffer(names, np.uint8)))


def read_lengths(values: Sequence[bytes]) -> Lengths:
    """Return what all values of a run hold; raises CorruptError."""
    read = [unpacked(value, 2) for value in values]
    if any(numbers.shape != lengths.shape for numbers, lengths in read):
        raise garbled()
    return Lengths(
        numbers=np.concatenate([np.zeros(0, np.int64), *(numbers for numbers, _ in read)]),
        lengths=np.concatenate([np.zeros(0, np.int64), *(lengths for _, lengths in read)]),
    )


def read_names(value: bytes) -> tuple[tuple[Name, ...], LongArray]:
    """Return names and positions; raises CorruptError."""
    raw, positions = _names_and_positions(value)
    return names_in(raw), positions


def read_name(value: bytes, at: int) -> tuple[Name, int]:
    """Return one name and its position; raises CorruptError."""
    raw, positions = _names_and_positions(value)
    if at >= len(positions):
        raise garbled()
    return Name(raw[at * NAME_BYTES : (at + 1) * NAME_BYTES]), int(positions[at])


def _names_and_positions(value: bytes) -> tuple[bytes, LongArray]:
    positions, raw = unpacked(value, 2)
    if len(raw) != len(positions) * NAME_BYTES:
        raise garbled()
    return raw.tobytes(), positions
