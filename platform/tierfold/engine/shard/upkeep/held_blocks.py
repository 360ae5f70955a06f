"""Which blocks contexts were read through, and which of those L2 keeps for them."""

from collections import Counter
from collections.abc import Mapping

from tierfold.engine.shard.blocks import Blocks
from tierfold.memory.tiers import Key

BLOCKS_PER_CONTEXT_MAX = 4096


class HeldBlocks:
    """Blocks by context; one that several contexts have stays for as long as one keeps it."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._known: dict[Key, dict[int, int]] = {}  # number -> bytes, as the last reads had them
        self._kept: dict[Key, set[int]] = {}  # by contexts in L2
        self._mapped: dict[Key, set[int]] = {}  # that contexts in L1 were built from
        self._keepers: Counter[tuple[str, int]] = Counter()
        self._mappers: Counter[tuple[str, int]] = Counter()

    def note(self, key: Key, blocks: Mapping[int, int], *, is_whole: bool = False) -> None:
        """Note which blocks a read went through; of a whole one, that there are no others."""
        known = {} if is_whole else self._known.get(key, {})
        for number, size_bytes in blocks.items():
            if number in known or len(known) < BLOCKS_PER_CONTEXT_MAX:
                known[number] = size_bytes
        self._known[key] = known

    def __contains__(self, key: object) -> bool:
        return key in self._known

    def size_bytes(self, key: Key) -> int:
        """Return the bytes of all blocks that are known of a context."""
        return sum(self._known.get(key, {}).values())

    def is_whole(self, key: Key) -> bool:
        """Whether all that is known of a context lies in memory."""
        known = self._known.get(key)
        return known is not None and all(self._blocks.size_of(key[0], each) for each in known)

    def outdated(self, key: Key) -> None:
        """Forget what reads had of a context that has changed; what is kept stays."""
        self._known.pop(key, None)

    def keep(self, key: Key) -> None:
        """Keep a context's blocks in L2, and none that it had before it was packed anew."""
        known = self._known.get(key, {})
        kept = self._kept.setdefault(key, set())
        if known:
            self._let_go(key, kept - known.keys())
            kept.intersection_update(known)
        for number in known.keys() - kept:
            if self._blocks.keep(key[0], number):
                kept.add(number)
                self._keepers[key[0], number] += 1

    def drop(self, key: Key) -> None:
        """Let go of a context's blocks in L2, but for those that others keep."""
        self._let_go(key, self._kept.pop(key, set()))
        for number in self._known.get(key, ()):
            if (key[0], number) not in self._keepers:
                self._blocks.evict(key[0], number)

    def map(self, key: Key) -> None:
        """Note that a context lies in L1 now, and no more in L2."""
        self.unmap(key)
        numbers = self._mapped[key] = set(self._known.get(key, ()))
        self._mappers.update((key[0], number) for number in numbers)
        self.drop(key)

    def unmap(self, key: Key) -> None:
        """Note that a context has left L1."""
        self._leave(self._mappers, key, self._mapped.pop(key, set()))

    def forget(self, key: Key) -> None:
        """Let go of everything of a context."""
        self.unmap(key)
        self.drop(key)
        self._known.pop(key, None)

    def is_above(self, tenant: str, number: int) -> bool:
        """Whether a block lies in L2, or was read for a context in L1."""
        is_mapped = self._mappers.get((tenant, number), 0) > 0
        return is_mapped or self._blocks.size_of(tenant, number) > 0

    def _let_go(self, key: Key, numbers: set[int]) -> None:
        self._leave(self._keepers, key, numbers)
        for number in numbers:
            if (key[0], number) not in self._keepers:
                self._blocks.evict(key[0], number)

    def _leave(self, users: Counter[tuple[str, int]], key: Key, numbers: set[int]) -> None:
        for number in numbers:
            users[key[0], number] -= 1
            if users[key[0], number] <= 0:
                del users[key[0], number]
