"""The search index of one shard: a cache of which segment of a tenant holds which terms.

It is written in the background and never synced: what a crash takes is found on the list of what
waits, and an index that is lost or damaged is filled anew from the contexts.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from tierfold.context.segment import Name
from tierfold.engine.shard.bodies import Bodies
from tierfold.engine.shard.operations import Hit, Hits
from tierfold.engine.shard.search.bodies import ItemBodies, context_of
from tierfold.engine.shard.search.fresh import SEGMENTS_MAX, Fresh, look_at, read_text
from tierfold.engine.shard.search.indexer import Indexer
from tierfold.engine.shard.search.places import Places
from tierfold.engine.shard.search.ranking import Candidate, Ranker, Ranking
from tierfold.engine.shard.search.runs import Runs
from tierfold.engine.shard.search.snippet import snippet
from tierfold.engine.shard.search.state import Phase, read_state
from tierfold.engine.shard.search.waiting import Waiting
from tierfold.engine.shard.search.words import query_stems, term_of
from tierfold.engine.shard.settled import Settled
from tierfold.errors import CorruptError, InvalidInputError, ObjectStoreError
from tierfold.ports import Clock, Family, KeyValues, WallClock

HITS_MAX = 100
WAITING_COUNTED_MAX = 1000  # more are reported as so many
SPARE = (8, 512)  # candidates beyond the hits asked for, in place of those that are gone


class SearchIndex:
    """Finds segments by words, and keeps itself up to date a step at a time.

    Any thread may search at any time; steps, `compact`, `rebuild` and `drop` wait for one another.
    """

    def __init__(
        self,
        values: KeyValues,
        bodies: Bodies,
        *,
        clock: Clock,
        wall: WallClock,
        settled: Settled | None = None,
    ) -> None:
        """Take the parts; without `settled` nothing else changes the database meanwhile."""
        self._values = values
        self._items = ItemBodies(values, bodies)
        runs = Runs(values)
        # Held while the index is read for one query, and while what it reads is changed.
        self._published = threading.Lock()
        self._waiting = Waiting(values)
        self._ranker = Ranker(values, runs)
        self._places = Places(values, settled or Settled(values), bodies, wall)
        self._indexer = Indexer(values, bodies, runs, clock=clock, published=self._published)

    def find(self, tenant: str, query: str, limit: int) -> Hits:
        """Return the segments of a tenant that hold words of the query, the best first."""
        if limit < 1:
            problem = f"must be at least 1, not {limit}"
            raise InvalidInputError(problem, path="limit")
        stems = query_stems(query)
        waiting = self._waiting.of_tenant(tenant, WAITING_COUNTED_MAX)
        looked = dict(list(waiting.items())[:SEGMENTS_MAX])
        asked = _Asked(
            tenant=tenant,
            stems={term_of(stem, tenant): stem for stem in stems},
            waiting=looked,
            fresh=look_at(self._values, self._items, tenant, looked),
            limit=min(limit, HITS_MAX),
        )
        try:
            hits = self._hits(asked)
        except CorruptError:
            self._indexer.distrust()
            return Hits(hits=(), segments_waiting=max(1, len(waiting)))
        unseen = len(waiting) - asked.fresh.looked_at
        return Hits(hits=hits, segments_waiting=max(unseen, int(not self.is_complete)))

    @property
    def is_complete(self) -> bool:
        """Whether everything stored is in the index or on the list of what waits."""
        return read_state(self._values).phase is Phase.READY

    def step(self, budget_ms: float) -> bool:
        """Work for about so long; return whether there is more to do at once."""
        return self._indexer.step(budget_ms)

    def compact(self) -> None:
        """Look at all that waits and remove what is dead; the caller compacts the database."""
        self._indexer.compact()

    def rebuild(self) -> None:
        """Forget everything; the steps that follow fill the index anew."""
        self._indexer.rebuild()

    def drop(self) -> None:
        """Remove everything, as when search is switched off."""
        self._indexer.drop()

    @property
    def size_bytes(self) -> int:
        """What it takes on disk."""
        return self._values.size_bytes().get(Family.SEARCH, 0)

    def _hits(self, asked: "_Asked") -> tuple[Hit, ...]:
        """Return the hits; where too many of the best are gone, more are looked up, once."""
        hits: tuple[Hit, ...] = ()
        for spare in SPARE:
            wanted = asked.limit + spare
            with self._published:
                ranking = self._ranker.rank(
                    asked.tenant,
                    list(asked.stems),
                    waiting=asked.waiting,
                    fresh=asked.fresh,
                    limit=wanted,
                )
            hits = self._resolved(asked, ranking)
            if len(hits) == asked.limit or len(ranking.candidates) < wanted:
                break
        return hits

    def _resolved(self, asked: "_Asked", ranking: Ranking) -> tuple[Hit, ...]:
        weights = {asked.stems[term]: weight for term, weight in ranking.rarities.items()}
        hits: list[Hit] = []
        for candidate in ranking.candidates:
            hit = self._hit(asked.tenant, candidate, weights)
            if hit is not None:
                hits.append(hit)
            elif context_of(self._values, asked.tenant, candidate.name) is None:
                self._indexer.suspect(asked.tenant, candidate.name)
            if len(hits) == asked.limit:
                break
        return tuple(hits)

    def _hit(self, tenant: str, candidate: Candidate, weights: Mapping[str, float]) -> Hit | None:
        """Return a candidate as it stands now; None where it is gone, damaged or out of reach."""
        try:
            place = self._places.find(tenant, candidate.name, candidate.position)
        except (CorruptError, ObjectStoreError):
            return None
        text = None if place is None else read_text(self._items, tenant, candidate.name)
        if place is None or text is None:
            return None
        return Hit(
            context=place.context,
            item=place.index,
            score=candidate.score,
            text=snippet(text, weights),
            handle=place.handle,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One query, and what waited when it came."""

    tenant: str
    stems: Mapping[int, str]  # by term
    waiting: Mapping[Name, int]
    fresh: Fresh
    limit: int
