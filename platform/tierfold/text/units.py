"""Cutting one text by its kind."""

from collections.abc import Callable
from itertools import chain
from types import MappingProxyType

from tierfold.text.json_units import cut_json
from tierfold.text.keep import kept_spans
from tierfold.text.kinds import guess_kind
from tierfold.text.lengths import LENGTH_MAX, join_short, split_long
from tierfold.text.lines import cut_code, cut_dialogue, cut_log, split_turn_or_block
from tierfold.text.markdown import cut_markdown, has_parts
from tierfold.text.pieces import Cutting, Pieces, with_borders
from tierfold.text.prose import SENTENCE_MIN, cut_prose
from tierfold.text.table import Kind
from tierfold.text.tabular import cut_table

WHOLE_MAX = 64 * 1024  # characters; a part above is cut although its caller chose the borders

_PLAIN: MappingProxyType[Kind, Callable[[str, int, int], list[int]]] = MappingProxyType(
    {
        Kind.PROSE: cut_prose,
        Kind.DIALOGUE: cut_dialogue,
        Kind.CODE: cut_code,
        Kind.LOG: cut_log,
    }
)


def cut(text: str, *, whole: bool = False) -> Pieces:
    """Return the units of one text; a pure function of it."""
    if _is_one_sentence(text):
        return Pieces(kind=Kind.PROSE, ends=[len(text)])
    kind = guess_kind(text)
    spans = kept_spans(text)
    if whole and len(text) <= WHOLE_MAX:
        return Pieces(kind=kind, ends=[len(text)] if text else [], kept=spans)
    pieces = _cut_by_kind(text, kind)
    if not spans:
        return pieces
    pieces = Pieces(kind=kind, ends=pieces.ends, shape=pieces.shape, kept=spans)
    if kind is Kind.JSON:
        return pieces  # a border at a mark would break a string in two
    return with_borders(pieces, [border for border in chain.from_iterable(spans) if border])


def _is_one_sentence(text: str) -> bool:
    """Whether it is plainly too short for two; most rows of a chat of 100,000 are."""
    return (
        0 < len(text) < 2 * SENTENCE_MIN
        and text.isascii()
        and text[0] not in " \t\r[{"
        and "\n" not in text
        and "<" not in text
    )


def _cut_by_kind(text: str, kind: Kind) -> Pieces:
    cutting = Cutting()
    if kind is Kind.JSON:
        cut_json(text, cutting)
    elif kind is Kind.TABLE:
        cut_table(text, 0, len(text), cutting=cutting)
    elif kind is Kind.PROSE and len(text) > LENGTH_MAX // 10 and has_parts(text):
        cut_markdown(text, cutting)
    else:
        ends = join_short(text, 0, _PLAIN[kind](text, 0, len(text)))
        is_prose = kind is Kind.PROSE
        ends = split_long(text, 0, ends) if is_prose else split_turn_or_block(text, 0, ends)
        return Pieces(kind=kind, ends=ends)
    return Pieces(kind=kind, ends=cutting.ends, shape=cutting.shape)
