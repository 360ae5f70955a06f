"""Which kept passage to show: the one densest in the question's rarer words."""

import re
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log, sqrt

from tierfold.cli.screen import Screen
from tierfold.context import Answer, Document, DocumentSource

_GAP = "[…]"
_PARAGRAPHS_MAX = 3
_CHARACTERS_MIN = 200  # less, as a heading, is shown with what follows it
_CHARACTERS_MAX = 700
_SHOWN_CHARACTERS_MAX = 1_200
_CHARACTERS_PRIOR = 200  # so that few words do not win by being few, nor a patchwork over gaps
_STEM_CHARACTERS_MIN = 3
_PARAGRAPH_END = re.compile(r"\n\s*\n")
_UNDERLINE = re.compile(r"^[=*\-~^]{4,}$", re.MULTILINE)
_WORD = re.compile(r"\w+")
_LITTLE = frozenset(
    {"a", "an", "and", "are", "as", "at", "be", "by", "can", "do", "does", "for", "from", "happens"}
    | {"how", "i", "if", "in", "inside", "is", "it", "of", "on", "once", "or", "so", "that", "the"}
    | {"then", "there", "this", "to", "was", "what", "when", "where", "which", "who", "why", "will"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Some paragraphs that stand together in the answer."""

    title: str
    text: str


def best_passage(ask: str, answer: Answer) -> Passage | None:
    """Return the densest passage; None when nothing was kept."""
    every = [
        passage
        for source in answer.sources
        if isinstance(source, DocumentSource)
        for passage in _passages(source.document)
    ]
    passages = [passage for passage in every if _says_something(passage.text)] or every
    wanted = words_of(ask)
    found = [_counted(f"{passage.title} {passage.text}", wanted) for passage in passages]
    seen = Counter(word for words in found for word in words)

    def density(index: int) -> float:
        weight = sum(
            sqrt(count) * log(1 + len(passages) / seen[word])
            for word, count in found[index].items()
        )
        text = passages[index].text
        return weight / sqrt(_CHARACTERS_PRIOR * (1 + text.count(_GAP)) + len(text))

    return passages[max(range(len(passages)), key=density)] if passages else None


def _counted(text: str, wanted: set[str]) -> Counter[str]:
    stems = (stem(word.lower()) for word in _WORD.findall(text))
    return Counter(word for word in stems if word in wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Paragraph:
    """One kept paragraph, and whether something before it was left out."""

    text: str
    after_gap: bool


def _passages(document: Document) -> Iterator[Passage]:
    """Yield passages from every paragraph on, and the shortest end that says something."""
    paragraphs = list(_paragraphs(document.text))
    ends = (_joined(paragraphs[first:]) for first in reversed(range(len(paragraphs))))
    texts = [text for first in range(len(paragraphs)) for text in _grown(paragraphs[first:])]
    texts += [text for text in ends if _says_something(text)][:1]
    return (Passage(title=document.title, text=text) for text in texts)


def _paragraphs(text: str) -> Iterator[_Paragraph]:
    for index, run in enumerate(text.split(_GAP)):
        pieces = [each for each in _PARAGRAPH_END.split(run.strip("\n")) if each.strip()]
        for place, piece in enumerate(pieces):
            yield _Paragraph(text=piece, after_gap=bool(index) and not place)


def _grown(paragraphs: Sequence[_Paragraph]) -> Iterator[str]:
    """Yield the shortest text that says something, across gaps if need be, then longer ones."""
    for count in range(1, len(paragraphs) + 1):
        text = _joined(paragraphs[:count])
        is_first = not _says_something(_joined(paragraphs[: count - 1]))
        if not is_first and (paragraphs[count - 1].after_gap or len(text) > _CHARACTERS_MAX):
            return
        yield text
        if not is_first and count >= _PARAGRAPHS_MAX:
            return


def _joined(paragraphs: Sequence[_Paragraph]) -> str:
    text = "".join(
        f"\n\n{_GAP}\n\n{p.text}" if p.after_gap else f"\n\n{p.text}" for p in paragraphs
    )
    return text.removeprefix(f"\n\n{_GAP}").removeprefix("\n\n")


def _says_something(text: str) -> bool:
    return len(text) >= _CHARACTERS_MIN


def words_of(text: str) -> set[str]:
    """Return the words that carry meaning, cut to a crude stem."""
    words = (word.lower() for word in _WORD.findall(text))
    return {stem(word) for word in words if word not in _LITTLE}


def stem(word: str) -> str:
    """Cut the commonest endings of English; good enough to highlight by."""
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= _STEM_CHARACTERS_MIN:
            return word.removesuffix(ending).rstrip("e")
    return word.rstrip("e")


def show_passage(passage: Passage, ask: str, screen: Screen) -> None:
    """Write the passage, wrapped, the question's words marked."""
    screen.line()
    screen.line(
        f"  the passage that answers, from the topic {screen.paint(passage.title, 'bold')}:"
    )
    screen.line()
    wanted = words_of(ask)
    for line in _wrapped(passage.text[:_SHOWN_CHARACTERS_MAX], screen.width - 4):
        screen.line(f"    {_highlighted(line, wanted, screen)}".rstrip())


def _wrapped(text: str, width: int) -> Iterator[str]:
    """Wrap paragraphs of prose; leave headings and what is indented, code and grammar, as it is."""
    for index, paragraph in enumerate(_PARAGRAPH_END.split(text)):
        if index:
            yield ""
        if paragraph.startswith("   ") or _UNDERLINE.search(paragraph):
            yield from paragraph.split("\n")
        else:
            yield from textwrap.wrap(" ".join(paragraph.split()), width)


def _highlighted(line: str, wanted: set[str], screen: Screen) -> str:
    def marked(match: re.Match[str]) -> str:
        word = match[0]
        return screen.paint(word, "marked") if stem(word.lower()) in wanted else word

    return _WORD.sub(marked, line)
