"""Which contexts of a salvaged database are whole; lost references are found again by hashing."""

from collections.abc import Iterator

from tierfold.context.identity import DIGEST_BYTES, ContextKey
from tierfold.context.manifest import Head
from tierfold.context.segment import Name, name_of
from tierfold.engine.shard.blocks import ObjectSource
from tierfold.engine.shard.keys import (
    Place,
    head_key,
    outbox_context_key,
    reference_key,
    split_reference,
    split_tenant,
    tenant_prefix,
)
from tierfold.engine.shard.upkeep.bodies import StoredBodies
from tierfold.engine.shard.upkeep.reach import reachable
from tierfold.engine.shard.upkeep.sweeping import sweep, tenants
from tierfold.engine.shard.upkeep.training import Dictionaries
from tierfold.errors import CorruptError, TierfoldError
from tierfold.ports import Batch, Family, KeyValues

_Context = tuple[str, bytes]  # tenant and digest


class Survivors:
    """The contexts that a database knows of, and which of them it has with every byte."""

    def __init__(self, values: KeyValues, source: ObjectSource | None) -> None:
        self._values = values
        self._bodies = StoredBodies(values, Dictionaries(values).codec_of, source=source)
        self._ids: dict[_Context, str] = {}
        self._versions: dict[_Context, int] = {}  # as the heads say
        self._places: dict[Name, Place] = {}  # of one tenant; empty until it is needed
        self.whole: set[_Context] = set()
        self.torn: dict[_Context, bool] = {}  # and whether they have a head

    def look(self) -> None:
        """Read everything; write references that are lost though their bodies are here."""
        self._note_traces()
        for tenant in list(tenants(self._values, Family.HEAD)):
            self._places.clear()
            for digest, head in self._heads(tenant):
                self.torn[tenant, digest] = True
                if head is not None:
                    self._look_at(tenant, digest, head)
        self._places.clear()

    def is_deleted(self, tenant: str, digest: bytes) -> bool:
        """Whether a context was deleted here and L4 has not followed yet."""
        if (tenant, digest) in self.whole or (tenant, digest) in self.torn:
            return False
        return _value(self._values, Family.OUTBOX, outbox_context_key(tenant, digest)) == b""

    def found(self, tenant: str, digest: bytes) -> str:
        """Note that a context came back from L4; returns its name, and what is older with it."""
        stored = self._values.get(Family.HEAD, head_key(tenant, digest))
        assert stored is not None
        head = Head.decode(stored)
        self._ids[tenant, digest] = head.id
        self._found_whole(tenant, digest)
        had = self._versions.get((tenant, digest), 0)
        name = self.name(tenant, digest)
        if had <= head.version:
            return name
        return f"{name} (version {head.version}: {had} is damaged)"

    def name(self, tenant: str, digest: bytes) -> str:
        """Return what to call a context: by its id where any trace of that is left."""
        return f"{tenant}/{self._ids.get((tenant, digest), digest.hex())}"

    def _look_at(self, tenant: str, digest: bytes, head: Head) -> None:
        self._versions[tenant, digest] = head.version
        if self._is_whole(tenant, digest, head) or self._is_mended(tenant, digest, head):
            self._found_whole(tenant, digest)

    def _found_whole(self, tenant: str, digest: bytes) -> None:
        self.torn.pop((tenant, digest), None)
        self.whole.add((tenant, digest))

    def _note_traces(self) -> None:
        """Note every context that the listing or a reference knows, with or without a head."""
        for key, _ in sweep(self._values, Family.CATALOGUE):
            tenant, identity = split_tenant(key)
            known = ContextKey(tenant, identity.decode("ascii"))
            self._ids[tenant, known.digest] = known.id
            self.torn[tenant, known.digest] = False
        for key, _ in sweep(self._values, Family.REFERENCE):
            tenant, _, digest = split_reference(key)
            self.torn.setdefault((tenant, digest), False)

    def _heads(self, tenant: str) -> Iterator[tuple[bytes, Head | None]]:
        """Yield digests and heads; None for a head that is damaged."""
        for key, value in sweep(self._values, Family.HEAD, tenant_prefix(tenant)):
            digest = key[-DIGEST_BYTES:]
            head = None
            if not isinstance(value, CorruptError):
                head = _decoded(value)
            if head is not None:
                self._ids[tenant, digest] = head.id
            yield digest, head

    def _is_whole(self, tenant: str, digest: bytes, head: Head) -> bool:
        """Whether everything the head leads to is here, and referred to in its name."""
        try:
            names = set(reachable(head, lambda name: self._bodies.body(tenant, name)))
            return all(
                self._values.get(Family.REFERENCE, reference_key(tenant, name, digest)) is not None
                and self._bodies.body(tenant, name)
                for name in names
            )
        except CorruptError:
            return False

    def _find_places(self, tenant: str) -> None:
        """Find out where the tenant's bodies are, by what they are."""
        for key, _ in sweep(self._values, Family.BLOCK, tenant_prefix(tenant)):
            number = int.from_bytes(split_tenant(key)[1], "big")
            for entry, name in enumerate(self._names(tenant, number)):
                self._places.setdefault(name, Place(number, entry))
        for key, _ in sweep(self._values, Family.BODY, tenant_prefix(tenant)):
            self._places.setdefault(Name(split_tenant(key)[1]), Place())

    def _names(self, tenant: str, number: int) -> list[Name]:
        try:
            block = self._bodies.unpacked(tenant, number)
        except CorruptError:
            return []
        if block is None:
            return []
        return [name_of(block.entry(entry)) for entry in range(len(block))]

    def _is_mended(self, tenant: str, digest: bytes, head: Head) -> bool:
        """Refer to the bodies where they are; returns whether that makes the context whole."""
        if not self._places:
            self._find_places(tenant)
        try:
            names = dict.fromkeys(reachable(head, lambda name: self._placed(tenant, name)))
            for name in names:
                self._placed(tenant, name)
        except CorruptError:
            return False
        batch = Batch()
        for name in names:
            key = reference_key(tenant, name, digest)
            batch.put(Family.REFERENCE, key, self._places[name].encode())
        self._values.write(batch)
        return True

    def _placed(self, tenant: str, name: Name) -> bytes:
        """Return a body that was found without a reference."""
        place = self._places.get(name)
        body = None if place is None else self._body(tenant, name, place)
        if body is None or name_of(body) != name:
            raise CorruptError(what=f"segment {name.hex()}", problem="it is lost")
        return body

    def _body(self, tenant: str, name: Name, place: Place) -> bytes | None:
        if place.block is None:
            return self._bodies.row(tenant, name)
        block = self._bodies.unpacked(tenant, place.block)
        return None if block is None else block.entry(place.entry)


def _decoded(value: bytes) -> Head | None:
    try:
        return Head.decode(value)
    except TierfoldError:
        return None


def _value(values: KeyValues, family: Family, key: bytes) -> bytes | None:
    try:
        return values.get(family, key)
    except CorruptError:
        return None
