"""From shown units to sources in the caller's own shape, counted to the token."""

from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np

from tierfold.context import (
    DocumentSource,
    Markers,
    MessagesSource,
    Source,
    TextSource,
)
from tierfold.processing.chat_rows import ChatRows
from tierfold.processing.counting import PiecewiseCounter
from tierfold.processing.layout import Layout
from tierfold.processing.marking import marking_of
from tierfold.processing.places import Places
from tierfold.processing.rendering import render_blocks
from tierfold.text import TOKENS_REPLY, BoolArray, Intake, TokenCounter


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One choice over an intake: what the answer shows."""

    units: BoolArray  # (n,) framing included
    frames: BoolArray  # (f,)


class Assembler:
    """Puts choices over one intake together; counts of unchanged texts are kept between calls."""

    def __init__(
        self,
        sources: tuple[Source, ...],
        intake: Intake,
        counter: TokenCounter,
        *,
        markers: Markers,
        places: Places | None = None,
        layout: Layout | None = None,
    ) -> None:
        self.layout = layout or Layout(intake)
        self.marking = marking_of(markers, intake, places, counter)
        self._sources = sources
        self._intake = intake
        self._counting = PiecewiseCounter(counter)
        self._last: tuple[Shown, dict[int, str]] | None = None
        self._rows = ChatRows(sources, intake, self.layout, counter=counter, marking=self.marking)

    def count(self, shown: Shown) -> int:
        """Return the exact tokens of the answer that shows these units."""
        return self._tokens(self._texts(shown), shown)

    def assemble(self, shown: Shown) -> tuple[tuple[Source, ...], int]:
        """Return the answer's sources and their exact tokens."""
        texts = self._texts(shown)
        sources = tuple(
            self._source(index, source, texts, shown) for index, source in enumerate(self._sources)
        )
        return sources, self._tokens(texts, shown)

    def _texts(self, shown: Shown) -> dict[int, str]:
        """Return the text of every block in the answer; an emptied text of a kept row is marked."""
        if self._last is not None and self._last[0] is shown:
            return self._last[1]
        texts = render_blocks(self._intake, self.layout.lanes, shown.units, self.marking)
        if self._intake.rows:
            for block in self._rows.kept_blocks(shown.frames):
                if block not in texts:
                    texts[block] = self._emptied(block)
        self._last = (shown, texts)
        return texts

    def _emptied(self, block: int) -> str:
        """Return what a block of a kept row says when all of it is left out."""
        first, past = np.searchsorted(self._intake.units.block, (block, block + 1)).tolist()
        return self.marking.of_units(first, past - 1)

    def _tokens(self, texts: dict[int, str], shown: Shown) -> int:
        lanes: dict[int, list[str]] = defaultdict(list)
        for block in sorted(texts):
            lanes[int(self.layout.lanes.of_block[block])].append(texts[block])
        tokens = sum(self._counting.count("".join(pieces)) for pieces in lanes.values())
        return tokens + self._rows.tokens(shown.frames) + (TOKENS_REPLY if self._intake.rows else 0)

    def _source(self, index: int, source: Source, texts: dict[int, str], shown: Shown) -> Source:
        match source:
            case TextSource():
                return replace(source, text=self._joined(index, texts))
            case DocumentSource():
                return self._document(index, source, texts)
            case MessagesSource():
                messages = self._rows.messages(index, shown.frames, texts.get)
                return replace(source, messages=messages)

    def _joined(self, index: int, texts: dict[int, str]) -> str:
        return "".join(texts.get(block, "") for block in self.layout.blocks_of_source[index])

    def _document(
        self, index: int, source: DocumentSource, texts: dict[int, str]
    ) -> DocumentSource:
        document = source.document
        if document.parts is None:
            return replace(source, document=replace(document, text=self._joined(index, texts)))
        parts = tuple(
            replace(document.parts[self._intake.blocks[block].origin.part or 0], text=texts[block])
            for block in self.layout.blocks_of_source[index]
            if block in texts
        )
        return replace(source, document=replace(document, parts=parts))
