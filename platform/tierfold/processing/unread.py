"""The newest part of sources that there is no time to read whole.

What is older is left out unread: listed with estimated tokens, marked in the answer, and counted
as lost in its quality. Of a stored context the newest items may be all that was read of the store;
what there is no time for among those is left out in the same way.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from tierfold.context import (
    Answer,
    Budget,
    Document,
    DocumentSource,
    LeftOut,
    Markers,
    Message,
    MessagesSource,
    QualityReport,
    Source,
    StopReason,
    TextSource,
)
from tierfold.processing.acquiring import acquired
from tierfold.processing.chat_rows import gap_row
from tierfold.processing.places import Places
from tierfold.text import MARKER

_BORDER_SEARCH = 400  # characters: a cut moves forward to a line break or a blank within them
_VERBATIM_ROLES = frozenset({"system", "developer"})
_AROUND_MARKER_TOKENS_MAX = 8  # in front of a text, or of the row that stands for older rows

Place = Callable[[LeftOut], LeftOut]


def _as_it_is(places: Places) -> Places:
    return places


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """What is read of one source."""

    source: Source
    unread: tuple[LeftOut, ...]  # in the caller's own places, tokens not yet known
    place: Place  # from a place in what is read to the caller's own
    shorten: Callable[[Places], Places] = _as_it_is  # to those of what is read
    places: Places | None = None  # of a stored context, for handles
    gaps: tuple[str, ...] = ()  # handles of what is unread, for a marker; at most two

    @classmethod
    def whole(cls, source: Source) -> "Excerpt":
        """Return a source that is read whole."""
        return cls(source=source, unread=(), place=lambda run: run)

    def within(self, outer: "Excerpt") -> "Excerpt":
        """Return this part of `outer`, which is itself a part, as a part of the whole."""
        unread, gaps, places = self.unread, outer.gaps, outer.places
        if places is not None and unread:
            gaps = (*gaps, _gap(places, unread))
            unread = tuple(replace(run, handle=places.of_unread(run)) for run in unread)
        return Excerpt(
            source=self.source,
            unread=(*outer.unread, *map(outer.place, unread)),
            place=lambda run: outer.place(self.place(run)),
            places=None if places is None else self.shorten(places),
            gaps=gaps,
        )

    def marker(self, markers: Markers) -> str:
        """Return what stands for the unread; nothing where there is none, or none is wanted."""
        if markers == "none" or not self.unread:
            return ""
        if markers == "short" or not self.gaps:
            return MARKER
        return " ".join(f"[\u2026 {handle}]" for handle in self.gaps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """What is read of all sources."""

    parts: tuple[Excerpt, ...]
    share: float  # of the characters
    is_for_memory: bool = False  # there was no memory for all of it; else there was no time

    @property
    def sources(self) -> tuple[Source, ...]:
        """The shortened sources, in order."""
        return tuple(part.source for part in self.parts)

    @property
    def places(self) -> Places | None:
        """Those of the one source, where it is a stored context."""
        return self.parts[0].places if len(self.parts) == 1 else None

    def within(self, outer: "Newest") -> "Newest":
        """Return these parts of parts as parts of the whole."""
        pairs = zip(self.parts, outer.parts, strict=True)
        return Newest(
            parts=tuple(part.within(before) for part, before in pairs),
            share=self.share * outer.share,
            is_for_memory=self.is_for_memory or outer.is_for_memory,
        )

    def tokens_unread(self, tokens: int) -> tuple[int, ...]:
        """Return how many of so many unread tokens each source has, by its unread characters."""
        unread = [sum(run.end - run.start for run in part.unread) for part in self.parts]
        return tuple(round(tokens * each / (sum(unread) or 1)) for each in unread)

    def marker_tokens_max(self, markers: Markers, count: Callable[[str], int]) -> int:
        """Return the most that marking what is unread can cost."""
        marked = [marker for part in self.parts if (marker := part.marker(markers))]
        return sum(count(marker) + _AROUND_MARKER_TOKENS_MAX for marker in marked)

    def completed(
        self,
        answer: Answer,
        *,
        count: Callable[[tuple[Source, ...]], int],
        markers: Markers,
        reason: StopReason = StopReason.DEADLINE,
    ) -> Answer:
        """Return the answer to the newest part as an answer to the whole; why it is a part."""
        pairs = zip(answer.sources, self.parts, strict=True)
        sources = tuple(_marked(source, part.marker(markers)) for source, part in pairs)
        read = answer.usage.original_prompt_tokens
        tokens_unread = round(read / max(self.share, 1e-9)) - read
        return replace(
            answer,
            sources=sources,
            stop_reason=reason,
            quality=_scaled(answer.quality, self.share),
            usage=replace(
                answer.usage,
                prompt_tokens=count(sources),
                original_prompt_tokens=read + tokens_unread,
                original_is_estimate=True,
            ),
            left_out=self._left_out(answer, tokens_unread),
        )

    def _left_out(self, answer: Answer, tokens_unread: int) -> tuple[LeftOut, ...]:
        unread = [run for part in self.parts for run in part.unread]
        characters = sum(run.end - run.start for run in unread) or 1
        estimated = [
            replace(run, tokens=round(tokens_unread * (run.end - run.start) / characters))
            for run in unread
        ]
        placed = [self.parts[run.source].place(run) for run in answer.left_out]
        return tuple(sorted([*estimated, *placed], key=_in_order))


def newest(sources: tuple[Source, ...], characters_max: int, *, ask: str = "") -> Newest:
    """Return the newest part of each source, so many characters in all.

    They are split by priority and by what each is expected to say of the question; what one source
    does not use goes to those before it. Verbatim rows are always read.
    """
    sizes = [_characters(source) for source in sources]
    if len(sources) == 1:  # it has all the room, besides its verbatim rows
        verbatim, rooms = [0], [characters_max]
    else:
        verbatim = [_verbatim_characters(source) for source in sources]
        rooms = list(acquired(characters_max, sources, sizes, verbatim, ask=ask))
    parts: list[Excerpt] = []
    unused = 0
    for index in range(len(sources) - 1, -1, -1):
        room = rooms[index] + unused
        parts.append(_newest_of(index, sources[index], room - verbatim[index]))
        unused = max(0, room - _characters(parts[-1].source))
    parts.reverse()
    read = characters_of(tuple(part.source for part in parts))
    return Newest(parts=tuple(parts), share=read / max(sum(sizes), 1))


def may_read_less(budget: Budget, *, stages: Sequence[str], bypass: bool) -> bool:
    """Return whether a request would rather have the newest part read than get no answer in time.

    Nor where there is no memory for all of it.
    """
    return budget.asks_to_shrink and not stages and not bypass


def has_keep_mark(sources: tuple[Source, ...]) -> bool:
    """Return whether some text asks to be kept whatever the budget: then all must be read."""
    return any("</keep>" in text for source in sources for text in _texts(source))


def characters_of(sources: tuple[Source, ...]) -> int:
    """Return the characters of all texts of the sources."""
    return sum(map(_characters, sources))


def _characters(source: Source) -> int:
    return sum(map(len, _texts(source)))


def _texts(source: Source) -> Iterator[str]:
    match source:
        case TextSource(text=text):
            yield text
        case DocumentSource(document=document) if document.parts is None:
            yield document.text
        case DocumentSource(document=document):
            yield from (part.text for part in document.parts or ())
        case MessagesSource(messages=messages):
            yield from (text for message in messages for text in message.texts())


def _gap(places: Places, unread: tuple[LeftOut, ...]) -> str:
    """Return one handle from the first to the last of some runs that are unread."""
    first, last = unread[0], unread[-1]
    if first.message is None and first.part is None:
        return places.of_unread(replace(first, end=last.end))
    begin, end = ((run.message or 0) + (run.part or 0) for run in (first, last))
    return places.of_items(begin, end + last.count - begin)


def _row_characters(message: Message) -> int:
    return sum(map(len, message.texts()))


def _newest_of(index: int, source: Source, room: int) -> Excerpt:
    match source:
        case TextSource(text=text):
            cut = _cut(text, room)
            return _text_part(index, replace(source, text=text[cut:]), cut)
        case DocumentSource(document=document) if document.parts is not None:
            return _parts_part(index, source, document, room)
        case DocumentSource(document=document):
            cut = _cut(document.text, room)
            shorter = replace(document, text=document.text[cut:])
            return _text_part(index, replace(source, document=shorter), cut)
        case MessagesSource():
            return _rows_part(index, source, room)


def _cut(text: str, room: int) -> int:
    """Return where reading begins: behind a line break, else a blank, near the last `room`."""
    cut = len(text) - room
    if cut <= 0:
        return 0
    for border in ("\n", " "):
        found = text.find(border, cut, cut + _BORDER_SEARCH)
        if found >= 0:
            return found + 1
    return cut


def _text_part(index: int, source: Source, cut: int) -> Excerpt:
    unread = (LeftOut(source=index, message=None, part=None, start=0, end=cut, tokens=0),)
    return Excerpt(
        source=source,
        unread=unread if cut else (),
        place=lambda run: replace(run, start=run.start + cut, end=run.end + cut),
        shorten=lambda places: places.behind(cut),
    )


def _parts_part(index: int, source: DocumentSource, document: Document, room: int) -> Excerpt:
    parts = document.parts or ()
    first = len(parts)
    while first and len(parts[first - 1].text) <= room:
        first -= 1
        room -= len(parts[first].text)
    unread = tuple(
        LeftOut(source=index, message=None, part=i, start=0, end=len(parts[i].text), tokens=0)
        for i in range(first)
    )
    return Excerpt(
        source=replace(source, document=replace(document, parts=parts[first:])),
        unread=unread,
        place=lambda run: replace(run, part=(run.part or 0) + first),
        shorten=lambda places: places.only(range(first, len(parts))),
    )


def _rows_part(index: int, source: MessagesSource, room: int) -> Excerpt:
    rows = source.messages
    kept = rows_read(rows, room)
    is_kept = set(kept)
    unread = tuple(
        LeftOut(source=index, message=row, part=None, start=0, end=size, tokens=0)
        for row, message in enumerate(rows)
        if row not in is_kept and (size := _row_characters(message))
    )
    return Excerpt(
        source=replace(source, messages=tuple(rows[row] for row in kept)),
        unread=unread,
        place=lambda run: replace(run, message=kept[run.message or 0]),
        shorten=lambda places: places.only(kept),
    )


def rows_read(rows: tuple[Message, ...], room: int) -> list[int]:
    """Return the rows read: system rows, the last user row, and the newest without a torn call."""
    first = len(rows)
    while first and _row_characters(rows[first - 1]) <= room:
        first -= 1
        room -= _row_characters(rows[first])
    while first < len(rows) and rows[first].role in {"tool", "function"}:
        first += 1  # their call is not read
    return sorted(_verbatim_rows(rows) | set(range(first, len(rows))))


def _verbatim_rows(rows: tuple[Message, ...]) -> set[int]:
    users = (row for row in range(len(rows) - 1, -1, -1) if rows[row].role == "user")
    verbatim = {row for row, message in enumerate(rows) if message.role in _VERBATIM_ROLES}
    return verbatim | ({next(users, len(rows) - 1)} if rows else set())


def _verbatim_characters(source: Source) -> int:
    if not isinstance(source, MessagesSource):
        return 0
    rows = source.messages
    return sum(_row_characters(rows[row]) for row in _verbatim_rows(rows))


def _marked(source: Source, marker: str) -> Source:
    if not marker:
        return source
    match source:
        case TextSource(text=text):
            return replace(source, text=_marked_text(text, marker))
        case DocumentSource(document=document) if document.parts is None:
            text = _marked_text(document.text, marker)
            return replace(source, document=replace(document, text=text))
        case DocumentSource():
            return source  # a missing part is seen by its absence
        case MessagesSource(messages=messages):
            return replace(source, messages=_marked_rows(messages, marker))


def _marked_text(text: str, marker: str) -> str:
    if not text or text.startswith(marker):
        return text
    return marker + ("" if text[0].isspace() else " ") + text


def _marked_rows(messages: tuple[Message, ...], marker: str) -> tuple[Message, ...]:
    at = next((i for i, m in enumerate(messages) if m.role not in _VERBATIM_ROLES), len(messages))
    row = gap_row(marker)
    if messages[at : at + 1] == (row,):
        return messages
    return (*messages[:at], row, *messages[at:])


def _scaled(quality: QualityReport, share: float) -> QualityReport:
    """Evidence may as well stand in what was not read."""
    expected = quality.expected * share
    is_met = quality.floor is None or expected >= quality.floor
    p_floor = 1.0 if quality.floor is None else quality.p_floor * share
    return replace(quality, expected=expected, p_floor=p_floor, floor_met=is_met)


def _in_order(run: LeftOut) -> tuple[int, int, int, int]:
    return (run.source, run.message or 0, run.part or 0, run.start)
