"""L4 follows: what the outbox names is put into the object store, and what it lacks is deleted.

One pass at a time: blocks first, then manifests that need them. Only when every manifest of a
tenant that was waiting at the beginning of a pass is up are its blocks deleted that were unneeded
at that time, so that no manifest in L4 ever names a block that is not there.
"""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice

from tierfold.context.manifest import Head
from tierfold.engine.shard.blocks import ObjectSource
from tierfold.engine.shard.keys import head_key, outbox_context_key, split_outbox
from tierfold.engine.shard.together import require_all
from tierfold.engine.shard.upkeep.archived import ArchivedManifest
from tierfold.engine.shard.upkeep.block_upload import BlockUpload
from tierfold.engine.shard.upkeep.bodies import StoredBodies
from tierfold.engine.shard.upkeep.manifest_upload import ManifestUpload, NewState
from tierfold.engine.shard.upkeep.manifests import Manifests, Needs
from tierfold.engine.shard.upkeep.sealing import Sealer
from tierfold.engine.shard.upkeep.steps import Commits
from tierfold.engine.shard.upkeep.sweeping import sweep
from tierfold.engine.shard.view import Stored
from tierfold.errors import CorruptError
from tierfold.ports import Batch, Family, KeyValues

UNNEEDED_PER_PASS = 4096
KEYS_AT_ONCE = 32  # of the outbox: 2 MB of blocks
_TRIES = 3  # seals and puts of contexts before they are left for the next pass

_Context = tuple[str, bytes]  # tenant and digest


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    """A context on the outbox, as it was when it was looked at."""

    context: _Context
    mark: bytes
    stored: bytes | None = field(repr=False)  # its head; None: it is deleted
    needs: Needs | None = field(default=None, repr=False)  # None: it changed meanwhile


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
        self._sealer = sealer
        self._owner = source.owner
        self._needs = Manifests(values, bodies)
        self._blocks = BlockUpload(values=values, commits=commits, bodies=bodies, source=source)
        self._manifests = ManifestUpload(source.objects)

    def one_pass(self) -> Iterator[None]:
        """Work off what the outbox holds now; pauses after every few objects."""
        unneeded = [
            key for key, _ in islice(sweep(self._values, Family.OUTBOX, b"u"), UNNEEDED_PER_PASS)
        ]
        behind: set[str] = set()  # tenants of which L4 still has an old manifest
        for keys in self._runs(b"b"):
            behind |= self._blocks.put(map(_block, keys))
            yield
        for keys in self._runs(b"c"):
            behind |= self._follow([split_outbox(key)[1:] for key in keys])
            yield
        yield from self._delete_unneeded(unneeded, behind)

    def _delete_unneeded(self, unneeded: Sequence[bytes], behind: Container[str]) -> Iterator[None]:
        """Delete blocks and dictionaries of the tenants whose manifests are all up."""
        for keys in _cut(key for key in unneeded if _tenant(key) not in behind):
            self._blocks.delete_blocks(keys)
            yield
        for run in self._runs(b"d"):
            keys = [key for key in run if _tenant(key) not in behind]
            if keys:
                self._blocks.delete_dictionaries(keys)
                yield

    def _runs(self, kind: bytes) -> Iterator[list[bytes]]:
        """Yield the outbox keys of one kind, a few at a time, read when those before are done."""
        after = b""
        while keys := self._next(kind, after):
            yield keys
            after = keys[-1]

    def _next(self, kind: bytes, after: bytes) -> list[bytes]:
        swept = sweep(self._values, Family.OUTBOX, kind, after=after)
        return [key for key, _ in islice(swept, KEYS_AT_ONCE)]

    def _follow(self, contexts: Sequence[_Context]) -> set[str]:
        """Bring L4 to the state of contexts; returns the tenants of those that have to wait."""
        behind: set[str] = set()
        for _ in range(_TRIES):
            looked = [self._looked_at(context, behind) for context in contexts]
            again = self._put([each for each in looked if each is not None])
            contexts = [each.context for each in again]
            if not contexts:
                break
        return behind | {tenant for tenant, _ in contexts}

    def _looked_at(self, context: _Context, behind: set[str]) -> _Waiting | None:
        """Return a context and what it needs; None for one with which nothing is to be done."""
        try:
            mark = self._values.get(Family.OUTBOX, outbox_context_key(*context))
            if mark is None:
                return None
            stored = self._values.get(Family.HEAD, head_key(*context))
            waiting = _Waiting(context=context, mark=mark, stored=stored)
            return waiting if stored is None else self._with_needs(waiting, stored)
        except CorruptError:
            behind.add(context[0])  # it waits until it is mended; the audit names it
            return None

    def _with_needs(self, waiting: _Waiting, stored: bytes) -> _Waiting:
        """Return a context with its blocks, rows sealed; raises CorruptError if it is damaged."""
        tenant = waiting.context[0]
        try:
            needs = self._needs.needs(tenant, Head.decode(stored))
            if needs.rows:
                for _ in self._sealer.seal_names(tenant, needs.rows):
                    pass
                needs = self._needs.needs(tenant, Head.decode(stored))
        except CorruptError:
            if self._values.get(Family.HEAD, head_key(*waiting.context)) == stored:
                raise
            return replace(waiting, needs=None)  # what it needed went while it was read
        return replace(waiting, needs=needs)

    def _put(self, waiting: Sequence[_Waiting]) -> list[_Waiting]:
        """Put blocks, then manifests; returns the contexts that changed meanwhile."""
        self._blocks.put(self._missing(waiting))
        ready = [(each, self._state(each)) for each in waiting]
        states = [state for _, state in ready if state is not None]
        failures = self._manifests.put(states)
        failed = {
            (state.tenant, state.digest)
            for state, failure in zip(states, failures, strict=True)
            if failure is not None
        }
        put = [each for each, state in ready if state and each.context not in failed]
        followed = self._commits.run(partial(_followed, waiting=put)) if put else set()
        require_all(failures)
        return [each for each in waiting if each.context not in followed]

    def _missing(self, waiting: Sequence[_Waiting]) -> Iterator[tuple[str, int]]:
        """Yield the blocks that these contexts need and L4 has not, as far as is noted."""
        seen: set[tuple[str, int]] = set()
        for each in waiting:
            tenant = each.context[0]
            for number in () if each.needs is None else each.needs.blocks:
                if (tenant, number) not in seen and self._hash_in_l4(tenant, number) is None:
                    yield tenant, number
                seen.add((tenant, number))

    def _state(self, waiting: _Waiting) -> NewState | None:
        """Return what L4 shall have; None where something that is needed is not there."""
        tenant, digest = waiting.context
        if waiting.stored is None:
            return NewState(tenant=tenant, digest=digest, manifest=None)
        if waiting.needs is None or waiting.needs.rows:
            return None
        hashes: dict[bytes, None] = {}
        for number in waiting.needs.blocks:
            hashed = self._hash_in_l4(tenant, number)
            if hashed is None:
                return None
            hashes[hashed] = None
        manifest = ArchivedManifest(owner=self._owner, head=waiting.stored, blocks=tuple(hashes))
        return NewState(tenant=tenant, digest=digest, manifest=manifest.encode())

    def _hash_in_l4(self, tenant: str, number: int) -> bytes | None:
        """Return the hash of a block that L4 has; None for one that it has not, or that is gone."""
        try:
            hashed = self._needs.hash_of(tenant, number)
            if hashed is not None and self._blocks.is_up(tenant, number, hashed):
                return hashed
        except CorruptError:
            pass
        return None


def _block(key: bytes) -> tuple[str, int]:
    _, tenant, number = split_outbox(key)
    return tenant, int.from_bytes(number, "big")


def _tenant(key: bytes) -> str:
    return split_outbox(key)[1]


def _cut(keys: Iterable[bytes]) -> Iterator[list[bytes]]:
    left = iter(keys)
    while run := list(islice(left, KEYS_AT_ONCE)):
        yield run


def _followed(view: Stored, batch: Batch, *, waiting: Sequence[_Waiting]) -> set[_Context]:
    """Take contexts off the outbox that still are what was put; returns those."""
    followed = set()
    for each in waiting:
        key = outbox_context_key(*each.context)
        is_marked = view.get(Family.OUTBOX, key) == each.mark
        if is_marked and view.get(Family.HEAD, head_key(*each.context)) == each.stored:
            batch.delete(Family.OUTBOX, key)
            followed.add(each.context)
    return followed
