"""What a change reads: before its round from every tier, in the round from what is at hand."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from tierfold.context.segment import Name
from tierfold.engine.shard.bodies import BodyReader, pieces_of
from tierfold.engine.shard.keys import Place


@dataclass(frozen=True, slots=True)
class Fetched:
    """What one change has read so far; a name is its body's hash, so it stays true."""

    bodies: dict[Name, bytes] = field(default_factory=dict, repr=False)  # of pages and the like
    pieces: dict[Name, tuple[Name, ...]] = field(default_factory=dict)  # of items; () of whole ones


class ChangeReader:
    """Reads for one change, and nothing twice."""

    def __init__(self, reader: BodyReader, fetched: Fetched) -> None:
        self._reader = reader
        self._fetched = fetched

    def body(self, name: Name) -> bytes:
        """Return one body; raises CorruptError where it is missing or damaged."""
        return self.bodies([name])[name]

    def bodies(self, names: Iterable[Name]) -> dict[Name, bytes]:
        """Return bodies of pages and the like; raises CorruptError."""
        wanted, known = dict.fromkeys(names), self._fetched.bodies
        missing = [name for name in wanted if name not in known]
        if missing:
            known.update(self._reader.bodies(missing))
        return {name: known[name] for name in wanted}

    def pieces(self, items: Collection[Name]) -> dict[Name, tuple[Name, ...]]:
        """Return the pieces of those items that are split; raises CorruptError."""
        missing = [name for name in items if name not in self._fetched.pieces]
        if missing:
            self._note(self._reader.bodies(missing))
        return self.known_pieces(items)

    def look_at(self, places: Mapping[Name, Place]) -> list[Name]:
        """Find out which of the items in these places are split; returns those that are gone."""
        missing = {n: place for n, place in places.items() if n not in self._fetched.pieces}
        if not missing:
            return []
        self._note(self._reader.at(missing))
        return [name for name in missing if name not in self._fetched.pieces]

    def known_pieces(self, items: Iterable[Name]) -> dict[Name, tuple[Name, ...]]:
        """Return the pieces of those items that are known to be split."""
        known = self._fetched.pieces
        return {name: pieces for name in items if (pieces := known.get(name))}

    def _note(self, bodies: Mapping[Name, bytes]) -> None:
        self._fetched.pieces.update(dict.fromkeys(bodies, ()))
        self._fetched.pieces.update(pieces_of(bodies))
