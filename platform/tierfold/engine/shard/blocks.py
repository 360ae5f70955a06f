"""L2: sealed blocks in the shard's memory, packed as they lie on the disk."""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from tierfold.compression.lossless import Block, Codec, block_hash
from tierfold.engine.pool_keeper import PoolKeeper
from tierfold.engine.process_memory import unlimited_keeper
from tierfold.engine.shard.committer import Committer
from tierfold.engine.shard.keys import (
    block_key,
    hash_among,
    stub_hash,
    uploaded_prefix,
)
from tierfold.engine.shard.memory_share import BlockLeases
from tierfold.engine.shard.objects import block_object
from tierfold.engine.shard.together import require_all, together
from tierfold.engine.shard.view import View
from tierfold.errors import CorruptError, TierfoldError
from tierfold.ports import Batch, Family, KeyValues, Objects

UNPACKED_KEPT = 16  # blocks of about 64 KiB: neighbours are read one after another
FINDINGS_KEPT = 256

BlockId = tuple[str, int]  # tenant and number
CodecOf = Callable[[str], Codec]


class NotAtHandError(Exception):
    """A round would have to ask L4: the step is given up, and prepared once more outside of it."""


@dataclass(frozen=True, slots=True)
class Found:
    """An unpacked block and the tier it was found in."""

    block: Block
    tier: str
    packed_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectSource:
    """Where L4 is, and under which store id this shard's objects lie there."""

    objects: Objects
    owner: bytes

    def block(self, tenant: str, hashed: bytes) -> bytes:
        """Return a block's bytes; raises CorruptError where L4 has it not, or not as it was."""
        data = self.objects.get(block_object(tenant, self.owner, hashed))
        if data is None or block_hash(data) != hashed:
            problem = "L4 does not have it" if data is None else "L4 has other bytes"
            raise CorruptError(what=f"block {hashed.hex()}", problem=problem)
        return data


class Blocks:
    """Reads blocks from the highest tier that has them; for any thread.

    What is read stays until `evict` or until the room is needed. A damaged block on the disk is
    served from L4 where that has it, and mended.
    """

    def __init__(
        self,
        values: KeyValues,
        *,
        codec_of: CodecOf,
        bytes_max: int,
        source: ObjectSource | None,
        keeper: PoolKeeper | None = None,
    ) -> None:
        self._leases = BlockLeases(keeper or unlimited_keeper(), self._shrink)
        self._values = values
        self._codec_of = codec_of
        self._bytes_max = bytes_max
        self._source = source
        self._packed: OrderedDict[BlockId, bytes] = OrderedDict()
        self._unpacked: OrderedDict[BlockId, Found] = OrderedDict()
        self._fresh: OrderedDict[BlockId, None] = OrderedDict()  # read, and kept for nobody yet
        self._size_bytes = 0
        self._lock = threading.Lock()
        self._damaged: dict[BlockId, bytes] = {}  # what they should be
        self.findings: deque[str] = deque(maxlen=FINDINGS_KEPT)  # damaged blocks that were met

    @property
    def size_bytes(self) -> int:
        """Bytes of all blocks in memory."""
        return self._size_bytes

    def __len__(self) -> int:
        """Return the number of blocks in memory."""
        return len(self._packed)

    def get(self, tenant: str, number: int, *, from_l4: bool = True) -> Found | None:
        """Return a block, None where it is gone; raises CorruptError where no tier has it whole.

        Without `from_l4` it raises NotAtHandError where L4 would have to be asked.
        """
        key = (tenant, number)
        held = self._in_memory(key)
        return held or self._load(key, may_wait=from_l4 or self._source is None)

    def get_many(self, tenant: str, numbers: Iterable[int]) -> dict[int, Found]:
        """Return those blocks that are there; what lies below memory is read in one go.

        So many at a time as `UNPACKED_KEPT`. Raises what `get` raises, and ObjectStoreError.
        """
        found: dict[int, Found] = {}
        below: list[int] = []
        for number in numbers:
            held = self._in_memory((tenant, number))
            if held is None:
                below.append(number)
            else:
                found[number] = held
        return found | self._load_many(tenant, below)

    def size_of(self, tenant: str, number: int) -> int:
        """Return the bytes a block takes in memory; 0 where it is not there."""
        return len(self._packed.get((tenant, number), b""))

    def keep(self, tenant: str, number: int) -> bool:
        """Keep a block that was read for as long as there is anything else to give up for room.

        Returns whether it is there. What is not kept goes first: a scan pushes out only itself.
        """
        with self._lock:
            self._fresh.pop((tenant, number), None)
            return (tenant, number) in self._packed

    def resize(self, bytes_max: int) -> None:
        """Change the limit; what is too much goes now."""
        with self._lock:
            self._bytes_max = bytes_max
            self._make_room(bytes_max)

    def evict(self, tenant: str, number: int) -> None:
        """Remove a block from memory, whether or not it is there."""
        with self._lock:
            self._forget((tenant, number))

    def mend(self, committer: Committer) -> None:
        """Write the damaged blocks that were met anew; never from inside a step."""
        while self._damaged:
            with self._lock:
                key, packed = self._damaged.popitem() if self._damaged else (None, b"")
            if key is None:
                return
            try:
                committer.run(partial(_mend, key=key, packed=packed))
            except TierfoldError as problem:  # it is served from memory, and met again later
                self.findings.append(f"block {key[0]}/{key[1]} is not mended: {problem}")

    def clear(self) -> None:
        """Remove all blocks from memory."""
        with self._lock:
            for key in list(self._packed):
                self._forget(key)
        self._leases.release()

    def _in_memory(self, key: BlockId) -> Found | None:
        with self._lock:
            known = self._unpacked.get(key)
            if known is not None:
                self._unpacked.move_to_end(key)
                self._packed.move_to_end(key)
                return known
            packed = self._packed.get(key)
        return None if packed is None else self._unpack(key, packed)

    def _load_many(self, tenant: str, numbers: list[int]) -> dict[int, Found]:
        """Read blocks from the disk in one call, and what L4 alone has side by side."""
        try:
            if len(numbers) > 1:
                return self._loaded_together(tenant, numbers)
        except CorruptError:  # each by itself: the sound ones are served, the damaged mended
            pass
        each = ((number, self._load((tenant, number), may_wait=True)) for number in numbers)
        return {number: found for number, found in each if found is not None}

    def _loaded_together(self, tenant: str, numbers: list[int]) -> dict[int, Found]:
        keys = [block_key(tenant, number) for number in numbers]
        values = self._values.get_many(Family.BLOCK, keys)
        there = {at: value for at, value in zip(numbers, values, strict=True) if value is not None}
        hashes = {at: hashed for at, value in there.items() if (hashed := stub_hash(value))}
        fetched = self._from_l4_together(tenant, hashes)
        return {
            at: self._held((tenant, at), fetched.get(at, value), "L4" if at in hashes else "L3")
            for at, value in there.items()
        }

    def _from_l4_together(self, tenant: str, hashes: Mapping[int, bytes]) -> dict[int, bytes]:
        """Return blocks of L4 by number: the first one alone, since it may find L4 away."""
        if not hashes:
            return {}
        calls = [
            partial(self._from_l4, (tenant, number), hashed) for number, hashed in hashes.items()
        ]
        outcomes = [calls[0](), *together(calls[1:])]
        require_all(outcomes)
        return {
            number: outcome
            for number, outcome in zip(hashes, outcomes, strict=True)
            if isinstance(outcome, bytes)
        }

    def _unpack(self, key: BlockId, packed: bytes) -> Found:
        found = Found(self._codec_of(key[0]).unpack(packed), "L2", len(packed))
        with self._lock:
            if key in self._packed:
                self._hold_unpacked(key, found)
        return found

    def _load(self, key: BlockId, *, may_wait: bool) -> Found | None:
        """Read a block from the disk, or from L4 where the disk has it not, or not whole."""
        try:
            packed = self._values.get(Family.BLOCK, block_key(*key))
            if packed is None:
                return None
            hashed = stub_hash(packed)
            if hashed is None:
                return self._held(key, packed, "L3")
        except CorruptError as error:
            if not may_wait:
                raise NotAtHandError from error
            return self._mended(key, error)
        if not may_wait:
            raise NotAtHandError
        return self._held(key, self._from_l4(key, hashed), "L4")

    def _held(self, key: BlockId, packed: bytes, tier: str) -> Found:
        block = self._codec_of(key[0]).unpack(packed)
        wanted = min(self._size_bytes + len(packed), self._bytes_max)
        room = min(self._leases.room_for(wanted), self._bytes_max)
        with self._lock:
            self._forget(key)
            self._packed[key] = packed
            self._size_bytes += len(packed)
            self._hold_unpacked(key, Found(block, "L2", len(packed)))
            self._fresh[key] = None
            self._make_room(room)
        return Found(block, tier, len(packed))

    def _hold_unpacked(self, key: BlockId, found: Found) -> None:
        self._unpacked[key] = found
        if len(self._unpacked) > UNPACKED_KEPT:
            self._unpacked.popitem(last=False)

    def _shrink(self, size_bytes: int) -> None:
        """Forget blocks until no more than so many bytes are left."""
        with self._lock:
            self._make_room(size_bytes)

    def _make_room(self, bytes_max: int) -> None:
        while self._size_bytes > bytes_max and self._packed:
            self._forget(next(iter(self._fresh or self._packed)))

    def _forget(self, key: BlockId) -> None:
        self._fresh.pop(key, None)
        self._size_bytes -= len(self._packed.pop(key, b""))
        self._unpacked.pop(key, None)

    def _from_l4(self, key: BlockId, hashed: bytes) -> bytes:
        if self._source is None:
            problem = "only L4 has it, and no object store is set up"
            raise CorruptError(what=f"block {key[1]}", problem=problem)
        return self._source.block(key[0], hashed)

    def _mended(self, key: BlockId, error: CorruptError) -> Found:
        """Serve a damaged block from L4; raises the error where L4 does not have it either."""
        self.findings.append(f"block {key[0]}/{key[1]}: {error.problem}")
        hashed = self._uploaded_hash(key)
        if self._source is None or hashed is None:
            raise error
        packed = self._source.block(key[0], hashed)
        found = self._held(key, packed, "L4")
        with self._lock:
            self._damaged[key] = packed
        return found

    def _uploaded_hash(self, key: BlockId) -> bytes | None:
        """Return the hash of a block that L4 has, found without reading the block."""
        uploaded = self._values.scan(Family.META, uploaded_prefix(key[0], b""))
        return hash_among((each for each, _ in uploaded), key[1])


def _mend(view: View, batch: Batch, key: BlockId, packed: bytes) -> None:
    """Write a block anew unless it was dropped or moved to L4 meanwhile."""
    try:
        value = view.get(Family.BLOCK, block_key(*key))
    except CorruptError:
        value = b""
    if value is not None and stub_hash(value) is None:
        batch.put(Family.BLOCK, block_key(*key), packed)
