"""L4 follows: what the outbox names is put into the object store, and what it lacks is deleted.

One pass at a time: blocks first, then manifests that need them. Only when every manifest of a
tenant that was waiting at the beginning of a pass is up are its blocks deleted that were unneeded
at that time, so that no manifest in L4 ever names a block that is not there.
"""

from collections import OrderedDict
from collections.abc import Container, Iterator, Sequence
from functools import partial
from itertools import islice

from tierfold.compression.lossless import block_hash
from tierfold.compression.lossless.dictionaries import TRAINED_ID_BYTES
from tierfold.context.manifest import Head
from tierfold.engine.shard.blocks import ObjectSource
from tierfold.engine.shard.keys import (
    block_key,
    head_key,
    outbox_block_key,
    outbox_context_key,
    outbox_unneeded_key,
    split_outbox,
    stub_hash,
    tenant_prefix,
    uploaded_key,
    uploaded_prefix,
)
from tierfold.engine.shard.objects import (
    block_object,
    dictionary_object,
    manifest_object,
    manifests_folder,
    split_manifest,
)
from tierfold.engine.shard.upkeep.archived import ArchivedManifest
from tierfold.engine.shard.upkeep.bodies import StoredBodies
from tierfold.engine.shard.upkeep.manifests import Manifests, Needs
from tierfold.engine.shard.upkeep.sealing import Sealer
from tierfold.engine.shard.upkeep.steps import Commits
from tierfold.engine.shard.upkeep.sweeping import one_by_one
from tierfold.engine.shard.view import Stored
from tierfold.errors import CorruptError, ObjectStoreError
from tierfold.ports import Batch, Family, KeyValues

NUMBERS_REMEMBERED = 65_536  # last manifest of a context: else its folder is listed
UNNEEDED_PER_PASS = 4096
_SIZE_BYTES = 4
_TRIES = 3  # seals and puts of one context before it is left for the next pass


class Uploader:
    """Works off the outbox; raises ObjectStoreError out of a pass, which then begins anew."""

    def __init__(
        self,
        *,
        values: KeyValues,
        commits: Commits,
        bodies: StoredBodies,
        sealer: Sealer,
        source: ObjectSource,
    ) -> None:
        self._values = values
        self._commits = commits
        self._bodies = bodies
        self._sealer = sealer
        self._objects = source.objects
        self._owner = source.owner
        self._manifests = Manifests(values, bodies)
        self._numbers: OrderedDict[tuple[str, bytes], int] = OrderedDict()
        self._dictionaries: set[tuple[str, bytes]] = set()  # known to be in L4

    def one_pass(self) -> Iterator[None]:
        """Work off what the outbox holds now; pauses after every object."""
        unneeded = list(islice(self._keys(b"u"), UNNEEDED_PER_PASS))
        behind: set[str] = set()  # tenants of which L4 still has an old manifest
        for key in self._keys(b"b"):
            _, tenant, number = split_outbox(key)
            try:
                self._put_block(tenant, int.from_bytes(number, "big"))
            except CorruptError:
                behind.add(tenant)  # it waits until it is mended; the audit names it
            yield
        for key in self._keys(b"c"):
            _, tenant, digest = split_outbox(key)
            if not self._is_followed(tenant, digest):
                behind.add(tenant)
            yield
        yield from self._delete_unneeded(unneeded, behind)

    def _delete_unneeded(self, unneeded: Sequence[bytes], behind: Container[str]) -> Iterator[None]:
        """Delete blocks and dictionaries of the tenants whose manifests are all up."""
        for key in unneeded:
            _, tenant, hashed = split_outbox(key)
            if tenant not in behind:
                self._delete_block(tenant, hashed)
                yield
        for key in self._keys(b"d"):
            if split_outbox(key)[1] not in behind:
                self._delete_dictionary(key)
                yield

    def _is_followed(self, tenant: str, digest: bytes) -> bool:
        try:
            return self._follow_context(tenant, digest)
        except CorruptError:
            return False  # as above

    def _keys(self, kind: bytes) -> Iterator[bytes]:
        """Yield the outbox keys of one kind, each read when the one before is done."""
        for key, _ in one_by_one(self._values, Family.OUTBOX, kind):
            yield key

    def _put_block(self, tenant: str, number: int) -> bytes | None:
        """Put a block and note it; returns its hash, None for one that is gone."""
        value = self._values.get(Family.BLOCK, block_key(tenant, number))
        if value is None or stub_hash(value) is not None:
            outbox = outbox_block_key(tenant, number)
            self._commits.run(lambda _, batch: batch.delete(Family.OUTBOX, outbox))
            return value and stub_hash(value)
        self._put_dictionary(tenant, self._bodies.codec_of(tenant).dictionary_of(value))
        hashed = block_hash(value)
        self._objects.put_new(block_object(tenant, self._owner, hashed), value)
        is_there = self._commits.run(
            partial(_block_is_up, block=(tenant, number), hashed=hashed, size_bytes=len(value))
        )
        return hashed if is_there else None

    def _put_dictionary(self, tenant: str, dictionary: bytes | None) -> None:
        """Put what a block needs to be read, where that is not certain to be there."""
        if dictionary is None or len(dictionary) != TRAINED_ID_BYTES:
            return
        if (tenant, dictionary) in self._dictionaries:
            return
        stored = self._values.get(Family.DICTIONARY, tenant_prefix(tenant) + dictionary)
        if stored is not None:
            self._objects.put_new(dictionary_object(tenant, self._owner, dictionary), stored)
            self._dictionaries.add((tenant, dictionary))

    def _follow_context(self, tenant: str, digest: bytes) -> bool:
        """Bring L4 to the state of a context; returns False where that has to wait."""
        key = outbox_context_key(tenant, digest)
        for _ in range(_TRIES):
            mark = self._values.get(Family.OUTBOX, key)
            stored = self._values.get(Family.HEAD, head_key(tenant, digest))
            if mark is None:
                return True
            if stored is None:
                self._delete_manifests(tenant, digest)
            elif not self._is_put(tenant, digest, stored):
                continue
            if self._taken_off((tenant, digest), mark, stored):
                return True
        return False

    def _taken_off(self, context: tuple[str, bytes], mark: bytes, stored: bytes | None) -> bool:
        """Take a context off the outbox if it is still what was put."""
        return self._commits.run(lambda view, batch: _followed(view, batch, context, mark, stored))

    def _is_put(self, tenant: str, digest: bytes, stored: bytes) -> bool:
        """Put a context as it was; returns False where it is another already."""
        try:
            return self._put_context(tenant, digest, stored)
        except CorruptError:
            if self._values.get(Family.HEAD, head_key(tenant, digest)) == stored:
                raise
            return False  # what it needed went while it was read

    def _put_context(self, tenant: str, digest: bytes, stored: bytes) -> bool:
        """Put a context's blocks and its manifest; returns False where it changed meanwhile."""
        needs = self._manifests.needs(tenant, Head.decode(stored))
        if needs.rows:
            for _ in self._sealer.seal_names(tenant, needs.rows):
                pass
            return False
        hashes = self._uploaded(tenant, needs)
        if hashes is None:
            return False
        manifest = ArchivedManifest(owner=self._owner, head=stored, blocks=hashes)
        self._put_manifest(tenant, digest, manifest.encode())
        return True

    def _uploaded(self, tenant: str, needs: Needs) -> tuple[bytes, ...] | None:
        """Return the hashes of all blocks, which are in L4 then; None where one is gone."""
        hashes = []
        for number in needs.blocks:
            hashed = self._manifests.hash_of(tenant, number)
            if hashed is None:
                return None
            if self._values.get(Family.META, uploaded_key(tenant, hashed, number)) is None:
                hashed = self._put_block(tenant, number)
                if hashed is None:
                    return None
            hashes.append(hashed)
        return tuple(dict.fromkeys(hashes))

    def _put_manifest(self, tenant: str, digest: bytes, data: bytes) -> None:
        """Put the next manifest, then delete those before it."""
        context = (tenant, digest)
        last = self._numbers.pop(context, None)
        for _ in range(_TRIES):
            older = [] if last is None else [manifest_object(tenant, digest, last)]
            if last is None:
                older = list(self._objects.keys(manifests_folder(tenant, digest)))
                last = max((_number(key) for key in older), default=0)
            if self._objects.put_new(manifest_object(tenant, digest, last + 1), data):
                self._numbers[context] = last + 1
                break
            last = None  # somebody put it before us: look again
        else:
            problem = f"another store puts manifests of context {digest.hex()} there"
            raise ObjectStoreError(url=self._objects.url, problem=problem)
        if len(self._numbers) > NUMBERS_REMEMBERED:
            self._numbers.popitem(last=False)
        if older:
            self._objects.delete(older)

    def _delete_manifests(self, tenant: str, digest: bytes) -> None:
        self._numbers.pop((tenant, digest), None)
        keys = list(self._objects.keys(manifests_folder(tenant, digest)))
        if keys:
            self._objects.delete(keys)

    def _delete_dictionary(self, key: bytes) -> None:
        """Delete a dictionary's object, unless an equal one was trained again."""
        _, tenant, dictionary = split_outbox(key)
        if self._values.get(Family.DICTIONARY, tenant_prefix(tenant) + dictionary) is None:
            self._objects.delete([dictionary_object(tenant, self._owner, dictionary)])
            self._dictionaries.discard((tenant, dictionary))
        self._commits.run(lambda _, batch: batch.delete(Family.OUTBOX, key))

    def _delete_block(self, tenant: str, hashed: bytes) -> None:
        """Delete a block's object, unless a block with the same bytes is here again."""
        prefix = uploaded_prefix(tenant, hashed)
        if next(self._values.scan(Family.META, prefix), None) is None:
            self._objects.delete([block_object(tenant, self._owner, hashed)])
        key = outbox_unneeded_key(tenant, hashed)
        self._commits.run(lambda _, batch: batch.delete(Family.OUTBOX, key))


def _number(key: str) -> int:
    manifest = split_manifest(key)
    return 0 if manifest is None else manifest[2]


def _block_is_up(
    view: Stored, batch: Batch, *, block: tuple[str, int], hashed: bytes, size_bytes: int
) -> bool:
    """Note that L4 has a block; where the block was dropped meanwhile, that it shall not."""
    tenant, number = block
    batch.delete(Family.OUTBOX, outbox_block_key(tenant, number))
    if view.get(Family.BLOCK, block_key(tenant, number)) is None:
        batch.put(Family.OUTBOX, outbox_unneeded_key(tenant, hashed), b"")
        return False
    size = size_bytes.to_bytes(_SIZE_BYTES, "big")
    batch.put(Family.META, uploaded_key(tenant, hashed, number), size)
    return True


def _followed(
    view: Stored, batch: Batch, context: tuple[str, bytes], mark: bytes, stored: bytes | None
) -> bool:
    tenant, digest = context
    key = outbox_context_key(tenant, digest)
    if view.get(Family.OUTBOX, key) != mark:
        return False
    if view.get(Family.HEAD, head_key(tenant, digest)) != stored:
        return False
    batch.delete(Family.OUTBOX, key)
    return True
