"""The units of one request as arrays: what every later step reads."""

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int32]
SmallArray = NDArray[np.int8]
FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

NO_FRAME = -1


class Kind(IntEnum):
    """What a block's text is made of; decides how it is cut and how a gap in it looks."""

    PROSE = 0  # sentences
    DIALOGUE = 1  # one turn a line, "speaker: words"
    CODE = 2  # blocks of lines
    LOG = 3  # one record a line
    TABLE = 4  # header and rows, Markdown or separated values
    JSON = 5  # one JSON value


class Role(IntEnum):
    """Who wrote a block; NONE where the caller gave no chat role."""

    NONE = 0
    SYSTEM = 1
    DEVELOPER = 2
    USER = 3
    ASSISTANT = 4
    TOOL = 5


class Joint(IntEnum):
    """How a unit meets its neighbours, that is what a gap beside it looks like."""

    TEXT = 0  # the marker stands between two runs of text
    ITEM = 1  # an element of a JSON array; carries its leading comma
    MEMBER = 2  # a member of a JSON object; carries its leading comma


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """What must be there whenever one of its units is kept; f frames, parents before children.

    A tool call with an answer row for each call, a code fence's two lines, a table's header, the
    brackets and keys around a JSON value, the wrapping of a chat message.
    """

    parent: IntArray  # (f,) frame this one stands in, or NO_FRAME
    tokens: IntArray  # (f,) tokens of its own text and wrapping, paid once
    pinned: BoolArray  # (f,) must be kept although no unit of it is

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.parent)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitTable:
    """n units in source order; joined without anything between them they are the input again.

    A unit with `framing` is a piece of its frame's own text: it is kept exactly when the frame
    is, is never chosen by itself, and its tokens are counted in the frame.
    """

    text: str  # every block's text, one after another
    start: IntArray  # (n,) first character in `text`
    end: IntArray  # (n,) one past the last character
    tokens: IntArray  # (n,) exact count of the unit alone
    block: IntArray  # (n,) index of the block
    group: IntArray  # (n,) document, sitting, message or file
    role: SmallArray  # (n,) Role
    kind: SmallArray  # (n,) Kind
    joint: SmallArray  # (n,) Joint
    pinned: BoolArray  # (n,) stays, whatever the budget
    framing: BoolArray  # (n,) part of the frame's own text
    frame: IntArray  # (n,) innermost frame, or NO_FRAME
    frames: Frames
    titles: tuple[str, ...] = field(default=())  # title of each group, "" where there is none

    def __len__(self) -> int:
        """Return the number of units."""
        return len(self.start)

    def unit(self, index: int) -> str:
        """Return the text of one unit."""
        return self.text[self.start[index] : self.end[index]]
