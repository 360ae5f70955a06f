"""From shown units to sources in the caller's own shape, counted to the token."""

from collections.abc import Iterable, Mapping
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
from tierfold.text import TOKENS_REPLY, BoolArray, Intake, IntArray, TokenCounter

Texts = dict[int, str]  # of blocks, by their index


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One choice over an intake: what the answer shows."""

    units: BoolArray  # (n,) framing included
    frames: BoolArray  # (f,)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lane:
    """What an answer shows of one lane."""

    texts: Texts
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rendered:
    """A choice as text."""

    shown: Shown
    lanes: Mapping[int, _Lane]  # those of which something is shown
    emptied: Texts  # of kept rows
    tokens: int

    def texts(self) -> Texts:
        """Return the text of every block in the answer."""
        texts = dict(self.emptied)
        for lane in self.lanes.values():
            texts |= lane.texts
        return texts


class Assembler:
    """Puts choices over one intake together; of the next choice only what changed is rendered."""

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
        self.markers = markers
        self.marking = marking_of(markers, intake, places, counter)
        self._sources = sources
        self._intake = intake
        self._counting = PiecewiseCounter(counter)
        self._last: _Rendered | None = None
        self._rows = ChatRows(sources, intake, self.layout, counter=counter, marking=self.marking)

    def count(self, shown: Shown) -> int:
        """Return the exact tokens of the answer that shows these units."""
        return self._rendered(shown).tokens

    def assemble(self, shown: Shown) -> tuple[tuple[Source, ...], int]:
        """Return the answer's sources and their exact tokens."""
        rendered = self._rendered(shown)
        texts = rendered.texts()
        sources = tuple(
            self._source(index, source, texts, shown) for index, source in enumerate(self._sources)
        )
        return sources, rendered.tokens

    def _rendered(self, shown: Shown) -> _Rendered:
        last = self._last
        if last is not None and last.shown is shown:
            return last
        lanes = self._lanes(shown.units, last)
        emptied = self._emptied(shown)
        tokens = sum(lane.tokens for lane in lanes.values())
        tokens += sum(map(self._counting.count, emptied.values()))
        if self._intake.rows:
            tokens += self._rows.tokens(shown.frames) + TOKENS_REPLY
        self._last = _Rendered(shown=shown, lanes=lanes, emptied=emptied, tokens=tokens)
        return self._last

    def _lanes(self, shown: BoolArray, last: _Rendered | None) -> dict[int, _Lane]:
        """Return every lane of which something is shown; those of the last choice where equal."""
        lane_of = self.layout.lanes.of_unit
        places = shown.nonzero()[0].astype(np.int32)
        if last is None:
            return dict(self._rendered_lanes(shown, places))
        is_changed = np.zeros(len(self.layout.lanes), np.bool_)
        is_changed[lane_of[shown != last.shown.units]] = True
        lanes = dict(last.lanes)
        for lane in is_changed.nonzero()[0].tolist():
            lanes.pop(lane, None)
        lanes.update(self._rendered_lanes(shown, places[is_changed[lane_of[places]]]))
        return lanes

    def _rendered_lanes(self, shown: BoolArray, places: IntArray) -> Iterable[tuple[int, _Lane]]:
        """Return the lanes in which these shown units stand, which must be all that is shown."""
        texts: dict[int, Texts] = {}
        lane_of_block = self.layout.lanes.of_block
        for block, text in render_blocks(
            self._intake, self.layout.lanes, shown, places, self.marking
        ).items():
            texts.setdefault(int(lane_of_block[block]), {})[block] = text
        count = self._counting.count
        return (
            (lane, _Lane(texts=each, tokens=count("".join(each.values()))))
            for lane, each in texts.items()
        )

    def _emptied(self, shown: Shown) -> Texts:
        """Return what blocks of kept rows say of which all is left out."""
        if not self._intake.rows:
            return {}
        is_empty = self._rows.kept_blocks(shown.frames)
        is_empty[self._intake.units.block[shown.units]] = False
        return {block: self._emptied_text(block) for block in is_empty.nonzero()[0].tolist()}

    def _emptied_text(self, block: int) -> str:
        first, past = np.searchsorted(self._intake.units.block, (block, block + 1)).tolist()
        return self.marking.of_units(first, past - 1)

    def _source(self, index: int, source: Source, texts: Texts, shown: Shown) -> Source:
        match source:
            case TextSource():
                return replace(source, text=self._joined(index, texts))
            case DocumentSource():
                return self._document(index, source, texts)
            case MessagesSource():
                messages = self._rows.messages(index, shown.frames, texts.get)
                return replace(source, messages=messages)

    def _joined(self, index: int, texts: Texts) -> str:
        return "".join(texts.get(block, "") for block in self.layout.blocks_of_source[index])

    def _document(self, index: int, source: DocumentSource, texts: Texts) -> DocumentSource:
        document = source.document
        if document.parts is None:
            return replace(source, document=replace(document, text=self._joined(index, texts)))
        parts = tuple(
            replace(document.parts[self._intake.blocks[block].origin.part or 0], text=texts[block])
            for block in self.layout.blocks_of_source[index]
            if block in texts
        )
        return replace(source, document=replace(document, parts=parts))
