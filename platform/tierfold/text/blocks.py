"""Blocks: the pieces of the caller's input, each with the place it came from."""

from dataclasses import dataclass, field

from tierfold.text.chat import Chat
from tierfold.text.table import NO_FRAME, BoolArray, FloatArray, IntArray, Role, UnitTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a block stands in the caller's own input."""

    source: int
    message: int | None = None  # row of a chat
    part: int | None = None  # index in the row's content list or the document's parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One text of the caller: a whole source, a message's content, a part."""

    text: str  # never empty: an empty text has no units and no block
    origin: Origin
    role: Role = Role.NONE
    group: int = 0
    pinned: bool = False  # verbatim, whatever the budget
    whole: bool = False  # the caller chose its borders: it is one unit
    frame: int = NO_FRAME  # the row's frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One message of a chat source."""

    source: int
    message: int
    frame: int  # the row is in the answer exactly when this frame is


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """The whole input cut into units, with the way back to the caller's own places."""

    blocks: tuple[Block, ...]  # (b,)
    block_start: IntArray  # (b,) first character of the block in `units.text`
    units: UnitTable
    weight: FloatArray  # (n,) priority of the source a unit belongs to
    rows: tuple[Row, ...]
    row_is_pinned: BoolArray  # (rows,) verbatim
    row_overhead: IntArray  # (rows,) tokens of a row besides its texts
    tokens: int  # exact count of the whole input, by the rules the answer is counted by
    chat: Chat | None = field(default=None, repr=False)  # of a chat alone, so that it can grow
