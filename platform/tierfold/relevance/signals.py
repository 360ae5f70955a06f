"""What a question needs of a table besides its postings; computed once per version."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tierfold.relevance.index import LongArray, Postings, SingleArray
from tierfold.relevance.vocabulary import BRACKET, CAPITAL, NUMBER, QUESTION
from tierfold.text.table import Kind, Role, UnitTable

DoubleArray = NDArray[np.float64]

_WORD_COSINE = 0.1  # mean cosine of two words of one unit, for the norm below
_TINY = 1e-9
_STEPS_MAX = 3.0  # of one message in a trace
# Features that no question changes.
STATIC = frozenset(
    {
        "position",
        "from_end",
        "log_tokens",
        "numbers",
        "number_density",
        "capitals",
        "asks",
        "brackets",
        "in_group",
        "in_section",
        "code",
        "trace",
        "log_units",
        "role_system",
        "role_user",
        "role_assistant",
        "role_tool",
        "trace_recency",
        "trace_from_end",
        "novel",
        "mean_idf",
    }
)
_DEFINITION = re.compile(
    r"^[ \t]*(?:@\w|(?:export |public |private |protected |static |async )*"
    r"(?:def|class|func|function|fn|impl|struct|interface|trait)\b)",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """Neighbouring units that belong together: r runs over n units, in order."""

    owner: LongArray  # (n,) run of each unit
    start: LongArray  # (r,) first unit
    length: DoubleArray  # (r,) words

    def __len__(self) -> int:
        """Return the number of runs."""
        return len(self.start)

    @property
    def trivial(self) -> bool:
        """Whether the runs tell nothing: one for all units, or one for each."""
        return len(self.start) <= 1 or len(self.start) == len(self.owner)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """Weights of the surface postings, and what is known of a unit before any question."""

    weight: SingleArray  # (p,) count * idf of each surface posting
    idf: DoubleArray  # (w,) ln(1 + (n - df + .5)/(df + .5))
    idf_unknown: float  # the same for a word no unit holds
    norm: DoubleArray  # (n,) approximate length of the unit's weighted sum of word vectors
    groups: Runs
    sections: Runs  # groups, cut again where code defines something
    static: dict[str, SingleArray]  # (n,) each: features that no question changes

    @property
    def size_bytes(self) -> int:
        """Bytes of all arrays."""
        own = self.weight.nbytes + self.idf.nbytes + self.norm.nbytes
        runs = sum(r.owner.nbytes + r.start.nbytes + r.length.nbytes for r in self._runs)
        return own + runs + sum(feature.nbytes for feature in self.static.values())

    @property
    def _runs(self) -> tuple[Runs, Runs]:
        return self.groups, self.sections


def signals_of(postings: Postings, units: UnitTable) -> Signals:
    """Seal one version of a table."""
    n = len(units)
    word, counts = postings.word, postings.word_counts
    frequency = np.bincount(word, minlength=len(postings.words))
    idf = np.log1p((n - frequency + 0.5) / (frequency + 0.5))
    weight = (counts * idf[word]).astype(np.float32)
    # |sum w v|^2 = sum w^2|v|^2 + cross terms; with one cosine for all pairs of words this needs
    # two sums instead of a 64-dimensional one, and ranks as well (hotpath.md, section 1).
    spread = weight * _lengths(postings)[word]
    alone = sums_of_units(spread * spread, postings)
    together = sums_of_units(spread, postings) ** 2
    group_starts = np.diff(units.group, prepend=-1) != 0
    groups = _runs(group_starts, postings.length)
    sections = _runs(group_starts | _definitions(units), postings.length)
    return Signals(
        weight=weight,
        idf=idf,
        idf_unknown=float(np.log1p((n + 0.5) / 0.5)),
        norm=np.sqrt((1 - _WORD_COSINE) * alone + _WORD_COSINE * together) + _TINY,
        groups=groups,
        sections=sections,
        static={
            name: values.astype(np.float32)
            for name, values in (
                _static(postings, units, groups, sections) | _novelty(idf, weight, postings)
            ).items()
        },
    )


def sums_of_units(values: SingleArray, postings: Postings) -> DoubleArray:
    """Sum a value of each surface posting by unit, (n,)."""
    sums = np.zeros(len(postings))
    start = postings.word_start
    holding = np.flatnonzero(start[1:] > start[:-1])
    if len(holding):
        sums[holding] = np.add.reduceat(values, start[holding])
    return sums


def _lengths(postings: Postings) -> SingleArray:
    """Length of each word's vector."""
    vectors = postings.vectors.astype(np.float32)
    lengths: SingleArray = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    return lengths * postings.vector_scale


def _runs(starts: NDArray[np.bool_], length: NDArray[np.float32]) -> Runs:
    start = np.flatnonzero(starts)
    words = np.add.reduceat(length, start, dtype=np.float64) if len(start) else np.zeros(0)
    return Runs(owner=np.cumsum(starts) - 1, start=start, length=words)


def _definitions(units: UnitTable) -> NDArray[np.bool_]:
    """Units of code in which a function, class or the like begins."""
    found = np.zeros(len(units), dtype=np.bool_)
    code = units.kind == Kind.CODE
    if code.any():
        places = [match.start() for match in _DEFINITION.finditer(units.text)]
        if places:
            found[np.searchsorted(units.start, places, side="right") - 1] = True
    starts: NDArray[np.bool_] = found & code
    return starts


def _novelty(
    idf: DoubleArray,
    weight: SingleArray,
    postings: Postings,
) -> dict[str, DoubleArray]:
    """Share of a unit's information that stands in words it is the first to use."""
    count = len(postings.word)
    first = np.full(len(idf), count, dtype=np.int64)
    # Postings are ordered by unit, so the last write of the reversed order is the first unit's.
    first[postings.word[::-1]] = np.arange(count)[::-1]
    is_new = np.zeros(count, dtype=np.float32)
    is_new[first[first < count]] = 1.0
    novel = sums_of_units(is_new * idf[postings.word].astype(np.float32), postings)
    mass = sums_of_units(weight, postings)
    return {"novel": novel / (mass + _TINY), "mean_idf": mass / (postings.length + _TINY)}


def _steps(groups: Runs) -> tuple[DoubleArray, float]:
    """Return how many steps into a trace each unit stands, and the steps in all.

    A message counts a step a unit, but not more than _STEPS_MAX: the last of four hundred log
    lines is hardly newer than the first.
    """
    n = len(groups.owner)
    size = np.diff(groups.start, append=n).astype(np.float64)
    taken = np.minimum(size, _STEPS_MAX)
    first = np.cumsum(taken) - taken
    within = (np.arange(n) - groups.start[groups.owner]) * (taken / size)[groups.owner]
    return first[groups.owner] + within, float(taken.sum())


def _static(
    postings: Postings,
    units: UnitTable,
    groups: Runs,
    sections: Runs,
) -> dict[str, DoubleArray]:
    n = len(units)
    index = np.arange(n, dtype=np.float64)
    is_trace = bool((units.role == Role.TOOL).any())
    step, steps = _steps(groups) if is_trace else (index, float(n))
    tokens = np.maximum(units.tokens, 1).astype(np.float64)
    # Roles and recency mean what the fit saw only in traces of calls and their results.
    trace = float(is_trace)
    numbers = postings.marks[:, NUMBER].astype(np.float64)
    code = (units.kind == Kind.CODE).astype(np.float64)
    features = {
        "position": step / max(steps, 1.0),
        "from_end": -np.log(steps - step),
        "log_tokens": np.log(tokens),
        "numbers": np.log1p(numbers),
        "number_density": numbers / tokens,
        "capitals": np.log1p(postings.marks[:, CAPITAL]),
        "asks": np.minimum(postings.marks[:, QUESTION], 1).astype(np.float64),
        "brackets": np.log1p(postings.marks[:, BRACKET]),
        "in_group": np.minimum(index - groups.start[groups.owner], 10.0),
        "in_section": code * np.minimum(index - sections.start[sections.owner], 10.0),
        "code": code,
        "trace": np.full(n, trace),
        "log_units": np.full(n, np.log(max(n, 1))),
    }
    for name in ("SYSTEM", "USER", "ASSISTANT", "TOOL"):
        features[f"role_{name.lower()}"] = trace * (units.role == Role[name])
    features["trace_recency"] = trace * features["position"]
    features["trace_from_end"] = trace * features["from_end"]
    return features
