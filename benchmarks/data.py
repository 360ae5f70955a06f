"""Evaluation sets as contexts and queries: read from a folder, or generated."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import zstandard

from tierfold.context import Document, DocumentSource, Part, Source

_WINDOW_BYTES_MAX = 1 << 27  # the files were packed with a long window
_MULTI_DOCUMENT = ("multidoc", "multidoc_long")
CHAT_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One stretch of text that evidence is counted in."""

    text: str
    role: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A text in segments, with the tokens of each."""

    id: str
    kind: str
    segments: tuple[Segment, ...]
    tokens: tuple[int, ...]

    @property
    def conversation(self) -> str:
        """The name that intervals are clustered by: tool traces are prefixes of one another."""
        return self.id.rsplit("/", 1)[0] if self.kind == "toolout" else self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A question and the segments that answer it: of each group, any one will do."""

    context_id: str
    question: str
    evidence: tuple[tuple[int, ...], ...]
    weights: tuple[float, ...] = field(default=())

    def recall(self, kept: set[int]) -> float:
        """Return the weighted share of groups of which a segment is kept."""
        weights = self.weights or (1.0,) * len(self.evidence)
        hit = sum(
            w for w, group in zip(weights, self.evidence, strict=True) if not kept.isdisjoint(group)
        )
        return hit / sum(weights)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSet:
    """Contexts by id, and the queries put to them."""

    name: str
    contexts: dict[str, Context]
    queries: tuple[Query, ...]


def read_compress(folder: Path, split: str) -> EvaluationSet:
    """Read `{split}.contexts.jsonl.zst` and `{split}.queries.jsonl.zst`."""
    contexts = {}
    for row in _rows(folder / f"{split}.contexts.jsonl.zst"):
        contexts[row["context_id"]] = _context(row)
    queries = tuple(
        Query(
            context_id=row["context_id"],
            question=row["query"],
            evidence=tuple(tuple(group) for group in row["evidence"]),
            weights=tuple(row.get("weights") or ()),
        )
        for row in _rows(folder / f"{split}.queries.jsonl.zst")
    )
    return EvaluationSet(name=split, contexts=contexts, queries=queries)


def as_sources(context: Context) -> tuple[Source, ...]:
    """Return the context as documents of parts, one for each run of segments of one group."""
    is_titled = context.kind in _MULTI_DOCUMENT
    sources: list[Source] = []
    for group, run in groupby(context.segments, key=lambda segment: segment.group or ""):
        segments = list(run)
        parts = tuple(_part(context, s, index, len(segments)) for index, s in enumerate(segments))
        document = Document(title=group if is_titled else "", parts=parts)
        sources.append(DocumentSource(document=document))
    return tuple(sources)


def segment_places(context: Context) -> dict[tuple[int, int], int]:
    """Return the index of each segment by its (source, part)."""
    places: dict[tuple[int, int], int] = {}
    runs = groupby(range(len(context.segments)), key=lambda i: context.segments[i].group or "")
    for source, (_, indices) in enumerate(runs):
        for part, index in enumerate(indices):
            places[source, part] = index
    return places


def _part(context: Context, segment: Segment, index: int, count: int) -> Part:
    role = segment.role if segment.role in CHAT_ROLES else None
    if context.kind in _MULTI_DOCUMENT:
        return Part(text=(" " if index else "") + segment.text, role=role)
    return Part(text=segment.text + ("\n" if index + 1 < count else ""), role=role)


def _context(row: dict[str, Any]) -> Context:
    segments = tuple(
        Segment(text=s["text"], role=s.get("role"), group=s.get("group")) for s in row["segments"]
    )
    return Context(
        id=row["context_id"], kind=row["kind"], segments=segments, tokens=tuple(row["tokens"])
    )


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    reader = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES_MAX)
    with path.open("rb") as packed, reader.stream_reader(packed) as stream:
        for line in stream.read().decode().split("\n"):
            if line:
                yield json.loads(line)
