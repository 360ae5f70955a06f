"""Contexts that are left to L4: what only they need goes from the disk and from above."""

from collections.abc import Callable, Iterator

from tierfold.engine.shard.blocks import Blocks
from tierfold.engine.shard.keys import Place, split_reference, tenant_prefix
from tierfold.engine.shard.upkeep.disk import DiskEviction
from tierfold.engine.shard.upkeep.sweeping import sound
from tierfold.ports import Family, KeyValues

Leave = Callable[[str, bytes], None]  # forgets a context in L1 and L2, by tenant and digest

_REFERENCES_AT_ONCE = 4096


class Archiver:
    """Leaves contexts to L4: blocks that nobody but them needs go from the disk and from above."""

    def __init__(
        self, values: KeyValues, eviction: DiskEviction, *, blocks: Blocks, leave: Leave
    ) -> None:
        self._values = values
        self._eviction = eviction
        self._blocks = blocks
        self._leave = leave

    def archive(self, tenant: str, digests: set[bytes]) -> Iterator[None]:
        """Archive what L4 has by now; pauses after every block."""
        owners: dict[int, set[bytes]] = {}
        needed: set[int] = set()
        for key, value in self._references(tenant):
            if key is None:
                yield
                continue
            number = Place.decode(value).block
            if number is None:
                continue
            digest = split_reference(key)[2]
            if digest in digests:
                owners.setdefault(number, set()).add(digest)
            else:
                needed.add(number)
        alone = {number: owned for number, owned in owners.items() if number not in needed}
        for number in self._eviction.archive(tenant, alone.keys()):
            self._blocks.evict(tenant, number)
            for digest in alone[number]:
                self._leave(tenant, digest)
            yield

    def _references(self, tenant: str) -> Iterator[tuple[bytes | None, bytes]]:
        """Yield all references of a tenant, and now and then nothing, for a pause."""
        prefix = tenant_prefix(tenant)
        for at, (key, value) in enumerate(sound(self._values, Family.REFERENCE, prefix)):
            yield key, value
            if at % _REFERENCES_AT_ONCE == _REFERENCES_AT_ONCE - 1:
                yield None, b""
