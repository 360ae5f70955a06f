"""Retention carried out: contexts that go by rule are deleted, or left to L4 alone."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice

from tierfold.config import RetentionRule
from tierfold.context.identity import ContextKey
from tierfold.context.manifest import Head
from tierfold.context.segment import Name
from tierfold.context.stored import About, about_of
from tierfold.engine.shard.heads import NO_ABOUT, is_over
from tierfold.engine.shard.keys import head_key, tenant_prefix
from tierfold.engine.shard.upkeep.archiving import Archiver
from tierfold.engine.shard.upkeep.bodies import StoredBodies
from tierfold.engine.shard.upkeep.expiring import Removal, Remove
from tierfold.engine.shard.upkeep.steps import Commits
from tierfold.engine.shard.upkeep.sweeping import sweep, tenants
from tierfold.engine.shard.view import Stored
from tierfold.errors import CorruptError, SetupError, TierfoldError
from tierfold.memory.lifecycle.retention import Candidate, Census
from tierfold.ports import Batch, Family, KeyValues, WallClock

Rules = Callable[[], Sequence[RetentionRule]]
Left = Callable[[str, bytes], None]  # told tenant and digest

_HEADS_AT_ONCE = 64
_ABOUTS_KEPT = 4096  # what callers say of a context may lie in L4: it is not asked each time


class Retainer:
    """Looks at every context by the rules in force, a few at a time."""

    def __init__(
        self,
        *,
        values: KeyValues,
        commits: Commits,
        bodies: StoredBodies,
        wall: WallClock,
        remove: Remove,
        archiver: Archiver | None,
    ) -> None:
        self._values = values
        self._commits = commits
        self._bodies = bodies
        self._wall = wall
        self._remove = remove
        self._archiver = archiver
        self._abouts: OrderedDict[tuple[str, Name], About] = OrderedDict()

    def one_pass(self, rules: Sequence[RetentionRule], *, was_deleted: Left) -> Iterator[None]:
        """Let go what goes; raises, in the end, the last error that one context met."""
        if self._archiver is None and any(rule.action == "archive" for rule in rules):
            problem = "a retention rule archives, and there is no object store to keep it"
            raise SetupError(problem)
        failed: TierfoldError | None = None
        for tenant in tenants(self._values, Family.HEAD) if rules else ():
            walk = _Walk(tenant, Census(rules, self._wall.unix_ms()))
            for goes in self._judged(walk):
                try:
                    if goes is not None and self._is_deleted(tenant, goes):
                        was_deleted(tenant, ContextKey(tenant, goes.id).digest)
                except TierfoldError as error:  # others do not wait for it
                    failed = error
                yield
            failed = walk.failed or failed
            if self._archiver is not None and walk.archived:
                yield from self._archiver.archive(tenant, walk.archived)
        if failed is not None:
            raise failed

    def _judged(self, walk: "_Walk") -> Iterator[Head | None]:
        """Yield every context that is to be deleted, and nothing now and then, for a pause."""
        for heads in self._heads(walk.tenant):
            for head in heads:
                if not is_over(head, self._wall.unix_ms()):
                    goes = self._verdict(walk, head)
                    if goes is not None:
                        yield goes
            yield None
        for verdict in walk.census.surplus():
            digest = ContextKey(walk.tenant, verdict.candidate.id).digest
            if verdict.rule.action == "archive":
                walk.archived.add(digest)
                continue
            found = self._head(walk.tenant, digest)
            if found is not None and found.version == verdict.candidate.version:
                yield found

    def _verdict(self, walk: "_Walk", head: Head) -> Head | None:
        """Return a context that is deleted for its age; note one that is archived for it."""
        try:
            verdict = walk.census.look(self._candidate(walk.tenant, head))
        except TierfoldError as error:  # what its owner says of it cannot be read now
            walk.failed = error
            return None
        if verdict is None:
            return None
        if verdict.rule.action == "delete":
            return head
        walk.archived.add(ContextKey(walk.tenant, head.id).digest)
        return None

    def _heads(self, tenant: str) -> Iterator[list[Head]]:
        """Yield the heads of a tenant, some at a time, while they change."""
        after = b""
        prefix = tenant_prefix(tenant)
        while True:
            swept = sweep(self._values, Family.HEAD, prefix, after=after)
            found = list(islice(swept, _HEADS_AT_ONCE))
            if not found:
                return
            after = found[-1][0]
            heads = (self._decoded(data) for _, data in found)
            yield [head for head in heads if head is not None]

    def _head(self, tenant: str, digest: bytes) -> Head | None:
        try:
            stored = self._values.get(Family.HEAD, head_key(tenant, digest))
        except CorruptError as error:
            return self._decoded(error)
        return None if stored is None else self._decoded(stored)

    def _decoded(self, stored: bytes | CorruptError) -> Head | None:
        """Return a head; None for one that is damaged: the audit names it."""
        try:
            return None if isinstance(stored, CorruptError) else Head.decode(stored)
        except CorruptError:
            return None

    def _candidate(self, tenant: str, head: Head) -> Candidate:
        return Candidate(
            tenant=tenant,
            id=head.id,
            version=head.version,
            shape=head.shape.name.lower(),
            size_bytes=head.size_bytes,
            created_ms=head.created_ms,
            updated_ms=head.updated_ms,
            pinned_until_ms=head.pinned_until_ms,
            about=partial(self._about, tenant, head),
        )

    def _about(self, tenant: str, head: Head) -> About:
        if head.about is None:
            return NO_ABOUT
        key = (tenant, head.about)
        about = self._abouts.get(key)
        if about is None:
            about = self._abouts[key] = about_of(self._bodies.body(tenant, head.about))
            if len(self._abouts) > _ABOUTS_KEPT:
                self._abouts.popitem(last=False)
        return about

    def _is_deleted(self, tenant: str, head: Head) -> bool:
        removal = self._remove(tenant, head)
        return self._commits.run(partial(_deleted, tenant=tenant, head=head, removal=removal))


class _Walk:
    """What one walk over a tenant's contexts has found."""

    def __init__(self, tenant: str, census: Census) -> None:
        self.tenant = tenant
        self.census = census
        self.archived: set[bytes] = set()
        self.failed: TierfoldError | None = None


def _deleted(view: Stored, batch: Batch, *, tenant: str, head: Head, removal: Removal) -> bool:
    """Delete a context if it is still as it was judged; returns whether it was."""
    stored = view.get(Family.HEAD, head_key(tenant, ContextKey(tenant, head.id).digest))
    if stored is None or Head.decode(stored) != head:
        return False
    removal(view, batch)
    return True
