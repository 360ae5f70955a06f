"""What L4 is noted to have against what it has; holds nothing up, for the object store may be slow.

What is missing or damaged there is put again where the disk has it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TypeVar

from tierfold.compression.lossless import block_hash
from tierfold.compression.lossless.dictionaries import TRAINED_ID_BYTES
from tierfold.engine.shard.blocks import CodecOf, ObjectSource
from tierfold.engine.shard.keys import (
    HASH_BYTES,
    UPLOADED,
    block_key,
    head_key,
    outbox_context_key,
    split_tenant,
    stub_hash,
    tenant_prefix,
    uploaded_key,
    uploaded_prefix,
)
from tierfold.engine.shard.objects import (
    block_object,
    dictionary_object,
    manifests_folder,
    split_manifest,
)
from tierfold.engine.shard.together import require_all, together
from tierfold.engine.shard.upkeep.archived import ArchivedManifest
from tierfold.engine.shard.upkeep.audit.findings import FindingKind, Findings
from tierfold.engine.shard.upkeep.steps import Commits
from tierfold.engine.shard.upkeep.sweeping import sound
from tierfold.errors import CorruptError, FormatTooNewError, ObjectStoreError
from tierfold.ports import Family, KeyValues

T = TypeVar("T")

_AT_ONCE = 32  # objects that are in memory together: 2 MB of blocks
_NUMBER = 2  # in what `split_manifest` returns

_Problem = tuple[FindingKind, str] | None  # None: it is as it should be


@dataclass(frozen=True, slots=True)
class _Noted:
    """A block that L4 has, as is noted, and the disk has too."""

    tenant: str
    hashed: bytes
    number: int
    dictionary: bytes | None  # that it needs


class ObjectsAudit:
    """Checks blocks, dictionaries and manifests in L4; every doubt is looked at twice."""

    def __init__(
        self, *, values: KeyValues, commits: Commits, codec_of: CodecOf, source: ObjectSource
    ) -> None:
        self._values = values
        self._commits = commits
        self._codec_of = codec_of
        self._source = source
        self._objects = source.objects
        self._has_asked = False

    def check(self, findings: Findings) -> bool:
        """Read everything that L4 should have; where it does not answer, that is one finding.

        Returns whether something was mended by putting it on the outbox.
        """
        self._has_asked = False
        try:
            self._check_blocks(findings)
            self._check_manifests(findings)
        except ObjectStoreError as error:
            findings.add("unchecked", "objects", f"{error}")
        except CorruptError as error:  # a table is broken, and hides what it had
            findings.add("corrupt", (error.key or b"").hex(), f"{error.what}: {error.problem}")
        return self._has_asked

    def _check_blocks(self, findings: Findings) -> None:
        dictionaries: dict[tuple[str, bytes], None] = {}
        for run in _cut(self._noted()):
            problems = _outcomes([partial(self._block_problem, each) for each in run])
            for each, problem in zip(run, problems, strict=True):
                if each.dictionary is not None:
                    dictionaries[each.tenant, each.dictionary] = None
                if problem is not None and self._is_noted(each):
                    mend = partial(self._put_block, each)
                    findings.add(problem[0], each.hashed.hex(), problem[1], mend)
        for tenant, dictionary in dictionaries:
            self._check_dictionary(tenant, dictionary, findings)

    def _noted(self) -> Iterator[_Noted]:
        """Yield blocks, one of those with equal bytes; what L4 alone has is read with the rest."""
        before = ("", b"")
        for key, _ in sound(self._values, Family.META, UPLOADED):
            tenant, rest = split_tenant(key[1:])
            hashed, number = rest[:HASH_BYTES], int.from_bytes(rest[HASH_BYTES:], "big")
            value = self._on_disk(tenant, number)
            if value is None or (tenant, hashed) == before:
                continue
            before = (tenant, hashed)
            needed = self._codec_of(tenant).dictionary_of(value)
            is_trained = needed is not None and len(needed) == TRAINED_ID_BYTES
            yield _Noted(tenant, hashed, number, needed if is_trained else None)

    def _on_disk(self, tenant: str, number: int) -> bytes | None:
        """Return a block's bytes where the disk has them, whole."""
        try:
            value = self._values.get(Family.BLOCK, block_key(tenant, number))
        except CorruptError:
            return None
        return None if value is None or stub_hash(value) is not None else value

    def _is_noted(self, noted: _Noted) -> bool:
        key = uploaded_key(noted.tenant, noted.hashed, noted.number)
        return self._values.get(Family.META, key) is not None

    def _block_problem(self, noted: _Noted) -> _Problem:
        data = self._objects.get(block_object(noted.tenant, self._source.owner, noted.hashed))
        if data is None:
            return "missing", "a block that the object store should have"
        if block_hash(data) != noted.hashed:
            return "corrupt", "a block in the object store has other bytes"
        return None

    def _put_block(self, noted: _Noted) -> bool:
        data = self._on_disk(noted.tenant, noted.number)
        if data is None or block_hash(data) != noted.hashed:
            return False
        self._put(block_object(noted.tenant, self._source.owner, noted.hashed), data)
        return self._block_problem(noted) is None

    def _put(self, key: str, data: bytes) -> None:
        """Put an object in the place of a damaged one: objects are put where there is none."""
        self._objects.delete([key])
        self._objects.put_new(key, data)

    def _check_dictionary(self, tenant: str, dictionary: bytes, findings: Findings) -> None:
        stored = self._values.get(Family.DICTIONARY, tenant_prefix(tenant) + dictionary)
        key = dictionary_object(tenant, self._source.owner, dictionary)
        data = self._objects.get(key)
        if stored is None or data == stored:
            return

        def mend() -> bool:
            self._put(key, stored)
            return True

        kind: FindingKind = "missing" if data is None else "corrupt"
        findings.add(kind, dictionary.hex(), "a dictionary in the object store", mend)

    def _check_manifests(self, findings: Findings) -> None:
        heads = (
            (*split_tenant(key), head)
            for key, head in sound(self._values, Family.HEAD)
            if not self._is_waiting(*split_tenant(key))
        )
        for run in _cut(heads):
            problems = _outcomes([partial(self._manifest_problem, *each) for each in run])
            for (tenant, digest, head), problem in zip(run, problems, strict=True):
                if problem is not None and self._is_unchanged(tenant, digest, head):
                    mend = partial(self._ask_for, tenant, digest)
                    findings.add(problem[0], digest.hex(), problem[1], mend)

    def _is_waiting(self, tenant: str, digest: bytes) -> bool:
        return self._values.get(Family.OUTBOX, outbox_context_key(tenant, digest)) is not None

    def _is_unchanged(self, tenant: str, digest: bytes, head: bytes) -> bool:
        is_same = self._values.get(Family.HEAD, head_key(tenant, digest)) == head
        return is_same and not self._is_waiting(tenant, digest)

    def _manifest_problem(self, tenant: str, digest: bytes, head: bytes) -> _Problem:
        found = [
            (named[_NUMBER], key)
            for key in self._objects.keys(manifests_folder(tenant, digest))
            if (named := split_manifest(key)) is not None
        ]
        data = self._objects.get(max(found)[1]) if found else None
        if data is None:
            return "missing", "a manifest that the object store should have"
        try:
            manifest = ArchivedManifest.decode(data)
        except (CorruptError, FormatTooNewError):
            return "corrupt", "a manifest in the object store has other bytes"
        if manifest.head != head or not all(self._has(tenant, each) for each in manifest.blocks):
            return "corrupt", "a manifest in the object store is of another state"
        return None

    def _has(self, tenant: str, hashed: bytes) -> bool:
        prefix = uploaded_prefix(tenant, hashed)
        return next(self._values.scan(Family.META, prefix), None) is not None

    def _ask_for(self, tenant: str, digest: bytes) -> bool:
        """Have a manifest put under the next number, as after a change."""
        key = outbox_context_key(tenant, digest)
        self._commits.run(lambda _, batch: batch.put(Family.OUTBOX, key, b""))
        self._has_asked = True
        return True


def _cut(each: Iterable[T]) -> Iterator[list[T]]:
    left = iter(each)
    while run := list(islice(left, _AT_ONCE)):
        yield run


def _outcomes(calls: list[Callable[[], _Problem]]) -> list[_Problem]:
    """Return what several calls returned; raises ObjectStoreError where one of them failed."""
    outcomes = together(calls)
    require_all(outcomes)
    return [each for each in outcomes if not isinstance(each, ObjectStoreError)]
