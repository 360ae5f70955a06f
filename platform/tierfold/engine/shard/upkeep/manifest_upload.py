"""Manifests in L4: each is put under the next number, then those before it are deleted."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from tierfold.engine.shard.objects import manifest_object, manifests_folder, split_manifest
from tierfold.engine.shard.together import together
from tierfold.errors import ObjectStoreError
from tierfold.ports import Objects

NUMBERS_REMEMBERED = 65_536  # last manifest of a context: else its folder is listed
_TRIES = 3  # numbers that somebody else may have taken


@dataclass(frozen=True, slots=True, kw_only=True)
class NewState:
    """What L4 shall have of a context."""

    tenant: str
    digest: bytes
    manifest: bytes | None = field(repr=False)  # None: the context is deleted


class ManifestUpload:
    """Brings L4 to the state of contexts, many at once; for one thread."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._numbers: OrderedDict[tuple[str, bytes], int] = OrderedDict()

    def put(self, states: Sequence[NewState]) -> list[ObjectStoreError | None]:
        """Put or delete manifests, each of another context; returns how each failed, if so."""
        known = [self._numbers.pop((each.tenant, each.digest), None) for each in states]
        outcomes = together(
            [partial(self._put, each, last) for each, last in zip(states, known, strict=True)]
        )
        failures: list[ObjectStoreError | None] = []
        for each, outcome in zip(states, outcomes, strict=True):
            if isinstance(outcome, ObjectStoreError):
                failures.append(outcome)
                continue
            failures.append(None)
            if outcome:
                self._numbers[each.tenant, each.digest] = outcome
        while len(self._numbers) > NUMBERS_REMEMBERED:
            self._numbers.popitem(last=False)
        return failures

    def _put(self, state: NewState, last: int | None) -> int:
        """Return the number of the context's manifest now, 0 where it has none; in any thread."""
        if state.manifest is None:
            self._delete(state)
            return 0
        for _ in range(_TRIES):
            older = [] if last is None else [manifest_object(state.tenant, state.digest, last)]
            if last is None:
                older = self._keys(state)
                last = max(map(_number, older), default=0)
            key = manifest_object(state.tenant, state.digest, last + 1)
            if self._objects.put_new(key, state.manifest):
                if older:
                    self._objects.delete(older)
                return last + 1
            last = None  # somebody put it before us: look again
        problem = f"another store puts manifests of context {state.digest.hex()} there"
        raise ObjectStoreError(url=self._objects.url, problem=problem)

    def _delete(self, state: NewState) -> None:
        keys = self._keys(state)
        if keys:
            self._objects.delete(keys)

    def _keys(self, state: NewState) -> list[str]:
        return list(self._objects.keys(manifests_folder(state.tenant, state.digest)))


def _number(key: str) -> int:
    manifest = split_manifest(key)
    return 0 if manifest is None else manifest[2]
