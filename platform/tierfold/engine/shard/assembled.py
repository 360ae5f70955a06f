"""One shard put together: from a database, and perhaps an object store, to what answers calls."""

import contextlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tierfold.config import RetentionRule, Settings
from tierfold.engine.pool_keeper import PoolKeeper
from tierfold.engine.shard.blocks import Blocks, ObjectSource
from tierfold.engine.shard.committer import Committer
from tierfold.engine.shard.core import Core, CoreParts
from tierfold.engine.shard.operations import Operation, Result
from tierfold.engine.shard.reading import Read
from tierfold.engine.shard.search import SearchIndex, waiting_entry
from tierfold.engine.shard.shard import Shard
from tierfold.engine.shard.state import STORE_ID_BYTES, State, open_state
from tierfold.engine.shard.upkeep.packing import Pack, packed
from tierfold.engine.shard.upkeep.read_contexts import WasRead
from tierfold.engine.shard.upkeep.thread import PACE, UpkeepThread
from tierfold.engine.shard.upkeep.training import Dictionaries
from tierfold.engine.shard.upkeep.upkeep import Upkeep, UpkeepParts
from tierfold.engine.working import SharedFolder
from tierfold.memory.lifecycle.retention import require_consistent
from tierfold.ports import Clock, Family, KeyValues, Objects, WallClock
from tierfold.storage.circuit_breaker import CircuitBreaker

_LAST_CALL_S = 0.7  # for what is being asked of the object store


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardParts:
    """What a shard is made of; whoever hands it over closes values and objects."""

    values: KeyValues
    settings: Settings
    wall: WallClock
    clock: Clock
    dice: random.Random
    objects: Objects | None = None  # None: there is no L4
    folder: SharedFolder | None = None  # None: there is no L1
    has_search: bool = True
    pack: Pack = packed
    is_cpu_pressed: Callable[[], bool] = _never
    retention: Callable[[], Sequence[RetentionRule]] | None = None  # None: those of the settings
    keeper: PoolKeeper | None = None  # None: memory is only counted


class OpenShard:
    """A shard at work, its upkeep included."""

    def __init__(self, parts: ShardParts) -> None:
        """Open what is stored; raises FormatTooNewError for what a newer tierfold has written."""
        require_consistent(parts.settings.retention)
        self.state = open_state(parts.values, new_id=parts.dice.randbytes(STORE_ID_BYTES))
        self._committer = Committer(
            parts.values,
            steps_max=parts.settings.store.changes_waiting_max,
            round_bytes_max=parts.settings.store.round_bytes_max,
        )
        self._breaker = _breaker(parts)
        source = _source(self._breaker, self.state)
        dictionaries = Dictionaries(parts.values)
        self.blocks = Blocks(
            parts.values,
            codec_of=dictionaries.codec_of,
            bytes_max=parts.settings.tiers.l2_bytes_max,
            source=source,
            keeper=parts.keeper,
        )
        self.core = core = Core(self._core_parts(parts, dictionaries), was_read=self._was_read)
        self.upkeep = Upkeep(self._upkeep_parts(parts, dictionaries, core, source))
        self.search = _search(parts, core)
        self._thread = UpkeepThread(self, rest_ms=self._rest_ms)
        self._patient = UpkeepThread(self.upkeep.patient, "tierfold uploads", rest_ms=self._rest_ms)
        self.upkeep.watch(self._thread, self._patient)
        self._shard = Shard(core, upkeep=self.upkeep, search=self.search, wake=self._thread.wake)

    def start(self) -> None:
        """Begin the upkeep in threads of its own; without it nothing is sealed or expires."""
        self.upkeep.begin()
        self._thread.start()
        self._patient.start()

    def step(self, budget_ms: float) -> bool:
        """Do what waits in the background for about so long; returns whether there is more."""
        with contextlib.ExitStack() as leaving:
            if self._breaker is not None:
                leaving.enter_context(self._breaker.leaving_probes())
            if self.search is None:
                return self.upkeep.step(budget_ms)
            has_more = self.upkeep.step(budget_ms / 2)
            return self.search.step(budget_ms / 2) or has_more

    def call(self, operations: Sequence[Operation]) -> list[Result]:
        """Return one result per operation, in order."""
        return self._shard.call(operations)

    def close(self) -> None:
        """Stop the upkeep and finish what waits; a second time does nothing.

        An upload that does not end soon is cut off, with the object store: it is on the outbox.
        """
        self._patient.ask_to_stop()
        is_idle = self._thread.stop(_LAST_CALL_S) and self._patient.stop(_LAST_CALL_S)
        if not is_idle and self._breaker is not None:
            self._breaker.close()
        self._thread.stop()
        self._patient.stop(_LAST_CALL_S)
        self.upkeep.close()
        self._shard.close()
        self.blocks.clear()

    def _rest_ms(self, worked_ms: float) -> float:
        """Return how long upkeep rests: longer while callers wait, shorter while rows pile up."""
        waiting = len(self._committer) + self._shard.reading
        return PACE.rest_ms(worked_ms, waiting=waiting, urgency=self.upkeep.urgency)

    def _was_read(self, read: Read) -> None:
        self.upkeep.was_read(
            WasRead(
                key=read.key,
                blocks=read.reading.blocks,
                tokenizer=read.tokenizer,
                pinned_until_ms=read.pinned_until_ms,
                is_partial=read.is_partial,
                tier=read.reading.tier,
            )
        )

    def _core_parts(self, parts: ShardParts, dictionaries: Dictionaries) -> CoreParts:
        return CoreParts(
            values=parts.values,
            committer=self._committer,
            blocks=self.blocks,
            codec_of=dictionaries.codec_of,
            limits=parts.settings.store,
            wall=parts.wall,
            clock=parts.clock,
            has_l4=parts.objects is not None,
            shared=parts.folder,
            waiting=waiting_entry if parts.has_search else None,
        )

    def _upkeep_parts(
        self,
        parts: ShardParts,
        dictionaries: Dictionaries,
        core: Core,
        source: ObjectSource | None,
    ) -> UpkeepParts:
        return UpkeepParts(
            values=parts.values,
            commits=self._committer,
            dictionaries=dictionaries,
            blocks=self.blocks,
            source=source,
            folder=parts.folder,
            load=core.load,
            info=core.reader.described,
            load_blocks=core.reader.bring_up,
            remove=core.remove,
            settings=parts.settings,
            clock=parts.clock,
            wall=parts.wall,
            dice=parts.dice,
            pack=parts.pack,
            is_cpu_pressed=parts.is_cpu_pressed,
            retention=parts.retention or (lambda: parts.settings.retention),
        )


def _search(parts: ShardParts, core: Core) -> SearchIndex | None:
    if not parts.has_search:
        parts.values.drop(Family.SEARCH)  # or it would seem complete when it is switched on again
        return None
    return SearchIndex(
        parts.values,
        core.bodies,
        clock=parts.clock,
        wall=parts.wall,
        settled=core.parts.committer.settled,
    )


def _breaker(parts: ShardParts) -> CircuitBreaker | None:
    return None if parts.objects is None else CircuitBreaker(parts.objects, parts.clock)


def _source(objects: Objects | None, state: State) -> ObjectSource | None:
    return None if objects is None else ObjectSource(objects=objects, owner=state.store_id)
