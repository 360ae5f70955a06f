"""From text to units: tokens, kinds, borders, frames."""

from tierfold.text.blocks import Block, Intake, Origin, Row
from tierfold.text.intake import read, read_more
from tierfold.text.kinds import guess_kind
from tierfold.text.pieces import Pieces
from tierfold.text.table import (
    NO_FRAME,
    BoolArray,
    FloatArray,
    Frames,
    IntArray,
    Joint,
    Kind,
    Role,
    SmallArray,
    UnitTable,
)
from tierfold.text.tokens import (
    TOKENS_REPLY,
    TokenCounter,
    message_overhead,
    token_counter,
)
from tierfold.text.units import cut

MARKER = "[\u2026]"  # stands in a gap between kept texts; one token in both encodings

__all__ = [
    "MARKER",
    "NO_FRAME",
    "TOKENS_REPLY",
    "Block",
    "BoolArray",
    "FloatArray",
    "Frames",
    "IntArray",
    "Intake",
    "Joint",
    "Kind",
    "Origin",
    "Pieces",
    "Role",
    "Row",
    "SmallArray",
    "TokenCounter",
    "UnitTable",
    "cut",
    "guess_kind",
    "message_overhead",
    "read",
    "read_more",
    "token_counter",
]
