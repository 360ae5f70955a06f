"""Bringing contexts back from L4 alone: every byte is checked against its name before it counts."""

from collections.abc import Container, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType

from tierfold.compression.lossless import Codec, Dictionary, block_hash
from tierfold.compression.lossless.dictionaries import TRAINED_ID_BYTES
from tierfold.context.identity import ContextKey
from tierfold.context.manifest import Head
from tierfold.context.segment import Name, name_of
from tierfold.engine.shard.keys import (
    Place,
    block_key,
    catalogue_key,
    expiry_key,
    head_key,
    outbox_block_key,
    outbox_context_key,
    reference_key,
    tenant_prefix,
)
from tierfold.engine.shard.objects import (
    block_object,
    dictionary_object,
    split_manifest,
    tenant_folder,
)
from tierfold.engine.shard.upkeep.archived import ArchivedManifest
from tierfold.engine.shard.upkeep.moving import next_number
from tierfold.engine.shard.upkeep.reach import reachable
from tierfold.engine.shard.upkeep.steps import Commits, DirectCommits
from tierfold.engine.shard.view import Stored
from tierfold.errors import CorruptError, ObjectStoreError, TierfoldError
from tierfold.ports import Batch, Family, KeyValues, Objects

REFERENCES_PER_BATCH = 4096

_NOTHING: Mapping[tuple[str, bytes], int] = MappingProxyType({})


@dataclass(slots=True)
class Restored:
    """What came back, and what did not and why."""

    contexts: int = 0
    blocks: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ContextInL4:
    """The manifests of one context, the newest last."""

    tenant: str
    digest: bytes
    keys: list[str]

    def newest(self, objects: Objects) -> ArchivedManifest | None:
        """Return the newest manifest that is whole."""
        for key in reversed(self.keys):
            data = objects.get(key)
            with suppress(TierfoldError):
                if data is not None:
                    return ArchivedManifest.decode(data)
        return None


def restore(objects: Objects, values: KeyValues, *, tenant: str | None = None) -> Restored:
    """Rebuild a tenant's contexts, or everybody's, in a store that serves nobody meanwhile.

    What the store has in no older version stays; L4 is asked to follow the store again.
    """
    restorer = Restorer(objects, values)
    for context in contexts_in(objects, "" if tenant is None else f"{tenant_folder(tenant)}/"):
        restorer.restore(context)
    return restorer.restored


def contexts_in(objects: Objects, prefix: str = "") -> Iterator[ContextInL4]:
    """Yield the contexts that L4 has; their manifests stand together in the order of keys."""
    current: ContextInL4 | None = None
    for key in objects.keys(prefix):
        found = split_manifest(key)
        if found is None:
            continue
        tenant, digest, _ = found
        if current is not None and (current.tenant, current.digest) == (tenant, digest):
            current.keys.append(key)
            continue
        if current is not None:
            yield current
        current = ContextInL4(tenant, digest, [key])
    if current is not None:
        yield current


class Restorer:
    """Brings contexts back one by one; what it did and could not do is in `restored`."""

    def __init__(
        self,
        objects: Objects,
        values: KeyValues,
        *,
        torn: Container[tuple[str, bytes]] = (),
        hashes: Mapping[tuple[str, bytes], int] = _NOTHING,
    ) -> None:
        """`torn` contexts of the store count nothing; `hashes` are of blocks it has."""
        self.restored = Restored()
        self._objects = objects
        self._values = values
        self._torn = torn
        self._commits: Commits = DirectCommits(values)
        self._numbers = dict(hashes)  # of the blocks that are here
        self._tenant = ""
        self._trained: dict[bytes, Dictionary] = {}
        self._codec = Codec()

    def restore(self, context: ContextInL4) -> bool:
        """Bring one context back from the newest of its manifests that is whole, if need be."""
        version = self._version(context)
        if context.tenant != self._tenant:
            self._tenant = context.tenant
            self._trained, self._codec = {}, Codec()
        problem = ""
        for key in reversed(context.keys):
            try:
                is_restored = self._restore(context, key, version)
            except ObjectStoreError:
                raise  # nothing is known of the others either
            except TierfoldError as error:
                problem = problem or f"{key}: {error}"
            else:
                self.restored.contexts += is_restored
                return is_restored
        if not version:
            self.restored.problems.append(problem)
        return False

    def _version(self, context: ContextInL4) -> int:
        """Return the version the store has, 0 for one it cannot go by."""
        if (context.tenant, context.digest) in self._torn:
            return 0
        stored = self._values.get(Family.HEAD, head_key(context.tenant, context.digest))
        return 0 if stored is None else Head.decode(stored).version

    def _restore(self, context: ContextInL4, key: str, version: int) -> bool:
        """Restore what a manifest says unless the store has a version that is no older."""
        data = self._objects.get(key)
        if data is None:
            raise CorruptError(what="a manifest in L4", problem="it is gone")
        manifest = ArchivedManifest.decode(data)
        head = Head.decode(manifest.head)
        if ContextKey(context.tenant, head.id).digest != context.digest:
            raise CorruptError(what="a manifest in L4", problem="it is of another context")
        if version >= head.version:
            return False
        places, bodies = self._placed(manifest)
        names = dict.fromkeys(reachable(head, lambda name: _found(bodies, name)))
        for name in names:
            _found(bodies, name)
        self._refer(context.digest, {name: places[name] for name in names})
        self._commits.run(lambda _, batch: _put_head(batch, context.tenant, head, manifest.head))
        return True

    def _placed(self, manifest: ArchivedManifest) -> tuple[dict[Name, Place], dict[Name, bytes]]:
        """Return where the bodies of the manifest's blocks are, and the bodies."""
        places: dict[Name, Place] = {}
        bodies: dict[Name, bytes] = {}
        for hashed in manifest.blocks:
            data = self._block(manifest.owner, hashed)
            number = self._numbers.get((self._tenant, hashed))
            if number is None:
                number = self._commits.run(self._storing(data))
                self._numbers[self._tenant, hashed] = number
                self.restored.blocks += 1
            block = self._codec.unpack(data)
            for entry in range(len(block)):
                body = block.entry(entry)
                name = name_of(body)
                places.setdefault(name, Place(number, entry))
                bodies.setdefault(name, body)
        return places, bodies

    def _block(self, owner: bytes, hashed: bytes) -> bytes:
        data = self._objects.get(block_object(self._tenant, owner, hashed))
        if data is None or block_hash(data) != hashed:
            problem = "L4 does not have it" if data is None else "L4 has other bytes"
            raise CorruptError(what=f"block {hashed.hex()}", problem=problem)
        dictionary = self._codec.dictionary_of(data)
        if dictionary is not None and len(dictionary) == TRAINED_ID_BYTES:
            self._need(owner, dictionary)
        return data

    def _need(self, owner: bytes, wanted: bytes) -> None:
        """Fetch a dictionary that is not here yet."""
        if wanted in self._trained:
            return
        stored = self._objects.get(dictionary_object(self._tenant, owner, wanted))
        if stored is None:
            raise CorruptError(what=f"dictionary {wanted.hex()}", problem="L4 does not have it")
        dictionary = Dictionary.decode(stored)
        if dictionary.id != wanted:
            raise CorruptError(what=f"dictionary {wanted.hex()}", problem="L4 has other bytes")
        key = tenant_prefix(self._tenant) + wanted
        self._commits.run(lambda _, batch: batch.put(Family.DICTIONARY, key, stored))
        self._trained[wanted] = dictionary
        self._codec = Codec(self._trained.values())

    def _storing(self, data: bytes) -> "_Storing":
        return _Storing(self._tenant, data)

    def _refer(self, digest: bytes, places: dict[Name, Place]) -> None:
        """Write references; the head comes last: a crash leaves garbage and nothing torn."""
        waiting = list(places.items())
        for at in range(0, len(waiting), REFERENCES_PER_BATCH):
            batch = Batch()
            for name, place in waiting[at : at + REFERENCES_PER_BATCH]:
                batch.put(
                    Family.REFERENCE, reference_key(self._tenant, name, digest), place.encode()
                )
            self._values.write(batch)


@dataclass(frozen=True, slots=True)
class _Storing:
    """The step that stores a block."""

    tenant: str
    data: bytes

    def __call__(self, view: Stored, batch: Batch) -> int:
        number = next_number(view, batch)
        batch.put(Family.BLOCK, block_key(self.tenant, number), self.data)
        batch.put(Family.OUTBOX, outbox_block_key(self.tenant, number), b"")
        return number


def _found(bodies: dict[Name, bytes], name: Name) -> bytes:
    body = bodies.get(name)
    if body is None:
        raise CorruptError(what=f"segment {name.hex()}", problem="no block of the manifest has it")
    return body


def _put_head(batch: Batch, tenant: str, head: Head, stored: bytes) -> None:
    digest = ContextKey(tenant, head.id).digest
    batch.put(Family.HEAD, head_key(tenant, digest), stored)
    batch.put(Family.CATALOGUE, catalogue_key(tenant, head.id), b"")
    batch.put(Family.OUTBOX, outbox_context_key(tenant, digest), b"")
    if head.expires_ms:
        batch.put(Family.EXPIRY, expiry_key(head.expires_ms, tenant, digest), b"")
