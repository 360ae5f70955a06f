"""Retention: which contexts go by rule, how, and why; decided in one walk over a tenant's.

The same code plans and does: `tierfold retention --plan` shows what a shard's upkeep would do.
"""

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tierfold.config import RetentionRule
from tierfold.context.stored import About
from tierfold.errors import InvalidInputError

RULES_MAX = 100
SURPLUS_MAX = 65_536  # contexts that one walk finds above a number or a size: 20 MB; then the next

Reason = Literal["idle", "age", "contexts", "bytes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A context as rules see it; what the caller says of it is read only where a rule asks."""

    tenant: str
    id: str
    version: int
    shape: str  # messages, parts or text
    size_bytes: int
    created_ms: int
    updated_ms: int
    pinned_until_ms: int
    about: Callable[[], About] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A context that goes."""

    candidate: Candidate
    rule: RetentionRule
    reason: Reason


def matches(rule: RetentionRule, candidate: Candidate) -> bool:
    """Return whether a rule is for a context, whatever its age."""
    if rule.tenant not in {"", candidate.tenant} or rule.shape not in {"", candidate.shape}:
        return False
    if not (rule.title_prefix or rule.metadata):
        return True
    about = candidate.about()
    if not about.title.startswith(rule.title_prefix):
        return False
    return all(
        name in about.metadata and _equal(about.metadata[name], value)
        for name, value in rule.metadata.items()
    )


class Census:
    """One walk over the contexts of one tenant, whatever their number."""

    def __init__(
        self, rules: Sequence[RetentionRule], now_ms: int, *, surplus_max: int = SURPLUS_MAX
    ) -> None:
        # A deletion makes an archive unneeded, so it is looked for first.
        self._rules = sorted(rules, key=lambda rule: rule.action != "delete")
        self._now_ms = now_ms
        self._counts = [
            _Count(rule, surplus_max) for rule in self._rules if rule.contexts_max or rule.bytes_max
        ]

    def look(self, candidate: Candidate) -> Verdict | None:
        """Return why a context goes by its times, if it does; else it counts."""
        verdict = next(self._timely(candidate), None)
        if verdict is None or verdict.rule.action == "archive":
            self._count(candidate, is_archived=verdict is not None)
        return verdict

    def surplus(self) -> Iterator[Verdict]:
        """Yield what goes because there is too much, those idle longest first; after all looks."""
        gone: dict[str, set[str]] = {"delete": set(), "archive": set()}
        for count in self._counts:
            action = count.rule.action
            for verdict in count.surplus(gone["delete"]):
                if verdict.candidate.id not in gone[action]:
                    gone[action].add(verdict.candidate.id)
                    yield verdict

    def _timely(self, candidate: Candidate) -> Iterator[Verdict]:
        if candidate.pinned_until_ms > self._now_ms:
            return
        idle_ms = self._now_ms - candidate.updated_ms
        age_ms = self._now_ms - candidate.created_ms
        for rule in self._rules:
            reason: Reason | None = None
            if rule.idle_ms_max is not None and idle_ms > rule.idle_ms_max:
                reason = "idle"
            elif rule.age_ms_max is not None and age_ms > rule.age_ms_max:
                reason = "age"
            if reason is not None and matches(rule, candidate):
                yield Verdict(candidate=candidate, rule=rule, reason=reason)

    def _count(self, candidate: Candidate, *, is_archived: bool) -> None:
        """Count a context where it is kept: what is archived takes no room that archives make."""
        is_pinned = candidate.pinned_until_ms > self._now_ms
        for count in self._counts:
            counts = not is_archived or count.rule.action == "delete"
            if counts and matches(count.rule, candidate):
                count.add(candidate, is_pinned=is_pinned)


class _Count:
    """How much there is that one rule limits, and which of it is idle longest."""

    def __init__(self, rule: RetentionRule, surplus_max: int) -> None:
        self.rule = rule
        self._surplus_max = surplus_max
        self._contexts = 0
        self._bytes = 0
        self._idlest: list[tuple[int, int, Candidate]] = []  # the one changed last on top

    def add(self, candidate: Candidate, *, is_pinned: bool) -> None:
        """Count a context; a pinned one takes room, but does not make any."""
        self._contexts += 1
        self._bytes += candidate.size_bytes
        if is_pinned:
            return
        entry = (-candidate.updated_ms, self._contexts, candidate)
        if len(self._idlest) < self._surplus_max:
            heapq.heappush(self._idlest, entry)
        else:
            heapq.heappushpop(self._idlest, entry)

    def surplus(self, deleted: set[str]) -> Iterator[Verdict]:
        """Yield what is too much; what is deleted by a rule before this one is no more."""
        gone = [each for *_, each in self._idlest if each.id in deleted]
        contexts = self._contexts - len(gone)
        size_bytes = self._bytes - sum(each.size_bytes for each in gone)
        for *_, candidate in sorted(self._idlest, key=lambda entry: (-entry[0], entry[1])):
            if candidate.id in deleted:
                continue
            reason = self._exceeded(contexts, size_bytes)
            if reason is None:
                return
            contexts -= 1
            size_bytes -= candidate.size_bytes
            yield Verdict(candidate=candidate, rule=self.rule, reason=reason)

    def _exceeded(self, contexts: int, size_bytes: int) -> Reason | None:
        if self.rule.contexts_max is not None and contexts > self.rule.contexts_max:
            return "contexts"
        if self.rule.bytes_max is not None and size_bytes > self.rule.bytes_max:
            return "bytes"
        return None


def require_consistent(rules: Sequence[RetentionRule]) -> None:
    """Refuse rules of which one can never do anything, and two of one name."""
    if len(rules) > RULES_MAX:
        problem = f"there are {len(rules)} rules; at most {RULES_MAX}"
        raise InvalidInputError(problem, path="retention")
    names = [rule.name for rule in rules]
    for name in names:
        if names.count(name) > 1:
            problem = f"two rules have the name {name!r}: a plan could not say which it was"
            raise InvalidInputError(problem, path="retention")
    for archive in (rule for rule in rules if rule.action == "archive"):
        for deletion in (rule for rule in rules if rule.action == "delete"):
            if _is_never_reached(archive, deletion):
                problem = (
                    f"it archives nothing: {deletion.name!r} deletes the same contexts before; "
                    "give it lower limits, or drop it"
                )
                raise InvalidInputError(problem, path=f"retention rule {archive.name!r}")


def _is_never_reached(archive: RetentionRule, deletion: RetentionRule) -> bool:
    """Whether all that one rule archives is deleted by then."""
    if not _covers(deletion, archive):
        return False
    # Nothing is idle for longer than it is old: who goes by age goes by idleness too.
    idle, age = deletion.idle_ms_max, deletion.age_ms_max
    is_same = _covers(archive, deletion)
    return all(
        (
            _is_sooner((idle, age), archive.idle_ms_max),
            _is_sooner((age,), archive.age_ms_max),
            _is_sooner((deletion.contexts_max,) if is_same else (), archive.contexts_max),
            _is_sooner((deletion.bytes_max,) if is_same else (), archive.bytes_max),
        )
    )


def _is_sooner(deletions: Sequence[int | None], archive: int | None) -> bool:
    return archive is None or any(each is not None and each <= archive for each in deletions)


def _covers(wide: RetentionRule, narrow: RetentionRule) -> bool:
    """Whether every context that one rule is for is one of the other's."""
    return (
        wide.tenant in {"", narrow.tenant}
        and wide.shape in {"", narrow.shape}
        and narrow.title_prefix.startswith(wide.title_prefix)
        and all(
            name in narrow.metadata and _equal(narrow.metadata[name], value)
            for name, value in wide.metadata.items()
        )
    )


def _equal(one: object, other: object) -> bool:
    """Compare as JSON does: true is not 1."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other
