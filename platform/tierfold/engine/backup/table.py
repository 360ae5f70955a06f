"""The packs of a backup, by number, and which items were put into them lately."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tierfold.compression.lossless.varint import read_varints, varints
from tierfold.context.segment import Name
from tierfold.engine.backup.envelope import HASH_BYTES, DamagedBackupError
from tierfold.engine.backup.records import ContextRecord, Place

_WHAT = "a list of packs in a backup"


@dataclass(frozen=True, slots=True)
class PackEntry:
    """A pack as a backup's list of packs has it."""

    hashed: bytes
    size_bytes: int

    def encode(self) -> bytes:
        """Return the entry."""
        return self.hashed + varints([self.size_bytes])


def decoded_entry(entry: bytes) -> PackEntry | None:
    """Return the pack of an entry; None for a number that nobody uses any more."""
    if not entry:
        return None
    (size_bytes,), at = read_varints(entry, HASH_BYTES, 1, what=_WHAT)
    if at != len(entry):
        raise DamagedBackupError(what=_WHAT, problem="an entry is garbled")
    return PackEntry(entry[:HASH_BYTES], size_bytes)


class PackTable:
    """Packs by number, those of the backup before first: their numbers stay what they were.

    So the pages of the list of contexts stay what they were too.
    """

    def __init__(self, before: Iterable[PackEntry | None] = ()) -> None:
        self._packs: list[PackEntry | None] = list(before)
        self._is_used = bytearray(len(self._packs))

    def reserve(self) -> int:
        """Return the number of a pack that is still filled."""
        self._packs.append(None)
        self._is_used.append(1)
        return len(self._packs) - 1

    def settle(self, number: int, pack: PackEntry) -> None:
        """Note what became of a reserved number."""
        self._packs[number] = pack

    def has(self, record: ContextRecord) -> bool:
        """Whether all packs of a record of the backup before are there."""
        return all(
            run.pack < len(self._packs) and self._packs[run.pack] is not None for run in record.runs
        )

    def use(self, record: ContextRecord) -> None:
        """Note that the packs of a record are needed."""
        for run in record.runs:
            self._is_used[run.pack] = 1

    @property
    def used(self) -> list[PackEntry]:
        """The packs that are needed."""
        return [pack for pack in self._taken() if pack is not None]

    def entries(self) -> list[bytes]:
        """Return the entries of the list of packs, up to the last one that is needed."""
        entries = [b"" if pack is None else pack.encode() for pack in self._taken()]
        while entries and not entries[-1]:
            entries.pop()
        return entries

    def _taken(self) -> Iterable[PackEntry | None]:
        pairs = zip(self._packs, self._is_used, strict=True)
        return (pack if is_used else None for pack, is_used in pairs)


class SeenItems:
    """Where items are that were met lately: an item of several contexts is packed once.

    It remembers as many as half its limit at the least: beyond it, one that comes again may be
    packed again.
    """

    LIMIT: Final = 1 << 18  # some 50 MB

    def __init__(self, limit: int = LIMIT) -> None:
        self._half = max(limit // 2, 1)
        self._new: dict[Name, Place] = {}
        self._old: dict[Name, Place] = {}

    def get(self, name: Name) -> Place | None:
        """Return where an item is, None where that is not remembered."""
        return self._new.get(name) or self._old.get(name)

    def add(self, name: Name, place: Place) -> None:
        """Remember an item."""
        if len(self._new) >= self._half:
            self._old, self._new = self._new, {}
        self._new[name] = place


def packs_of(entries: Sequence[bytes]) -> list[PackEntry | None]:
    """Return the packs of a page's entries."""
    return [decoded_entry(entry) for entry in entries]
