"""The background work of the search index, in steps that any crash may come between."""

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from tierfold.context.segment import Name
from tierfold.engine.shard.bodies import Bodies
from tierfold.engine.shard.keys import split_tenant
from tierfold.engine.shard.search.bodies import ItemBodies
from tierfold.engine.shard.search.indexing import counted_terms, look, written
from tierfold.engine.shard.search.keys import POSITION_UNKNOWN, RECORD, STATE_KEY
from tierfold.engine.shard.search.merging import (
    begun,
    documents_merged,
    postings_merged,
    removed,
)
from tierfold.engine.shard.search.record import RUN_DOCUMENTS, Record, due_merge
from tierfold.engine.shard.search.runs import Runs
from tierfold.engine.shard.search.state import Phase, State, read_state
from tierfold.engine.shard.search.waiting import Waiting, add_waiting
from tierfold.engine.shard.search.walking import walked
from tierfold.errors import CorruptError, ObjectStoreError
from tierfold.ports import Batch, Clock, Family, KeyValues

SUSPECTS_MAX = 4096  # segments that queries found dead, to be looked at
ROUNDS_SPARE = 1024  # of work besides looking at what waits: merging, removing, large items


class Indexer:
    """Keeps the index up to date; one thread works at a time."""

    def __init__(
        self,
        values: KeyValues,
        bodies: Bodies,
        runs: Runs,
        *,
        clock: Clock,
        published: AbstractContextManager[object],
    ) -> None:
        self._values = values
        self._bodies = bodies
        self._items = ItemBodies(values, bodies)
        self._runs = runs
        self._clock = clock
        self._published = published
        self._working = threading.RLock()
        self._waiting = Waiting(values)
        self._suspects: set[tuple[str, Name]] = set()
        self._untidy: set[str] | None = None  # tenants whose record has work left; None: any may
        self._is_damaged = False

    def suspect(self, tenant: str, name: Name) -> None:
        """Remember a segment of the index that no context needs."""
        if len(self._suspects) < SUSPECTS_MAX:
            self._suspects.add((tenant, name))

    def distrust(self) -> None:
        """Remember that a value of the index is damaged: the next step begins anew."""
        self._is_damaged = True

    def step(self, budget_ms: float) -> bool:
        """Work for about so long; return whether there is more to do at once."""
        with self._working:
            end_ms = self._clock.now_ms() + budget_ms
            while self._guarded(self._work_once):
                if self._clock.now_ms() >= end_ms:
                    return True
            return False

    def compact(self) -> None:
        """Look at all that waits and leave no dead document; as far as bodies can be read."""
        with self._working:
            self._catch_up()
            while self._guarded(self._bury_once):
                pass

    def rebuild(self) -> None:
        """Forget everything; the steps that follow fill the index anew."""
        with self._working:
            batch = Batch()
            batch.put(Family.SEARCH, STATE_KEY, State().encode())
            self._publish(batch)
            self._runs.forget_all()

    def drop(self) -> None:
        """Remove everything."""
        with self._working:
            self._clear()

    def _guarded(self, work: Callable[[], bool]) -> bool:
        """Do some work; an index that turns out to be damaged is begun anew."""
        if self._is_damaged:
            self._is_damaged = False
            self.rebuild()
        try:
            return work()
        except CorruptError:
            self.rebuild()
            return True

    def _catch_up(self) -> None:
        """Look at what waits now; not at all that is written while it does."""
        while read_state(self._values).phase is not Phase.READY:
            if not self._guarded(self._work_once):
                return
        for _ in range(ROUNDS_SPARE + self._waiting.count() // (RUN_DOCUMENTS // 2)):
            if not self._guarded(self._work_once):
                return

    def _work_once(self) -> bool:
        state = read_state(self._values)
        if state.phase is Phase.CLEARING:
            self._clear()
            batch = Batch()
            batch.put(Family.SEARCH, STATE_KEY, State(phase=Phase.WALKING).encode())
            self._write(batch)
            return True
        self._add_suspects()
        is_walking = state.phase is Phase.WALKING
        if is_walking and not self._waiting.is_longer_than(RUN_DOCUMENTS):
            return self._walk_once(state)
        return self._index_once() or self._tidy_once() or is_walking

    def _clear(self) -> None:
        """Drop all there is, what waits too: the walk that follows finds it."""
        with self._published:
            self._values.drop(Family.SEARCH)
        self._runs.forget_all()
        self._untidy = set()
        self._suspects.clear()

    def _walk_once(self, state: State) -> bool:
        try:
            batch = walked(self._values, self._bodies, state)
        except ObjectStoreError:
            return False  # a page is out of reach for now
        self._write(batch)
        return True

    def _add_suspects(self) -> None:
        batch = Batch()
        while self._suspects:
            tenant, name = self._suspects.pop()
            add_waiting(batch, tenant, [(name, POSITION_UNKNOWN)])
        if len(batch):
            self._write(batch)

    def _index_once(self) -> bool:
        claim = self._waiting.take(RUN_DOCUMENTS)
        if claim is None:
            return False
        looked = look(self._values, self._items, claim)
        counted = counted_terms(looked, claim.tenant)
        self._publish(written(self._runs, claim, looked, counted))
        self._tenants().add(claim.tenant)
        return bool(looked.settled)

    def _tidy_once(self) -> bool:
        """Do a part of what is left to merge or to remove of some tenant."""
        tenants = self._tenants()
        while tenants:
            tenant = next(iter(tenants))
            record = self._runs.record(tenant)
            if self._tidied(tenant, record, due_merge(record)):
                return True
            tenants.discard(tenant)
        return False

    def _bury_once(self) -> bool:
        """Do a part of what makes the index free of dead documents."""
        for tenant in self._recorded():
            record = self._runs.record(tenant)
            if self._tidied(tenant, record, due_merge(record, all_dead=True)):
                return True
        return False

    def _tidied(self, tenant: str, record: Record, due: Sequence[int] | None) -> bool:
        merge = record.merge
        if record.retired:
            self._write(removed(self._values, tenant, record))
            self._runs.forget(tenant, record.retired[0])
        elif merge is not None and not merge.has_documents:
            self._write(documents_merged(self._runs, tenant, record, merge))
        elif merge is not None:
            self._publish(postings_merged(self._runs, tenant, record, merge))
        elif due is not None:
            self._publish(begun(self._runs, tenant, record, due))
        else:
            return False
        return True

    def _tenants(self) -> set[str]:
        if self._untidy is None:
            self._untidy = set(self._recorded())
        return self._untidy

    def _recorded(self) -> list[str]:
        scan = self._values.scan(Family.SEARCH, RECORD)
        return [split_tenant(key[1:])[0] for key, _ in scan]

    def _write(self, batch: Batch) -> None:
        self._values.write(batch, durable=False)

    def _publish(self, batch: Batch) -> None:
        """Write what queries see; not while one of them reads."""
        with self._published:
            self._write(batch)
