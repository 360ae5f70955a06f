"""Heads against references, catalogue and expiry: what one of them says, the others say too."""

from collections.abc import Iterator

from tierfold.context.identity import DIGEST_BYTES, ContextKey
from tierfold.context.manifest import Head
from tierfold.context.segment import Name
from tierfold.engine.shard.keys import (
    catalogue_key,
    expiry_key,
    head_key,
    reference_key,
    split_expiry,
    split_reference,
    split_tenant,
    tenant_prefix,
)
from tierfold.engine.shard.upkeep.audit.findings import FindingKind, Findings
from tierfold.engine.shard.upkeep.audit.mending import Mending
from tierfold.engine.shard.upkeep.bodies import StoredBodies
from tierfold.engine.shard.upkeep.reach import reachable
from tierfold.engine.shard.upkeep.sweeping import sweep
from tierfold.errors import CorruptError, ObjectStoreError, TierfoldError
from tierfold.ports import Family, KeyValues


class ContextsAudit:
    """Checks every head, and that nothing stands for a context that is not there."""

    def __init__(self, values: KeyValues, bodies: StoredBodies, mending: Mending) -> None:
        self._values = values
        self._bodies = bodies
        self._mending = mending

    def check_heads(self, findings: Findings) -> None:
        """Check every head: its checksum, its listing, and that its names are what is kept."""
        counts = self._reference_counts()
        for key, value in sweep(self._values, Family.HEAD):
            findings.contexts += 1
            tenant, digest = split_tenant(key)
            count = counts.pop((tenant, digest), 0)
            try:
                head = _decoded(value)
                if ContextKey(tenant, head.id).digest != digest:
                    findings.add("corrupt", digest.hex(), "its head is of another context")
                    continue
                self._check_listing(tenant, digest, head, findings)
                self._check_names(tenant, digest, count, findings)
            except ObjectStoreError:
                continue  # part of it is in L4 alone, and that does not answer
            except TierfoldError as error:
                findings.add("corrupt", digest.hex(), f"a context's head or pages: {error}")
        for tenant, digest in counts:
            self._check_orphans(tenant, digest, set(), findings)

    def check_catalogue(self, findings: Findings) -> None:
        """Check that every listed context is there."""
        for key, value in sweep(self._values, Family.CATALOGUE):
            tenant, identity = split_tenant(key)
            mend = self._mending.key(Family.CATALOGUE, key)
            if isinstance(value, CorruptError):
                findings.add("corrupt", key.hex(), f"a listing: {value.problem}", mend)
                continue
            digest = ContextKey(tenant, identity.decode("ascii")).digest
            if not self._has_head(tenant, digest) and self._is_kept(Family.CATALOGUE, key):
                findings.add("dangling", key.hex(), "a listed context is not there", mend)

    def check_expiry(self, findings: Findings) -> None:
        """Check that every key of an end is a head's own."""
        for key, value in sweep(self._values, Family.EXPIRY):
            mend = self._mending.key(Family.EXPIRY, key)
            if isinstance(value, CorruptError):
                findings.add("corrupt", key.hex(), f"an end: {value.problem}", mend)
                continue
            at_ms, tenant, digest = split_expiry(key)
            if self._ends_then(tenant, digest, at_ms):
                continue
            if self._is_kept(Family.EXPIRY, key):
                findings.add("garbage", key.hex(), "the end of a context that ends not then", mend)

    def _reference_counts(self) -> dict[tuple[str, bytes], int]:
        counts: dict[tuple[str, bytes], int] = {}
        for key, _ in sweep(self._values, Family.REFERENCE):
            tenant, _, digest = split_reference(key)
            counts[tenant, digest] = counts.get((tenant, digest), 0) + 1
        return counts

    def _check_listing(self, tenant: str, digest: bytes, head: Head, findings: Findings) -> None:
        keys = [(Family.CATALOGUE, catalogue_key(tenant, head.id))]
        if head.expires_ms:
            keys.append((Family.EXPIRY, expiry_key(head.expires_ms, tenant, digest)))
        is_listed = all(_get(self._values, family, key) is not None for family, key in keys)
        if not is_listed and self._head(tenant, digest) == head:
            mend = self._mending.listing(tenant, head, digest)
            findings.add("missing", digest.hex(), "a context's listing or end is not there", mend)

    def _check_names(self, tenant: str, digest: bytes, count: int, findings: Findings) -> None:
        """Compare what a context reaches with what is kept for it; on a doubt, key by key."""
        head = self._head(tenant, digest)
        if head is None:
            return
        reached = set(reachable(head, lambda name: self._bodies.body(tenant, name)))
        for name in reached:
            key = reference_key(tenant, name, digest)
            if _get(self._values, Family.REFERENCE, key) is None:
                if self._head(tenant, digest) != head:
                    return  # it changed while it was read
                findings.add("missing", name.hex(), f"no reference by context {digest.hex()}")
        if count != len(reached):
            self._check_orphans(tenant, digest, reached, findings)

    def _check_orphans(
        self, tenant: str, digest: bytes, reached: set[Name], findings: Findings
    ) -> None:
        """Name references of a context that it does not need, if it stays as it is meanwhile."""
        before = self._head(tenant, digest)
        orphans = [
            key
            for key in self._references_of(tenant, digest)
            if split_reference(key)[1] not in (reached)
        ]
        if before is not None:
            again = set(reachable(before, lambda name: self._bodies.body(tenant, name)))
            orphans = [key for key in orphans if split_reference(key)[1] not in again]
        if self._head(tenant, digest) != before:
            return
        for key in orphans:
            kind: FindingKind = "garbage" if before is not None else "dangling"
            mend = self._mending.key(Family.REFERENCE, key)
            findings.add(kind, key.hex(), "a reference that its context does not need", mend)

    def _references_of(self, tenant: str, digest: bytes) -> Iterator[bytes]:
        for key, _ in sweep(self._values, Family.REFERENCE, tenant_prefix(tenant)):
            if key[-DIGEST_BYTES:] == digest:
                yield key

    def _head(self, tenant: str, digest: bytes) -> Head | None:
        stored = self._values.get(Family.HEAD, head_key(tenant, digest))
        return None if stored is None else Head.decode(stored)

    def _has_head(self, tenant: str, digest: bytes) -> bool:
        return _get(self._values, Family.HEAD, head_key(tenant, digest)) is not None

    def _is_kept(self, family: Family, key: bytes) -> bool:
        """Whether a key is still there after what it stands for was looked up."""
        return _get(self._values, family, key) is not None

    def _ends_then(self, tenant: str, digest: bytes, at_ms: int) -> bool:
        """Whether a context ends at this time; a damaged one may, and its end is kept."""
        try:
            head = self._head(tenant, digest)
        except CorruptError:
            return True
        return head is not None and head.expires_ms == at_ms


def _decoded(value: bytes | CorruptError) -> Head:
    if isinstance(value, CorruptError):
        raise value
    return Head.decode(value)


def _get(values: KeyValues, family: Family, key: bytes) -> bytes | None:
    """Return a value; a damaged one is there, and is named where its family is checked."""
    try:
        return values.get(family, key)
    except CorruptError:
        return b""
