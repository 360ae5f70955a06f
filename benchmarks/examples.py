"""Queries with their contexts as units, labels and features: what `benchmarks.fit` learns from."""

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import Context, Query, read_compress
from tierfold.relevance import WorkingSet
from tierfold.relevance.features import Features, balanced_features, fast_features
from tierfold.relevance.model import BALANCED, FAST, QUERY_FREE
from tierfold.relevance.question import read_question
from tierfold.text.table import NO_FRAME, Frames, Joint, Kind, Role, UnitTable

FOLDS = 5
KINDS = {"code": Kind.CODE, "meeting": Kind.DIALOGUE, "dialogue": Kind.DIALOGUE}
ROLES = {"system": Role.SYSTEM, "user": Role.USER, "assistant": Role.ASSISTANT, "tool": Role.TOOL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One query with its context, ready to rank."""

    query: Query
    context: Context
    working: WorkingSet
    label: NDArray[np.bool_]  # (n,) whether the unit is evidence
    features: dict[str, Features]  # by stage

    @property
    def fold(self) -> int:
        """The fold its conversation lies in."""
        return zlib.crc32(self.context.conversation.encode()) % FOLDS

    @property
    def tokens(self) -> NDArray[np.int32]:
        """Tokens of each unit."""
        return self.working.units.tokens


def table_of(context: Context) -> UnitTable:
    """Make each segment one unit; a run of one group is a document."""
    texts = [segment.text for segment in context.segments]
    ends = np.cumsum([len(text) for text in texts]).astype(np.int32)
    names = [segment.group or "" for segment in context.segments]
    starts = [index for index, name in enumerate(names) if not index or name != names[index - 1]]
    group = np.searchsorted(starts, np.arange(len(texts)), side="right") - 1
    is_trace, is_titled = context.kind == "toolout", context.kind.startswith("multidoc")
    roles = [ROLES.get(s.role or "", Role.NONE) if is_trace else 0 for s in context.segments]
    count = len(texts)
    none = np.zeros(0, dtype=np.int32)
    return UnitTable(
        text="".join(texts),
        start=np.append(0, ends[:-1]).astype(np.int32),
        end=ends,
        tokens=np.array(context.tokens, dtype=np.int32),
        block=np.arange(count, dtype=np.int32),
        group=group.astype(np.int32),
        role=np.array(roles, dtype=np.int8),
        kind=np.full(count, KINDS.get(context.kind, Kind.PROSE), dtype=np.int8),
        joint=np.full(count, Joint.TEXT, dtype=np.int8),
        pinned=np.zeros(count, dtype=np.bool_),
        framing=np.zeros(count, dtype=np.bool_),
        frame=np.full(count, NO_FRAME, dtype=np.int32),
        frames=Frames(parent=none, tokens=none, pinned=np.zeros(0, dtype=np.bool_)),
        titles=tuple(names[start] for start in starts) if is_titled else (),
    )


def examples_of(folder: Path, split: str) -> list[Example]:
    """Read a split and compute all features."""
    read = read_compress(folder, split)
    working = {key: WorkingSet.build(table_of(c)) for key, c in read.contexts.items()}
    return [_example(q, read.contexts[q.context_id], working[q.context_id]) for q in read.queries]


def _example(query: Query, context: Context, working: WorkingSet) -> Example:
    label = np.zeros(len(working.units), dtype=np.bool_)
    label[[index for group in query.evidence for index in group]] = True
    postings, signals = working.postings, working.signals
    read = read_question(query.question, postings, signals)
    fast = fast_features(read, postings, signals)
    balanced = balanced_features(fast, postings, signals)
    stages = {FAST: fast, BALANCED: balanced, QUERY_FREE: signals.static}
    return Example(query=query, context=context, working=working, label=label, features=stages)
