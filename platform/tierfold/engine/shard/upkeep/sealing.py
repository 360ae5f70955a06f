"""Sealing: bodies in rows of their own become blocks, which take half the room."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tierfold.compression.lossless.packing import BATCH_BYTES
from tierfold.context.segment import Name
from tierfold.engine.shard.keys import Place, name_prefix, split_tenant
from tierfold.engine.shard.upkeep.bodies import StoredBodies
from tierfold.engine.shard.upkeep.gathering import gather
from tierfold.engine.shard.upkeep.moving import Body, Mover
from tierfold.engine.shard.upkeep.open_rows import OpenRows
from tierfold.engine.shard.upkeep.packing import Pack, PackJob
from tierfold.engine.shard.upkeep.sweeping import known, sound, tenants
from tierfold.engine.shard.upkeep.training import Dictionaries
from tierfold.errors import CorruptError
from tierfold.ports import Clock, Family, KeyValues

PRESSED_MAX = 4096  # blocks that are remembered as sealed in a hurry

_ROWS_READ = 256  # at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What one batch of rows became."""

    blocks: int
    bodies: int


class Sealer:
    """Seals rows, a batch at a time; a generator step is a batch."""

    def __init__(  # noqa: PLR0913  # what it works on, each once
        self,
        *,
        values: KeyValues,
        bodies: StoredBodies,
        mover: Mover,
        dictionaries: Dictionaries,
        open_rows: OpenRows,
        clock: Clock,
        pack: Pack,
        is_cpu_pressed: Callable[[], bool],
    ) -> None:
        self._values = values
        self._bodies = bodies
        self._mover = mover
        self._dictionaries = dictionaries
        self._open_rows = open_rows
        self._clock = clock
        self._pack = pack
        self._is_cpu_pressed = is_cpu_pressed
        self.pressed: list[tuple[str, int]] = []  # blocks that could be packed better

    def count(self) -> None:
        """Find out what lies open, as a shard must that has just started."""
        tenant, size_bytes = "", 0
        for key, frame in known(sound(self._values, Family.BODY)):
            found = split_tenant(key)[0]
            if found != tenant and tenant:
                self._open_rows.add(tenant, size_bytes, self._clock.now_ms())
                size_bytes = 0
            tenant = found
            size_bytes += len(frame)
        if tenant:
            self._open_rows.add(tenant, size_bytes, self._clock.now_ms())

    def seal_due(self) -> Iterator[Sealed]:
        """Seal the tenants that are due."""
        for tenant in self._open_rows.due(self._clock.now_ms()):
            yield from self.seal_tenant(tenant)

    def seal_all(self) -> Iterator[Sealed]:
        """Seal every row there is."""
        self._open_rows.clear()
        for tenant in tenants(self._values, Family.BODY):
            yield from self.seal_tenant(tenant)

    def seal_tenant(self, tenant: str) -> Iterator[Sealed]:
        """Seal what a tenant has in rows."""
        self._open_rows.forget(tenant)
        after: bytes | None = b""
        while after is not None:
            gathered = gather(self._values, self._bodies, tenant, after=after)
            after = gathered.after
            yield from self.seal_names(tenant, gathered.names)

    def seal_names(self, tenant: str, names: Sequence[Name]) -> Iterator[Sealed]:
        """Seal these rows, as far as they are still there."""
        batch: list[tuple[Name, bytes]] = []
        size_bytes = 0
        for name, body in self._rows(tenant, names):
            if batch and size_bytes + len(body) > BATCH_BYTES:
                yield self._seal(tenant, batch)
                batch, size_bytes = [], 0
            batch.append((name, body))
            size_bytes += len(body)
        if batch:
            yield self._seal(tenant, batch)

    def _rows(self, tenant: str, names: Sequence[Name]) -> Iterator[tuple[Name, bytes]]:
        """Yield the bodies that are there and sound; the audit names the others."""
        codec = self._dictionaries.codec_of(tenant)
        for at in range(0, len(names), _ROWS_READ):
            for name in names[at : at + _ROWS_READ]:
                try:
                    frame = self._values.get(Family.BODY, name_prefix(tenant, name))
                    if frame is not None:
                        yield name, codec.unframe(frame)
                except CorruptError:
                    continue

    def _seal(self, tenant: str, batch: Sequence[tuple[Name, bytes]]) -> Sealed:
        is_pressed = self._is_cpu_pressed()
        job = PackJob(
            bodies=tuple(body for _, body in batch),
            trained=self._dictionaries.trained(tenant),
            is_cpu_pressed=is_pressed,
        )
        count = 0
        for block in self._pack(job):
            rows = [Body(batch[at][0], Place()) for at in block.entries]
            try:
                number = self._mover.put(tenant, block.data, rows)
            except CorruptError:
                continue  # a reference is damaged: these rows wait until it is mended
            if number is not None:
                count += 1
                if is_pressed and len(self.pressed) < PRESSED_MAX:
                    self.pressed.append((tenant, number))
        return Sealed(blocks=count, bodies=len(batch))
