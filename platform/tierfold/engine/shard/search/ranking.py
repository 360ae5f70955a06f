"""A tenant's segments in the order of a query; reads the index and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tierfold.context.segment import Name
from tierfold.engine.shard.search.arrays import LongArray
from tierfold.engine.shard.search.fresh import Fresh
from tierfold.engine.shard.search.keys import named_key, number_of
from tierfold.engine.shard.search.lookup import fresh_holders, holders_of
from tierfold.engine.shard.search.record import Record
from tierfold.engine.shard.search.runs import Runs
from tierfold.engine.shard.search.scoring import Holders, Scored, bm25, rarity
from tierfold.engine.shard.search.state import Phase, read_state
from tierfold.ports import Family, KeyValues


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A segment that holds words of the query, whether or not a context still needs it."""

    name: Name
    position: int
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """The best candidates, and what each term of the query is worth."""

    candidates: tuple[Candidate, ...]
    rarities: Mapping[int, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Corpus:
    """The documents a query is asked of: those of the index and those it looked at itself."""

    record: Record
    dead: LongArray  # with postings, not to be found
    documents: int
    length: int
    kept: LongArray  # which of the fresh ones the index does not have


class Ranker:
    """Ranks what the index has; nothing of it may be published meanwhile."""

    def __init__(self, values: KeyValues, runs: Runs) -> None:
        self._values = values
        self._runs = runs

    def rank(
        self,
        tenant: str,
        terms: Sequence[int],
        *,
        waiting: Mapping[Name, int],
        fresh: Fresh,
        limit: int,
    ) -> Ranking:
        """Return the best segments for some terms."""
        corpus = self._corpus(tenant, waiting, fresh)
        held = holders_of(self._runs, tenant, corpus.record, terms, dead=corpus.dead)
        holders = {term: _with_fresh(term, each, fresh, corpus) for term, each in held.items()}
        scored = bm25(list(holders.values()), documents=corpus.documents, length=corpus.length)
        return Ranking(
            candidates=self._candidates(tenant, corpus.record, scored, fresh, waiting, limit),
            rarities={
                term: rarity(corpus.documents, len(each.documents))
                for term, each in holders.items()
            },
        )

    def _corpus(self, tenant: str, waiting: Mapping[Name, int], fresh: Fresh) -> _Corpus:
        is_cleared = read_state(self._values).phase is Phase.CLEARING  # what is there is of no use
        record = Record() if is_cleared else self._runs.record(tenant)
        known = {} if is_cleared else self._numbers(tenant, waiting)
        gone = np.array(sorted(known[name] for name in fresh.gone & known.keys()), np.int64)
        dead = self._runs.dead(tenant, record)
        kept = [at for at, name in enumerate(fresh.texts) if name not in known]
        added = np.array(kept, np.int64)
        removed = self._runs.words_of(tenant, record, gone)
        return _Corpus(
            record=record,
            dead=np.union1d(dead, gone),
            documents=record.documents - len(gone) + len(added),
            length=record.length - removed + int(fresh.counted.lengths[added].sum()),
            kept=added,
        )

    def _numbers(self, tenant: str, names: Mapping[Name, int]) -> dict[Name, int]:
        keys = [named_key(tenant, name) for name in names]
        values = self._values.get_many(Family.SEARCH, keys)
        found = zip(names, values, strict=True)
        return {name: number_of(value) for name, value in found if value is not None}

    def _candidates(
        self,
        tenant: str,
        record: Record,
        scored: Scored,
        fresh: Fresh,
        waiting: Mapping[Name, int],
        limit: int,
    ) -> tuple[Candidate, ...]:
        fresh_names = tuple(fresh.texts)
        found: list[Candidate] = []
        for number, score in zip(
            scored.documents[:limit].tolist(), scored.scores[:limit].tolist(), strict=True
        ):
            if number < 0:
                name = fresh_names[-1 - number]
                found.append(Candidate(name=name, position=waiting[name], score=score))
                continue
            named = self._runs.named(tenant, record, number)
            if named is not None:
                found.append(Candidate(name=named[0], position=named[1], score=score))
        return tuple(found)


def _with_fresh(term: int, held: Holders, fresh: Fresh, corpus: _Corpus) -> Holders:
    if not len(corpus.kept):
        return held
    counted = fresh.counted
    return held.with_more(fresh_holders(term, counted.postings, counted.lengths, corpus.kept))
