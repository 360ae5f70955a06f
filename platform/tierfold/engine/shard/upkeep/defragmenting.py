"""Defragmentation: blocks that hold more garbage than content are written anew or dropped."""

from collections import OrderedDict
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from tierfold.compression.lossless import BLOCK_BYTES, Block
from tierfold.compression.lossless.packing import BATCH_BYTES
from tierfold.context.segment import Name, name_of
from tierfold.engine.shard.keys import (
    NUMBER_BYTES,
    Place,
    block_key,
    split_tenant,
    stub_hash,
    tenant_prefix,
)
from tierfold.engine.shard.upkeep.bodies import StoredBodies
from tierfold.engine.shard.upkeep.moving import Body, Mover
from tierfold.engine.shard.upkeep.packing import Pack, PackJob
from tierfold.engine.shard.upkeep.sweeping import sound, sweep, tenants
from tierfold.engine.shard.upkeep.training import Dictionaries
from tierfold.errors import CorruptError, ObjectStoreError, StorageFullError
from tierfold.ports import Batch, Family, KeyValues

LIVE_MIN = 0.5  # share of a block's bytes that is still needed; below it the block is rewritten
FULL_MIN = 0.5  # of BLOCK_BYTES: a smaller block is joined with others like it
WINDOW_BLOCKS = 16_384  # looked at in one walk over the references: 2 MB of marks
BLOCKS_REMEMBERED = 65_536  # found good: 8 MB

DEFRAGMENTED_KEY = b"defragmented"  # in `meta`: the block behind which a run goes on

_REFERENCES_AT_ONCE = 4096  # 5 ms
_BLOCKS_AT_ONCE = 16  # likewise
_SMALL_MIN = 2  # blocks that are too small: one alone cannot be joined


@dataclass(frozen=True, slots=True, kw_only=True)
class Defragmented:
    """What was done with one batch of blocks."""

    rewritten: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class _Candidate:
    number: int
    block: Block
    live: int  # bit per entry

    def entries(self) -> list[int]:
        return [entry for entry in range(len(self.block)) if self.live >> entry & 1]

    @property
    def live_bytes(self) -> int:
        return sum(len(self.block.entry(entry)) for entry in self.entries())


class Defragmenter:
    """Finds blocks with too little in them and writes what is left of them into new ones."""

    def __init__(
        self,
        *,
        values: KeyValues,
        bodies: StoredBodies,
        mover: Mover,
        dictionaries: Dictionaries,
        pack: Pack,
    ) -> None:
        self._values = values
        self._bodies = bodies
        self._mover = mover
        self._dictionaries = dictionaries
        self._pack = pack
        self._kept: OrderedDict[tuple[str, int], int] = OrderedDict()  # live entries of good blocks

    def one_pass(self) -> Iterator[Defragmented]:
        """Look at every block once, a tenant and a window of numbers at a time.

        Goes on behind the last full window, where a run before it did not come to its end.
        """
        begun, behind = self._cursor()
        for tenant in tenants(self._values, Family.BLOCK):
            prefix = tenant_prefix(tenant)
            if prefix < begun:
                continue
            after = behind if prefix == begun else -1
            while (window := self._window(tenant, after)) is not None:
                yield from self._look(tenant, window)
                after = window[-1]
                if len(window) == WINDOW_BLOCKS:
                    self._note(block_key(tenant, after))
        self.begin_anew()

    def begin_anew(self) -> None:
        """Look at every block the next time."""
        if self._values.get(Family.META, DEFRAGMENTED_KEY) is not None:
            self._note(None)

    def _cursor(self) -> tuple[bytes, int]:
        """Return the tenant's prefix and the block behind which to go on."""
        noted = self._values.get(Family.META, DEFRAGMENTED_KEY)
        if noted is None:
            return b"", -1
        return noted[:-NUMBER_BYTES], int.from_bytes(noted[-NUMBER_BYTES:], "big")

    def _note(self, cursor: bytes | None) -> None:
        batch = Batch()
        if cursor is None:
            batch.delete(Family.META, DEFRAGMENTED_KEY)
        else:
            batch.put(Family.META, DEFRAGMENTED_KEY, cursor)
        with suppress(StorageFullError):  # then a restart begins anew
            self._values.write(batch, durable=False)

    def rewrite(self, tenant: str, number: int) -> bool:
        """Write one block anew, as when it was packed in a hurry; returns whether it is gone."""
        block = self._sound(tenant, number)
        if block is None:
            return False
        live = _exhausted(self._live(tenant, (number,))).get(number, 0)
        return self._rewrite(tenant, [_Candidate(number, block, live)]).rewritten > 0

    def _window(self, tenant: str, after: int) -> Sequence[int] | None:
        """Return the numbers of the next blocks; None at the end."""
        prefix = tenant_prefix(tenant)
        start = prefix + after.to_bytes(NUMBER_BYTES, "big") if after >= 0 else b""
        scanned = sweep(self._values, Family.BLOCK, prefix, after=start)
        numbers = [
            int.from_bytes(split_tenant(key)[1], "big")
            for _, (key, _) in zip(range(WINDOW_BLOCKS), scanned, strict=False)
        ]
        return numbers or None

    def _live(
        self, tenant: str, window: Sequence[int]
    ) -> Generator[Defragmented, None, dict[int, int]]:
        """Return which entries of these blocks are referred to, a bit each; pauses now and then.

        A damaged reference is passed over: a block it may lead to is not dropped either.
        """
        first, last = window[0], window[-1]
        live: dict[int, int] = {}
        references = sound(self._values, Family.REFERENCE, tenant_prefix(tenant))
        for at, (_, value) in enumerate(references, start=1):
            if at % _REFERENCES_AT_ONCE == 0:
                yield Defragmented()
            place = Place.decode(value)
            if place.block is not None and first <= place.block <= last:
                live[place.block] = live.get(place.block, 0) | 1 << place.entry
        return live

    def _look(self, tenant: str, window: Sequence[int]) -> Iterator[Defragmented]:
        live = yield from self._live(tenant, window)
        batch: list[_Candidate] = []
        size_bytes = 0
        for at, number in enumerate(window, start=1):
            if at % _BLOCKS_AT_ONCE == 0:
                yield Defragmented()
            candidate = self._candidate(tenant, number, live.get(number, 0))
            if candidate is None:
                continue
            if not candidate.live:
                yield self._drop(tenant, [candidate])
                continue
            batch.append(candidate)
            size_bytes += candidate.live_bytes
            if size_bytes >= BATCH_BYTES:
                yield self._rewrite(tenant, batch)
                batch, size_bytes = [], 0
        if self._is_worth_it(batch):
            yield self._rewrite(tenant, batch)

    def _candidate(self, tenant: str, number: int, live: int) -> _Candidate | None:
        """Return a block that is too empty or too small, None for one that stays as it is.

        One that was good and has lost nothing since is not unpacked again.
        """
        key = (tenant, number)
        if live and self._kept.get(key) == live.bit_count():
            return None
        if live and self._is_in_l4_alone(tenant, number):
            return None  # fetching it would cost more than it takes
        block = self._sound(tenant, number)
        if block is None:
            return None
        candidate = _Candidate(number, block, live)
        is_full = block.size_bytes >= BLOCK_BYTES * FULL_MIN
        if is_full and candidate.live_bytes >= block.size_bytes * LIVE_MIN:
            self._kept[key] = live.bit_count()
            if len(self._kept) > BLOCKS_REMEMBERED:
                self._kept.popitem(last=False)
            return None
        return candidate

    def _is_in_l4_alone(self, tenant: str, number: int) -> bool:
        try:
            value = self._values.get(Family.BLOCK, block_key(tenant, number))
        except CorruptError:
            return False
        return value is not None and stub_hash(value) is not None

    def _sound(self, tenant: str, number: int) -> Block | None:
        """Return a block's bodies; None for one that is gone, damaged or out of reach."""
        try:
            return self._bodies.unpacked(tenant, number)
        except (CorruptError, ObjectStoreError):
            return None

    def _is_worth_it(self, batch: Sequence[_Candidate]) -> bool:
        """Whether writing these anew makes fewer blocks of them, or smaller ones."""
        if any(each.live_bytes < each.block.size_bytes * LIVE_MIN for each in batch):
            return True
        joined = -(-sum(each.live_bytes for each in batch) // BLOCK_BYTES)
        return len(batch) >= _SMALL_MIN and joined < len(batch) / _SMALL_MIN

    def _rewrite(self, tenant: str, batch: Sequence[_Candidate]) -> Defragmented:
        """Pack what is left of some blocks into new ones, then drop the old."""
        old: list[Body] = []
        raw: list[bytes] = []
        for each in batch:
            for entry in each.entries():
                body = each.block.entry(entry)
                old.append(Body(name_of(body), Place(each.number, entry)))
                raw.append(body)
        job = PackJob(bodies=tuple(raw), trained=self._dictionaries.trained(tenant))
        for block in self._pack(job):
            try:
                self._mover.put(tenant, block.data, [old[at] for at in block.entries])
            except CorruptError:
                continue  # a reference is damaged: the old blocks stay
        dropped = self._drop(tenant, batch).dropped
        return Defragmented(rewritten=dropped)

    def _drop(self, tenant: str, batch: Sequence[_Candidate]) -> Defragmented:
        return Defragmented(dropped=sum(self._is_dropped(tenant, each) for each in batch))

    def _is_dropped(self, tenant: str, candidate: _Candidate) -> bool:
        try:
            return self._mover.drop(tenant, candidate.number, _names(candidate.block))
        except CorruptError:
            return False  # a reference is damaged, and may lead here


def _exhausted(work: Generator[Defragmented, None, dict[int, int]]) -> dict[int, int]:
    """Return what work comes to, without pauses."""
    while True:
        try:
            next(work)
        except StopIteration as ended:
            live: dict[int, int] = ended.value
            return live


def _names(block: Block) -> list[Name]:
    return [name_of(block.entry(entry)) for entry in range(len(block))]
