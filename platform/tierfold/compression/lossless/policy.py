"""Which codec for which content in which tier: a table, and the figures it was chosen by.

Figures are of `python -m benchmarks.codecs` with recorded agent conversations: ratios, and MB of
raw bytes per second of one core.

- 64 KiB blocks at level 3 pack at 450 MB/s or more, at 1 a quarter faster and 3 to 5 % larger: rows
  and what a request waits for take 3, under pressure 1.
- At 9 they pack at 70 to 200 MB/s and 6 to 14 % smaller than at 3: blocks, which are sealed behind
  the request's back. 12 gains 1 % more for a third of the speed, 19 another 3 % at 5 MB/s: never.
- Negative levels leave out entropy coding and lose to 1 at 1's own speed: never.
- Blocks unpack at 2,000 MB/s and more at any level: nothing is won by faster codecs.
- Rows of chat shrink 1.4 times alone and 2.2 with a dictionary, tool calls 2.1 and 3.3; packing
  them is twice as fast with one. Blocks of 64 KiB still gain 5 to 9 % by it.
- Blocks of 4 KiB with a dictionary shrink 3.6 (chat) and 5.4 times (tools), of 16 KiB 4.3 and 7.4,
  of 64 KiB 5.0 and 9.8; larger ones would cost every read the unpacking of all of it.
- One level for L3 and L4: a block keeps its bytes, and with them its name, on the way down.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tierfold.compression.lossless.kinds import ContentKind

BLOCK_BYTES: Final = 64 * 1024  # of bodies in one block; one larger body has a block of its own
_RAW_BYTES: Final = 32  # nothing so short gains more than its header
_ALONE_BYTES: Final = 100  # what is shorter grows without a dictionary


class Tier(StrEnum):
    """Where packed bytes lie. L0 and L1 hold none: they are for reading in place."""

    L2 = "L2"  # the shard's memory, and rows of bodies that are in no block yet
    L3 = "L3"  # sealed blocks on the shard's disk
    L4 = "L4"  # objects


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """How some bytes are packed."""

    level: int  # of zstd; 0 stores them as they are
    has_dictionary: bool = False
    gain_min: float = 1.0  # raw size over packed size; below it they are stored as they are


_RAW: Final = Choice(level=0)
_TEXT: Final = {
    Tier.L2: Choice(level=3, has_dictionary=True),
    Tier.L3: Choice(level=9, has_dictionary=True),
    Tier.L4: Choice(level=9, has_dictionary=True),
}
_PRESSED: Final = Choice(level=1, has_dictionary=True)
# Base64 gives back the quarter its alphabet wastes; hashes give nothing but where they repeat.
_DENSE: Final = dict.fromkeys(Tier, Choice(level=1, gain_min=1.05))
TABLE: Final[dict[ContentKind, dict[Tier, Choice]]] = {
    ContentKind.CHAT: _TEXT,
    ContentKind.TOOL_JSON: _TEXT,
    ContentKind.PROSE: _TEXT,
    ContentKind.CODE: _TEXT,
    ContentKind.LOG: _TEXT,
    ContentKind.NAMES: {**_DENSE, Tier.L2: _RAW},
    ContentKind.OPAQUE: _DENSE,
}


def choose(
    kind: ContentKind, tier: Tier, size_bytes: int, *, is_cpu_pressed: bool = False
) -> Choice:
    """Return how so many bytes of some kind are packed for a tier."""
    choice = TABLE[kind][tier]
    if not choice.level or size_bytes < _RAW_BYTES:
        return _RAW
    if not choice.has_dictionary:
        return choice if size_bytes >= _ALONE_BYTES else _RAW
    return _PRESSED if is_cpu_pressed else choice
