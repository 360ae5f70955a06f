"""The cut of one text: where its units end, and how they hang together."""

from dataclasses import dataclass, field

from tierfold.text.table import NO_FRAME, Joint, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What tells the units of one text apart; lists of one length, except `parents`."""

    kind: list[int] = field(default_factory=list)
    joint: list[int] = field(default_factory=list)
    framing: list[bool] = field(default_factory=list)
    frame: list[int] = field(default_factory=list)  # index into `parents`, or NO_FRAME
    parents: list[int] = field(default_factory=list)  # parents before children


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """The units of one text: the first starts at 0, each next one where the last ended."""

    kind: Kind
    ends: list[int]
    shape: Shape | None = None  # None: all of one kind, joined as text, outside of frames
    kept: tuple[tuple[int, int], ...] = ()  # spans between keep marks


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutting:
    """A cut with frames in the making."""

    ends: list[int] = field(default_factory=list)
    shape: Shape = field(default_factory=Shape)

    def open_frame(self, parent: int = NO_FRAME) -> int:
        """Begin a frame and return its index."""
        self.shape.parents.append(parent)
        return len(self.shape.parents) - 1

    def add(
        self, end: int, *, kind: Kind, frame: int, framing: bool = False, joint: Joint = Joint.TEXT
    ) -> None:
        """Append one unit."""
        shape = self.shape
        self.ends.append(end)
        shape.kind.append(kind)
        shape.joint.append(joint)
        shape.framing.append(framing)
        shape.frame.append(frame)

    def add_all(self, ends: list[int], *, kind: Kind, frame: int) -> None:
        """Append units that are joined as text."""
        shape = self.shape
        self.ends.extend(ends)
        shape.kind.extend([kind] * len(ends))
        shape.joint.extend([Joint.TEXT] * len(ends))
        shape.framing.extend([False] * len(ends))
        shape.frame.extend([frame] * len(ends))


def with_borders(pieces: Pieces, borders: list[int]) -> Pieces:
    """Return the same cut with further borders; both parts of a unit stay what it was."""
    missing = set(borders).difference(pieces.ends)
    ends = sorted(missing.union(pieces.ends))
    if pieces.shape is None or not missing:
        return Pieces(kind=pieces.kind, ends=ends, shape=pieces.shape, kept=pieces.kept)
    origin = []
    index = 0
    for end in ends:
        origin.append(index)
        index += end not in missing
    old = pieces.shape
    shape = Shape(
        kind=[old.kind[i] for i in origin],
        joint=[old.joint[i] for i in origin],
        framing=[old.framing[i] for i in origin],
        frame=[old.frame[i] for i in origin],
        parents=old.parents,
    )
    return Pieces(kind=pieces.kind, ends=ends, shape=shape, kept=pieces.kept)


def shortest(start: int, ends: list[int]) -> int:
    """Return the length of the shortest unit; there must be one."""
    return min(map(int.__sub__, ends, [start, *ends[:-1]]))


def longest(start: int, ends: list[int]) -> int:
    """Return the length of the longest unit; there must be one."""
    return max(map(int.__sub__, ends, [start, *ends[:-1]]))
