"""Dictionaries of a tenant: trained from its own bodies, kept with it, gone with it.

A dictionary that is lost takes all with it that was packed by it: so it is on the disk, and in L4
where there is one, before the first block needs it.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from tierfold.compression.lossless import Codec, ContentKind, Dictionary, content_kind, train
from tierfold.compression.lossless.dictionaries import SAMPLES_BYTES_MIN
from tierfold.engine.shard.blocks import ObjectSource
from tierfold.engine.shard.keys import outbox_dictionary_key, stub_hash, tenant_prefix
from tierfold.engine.shard.objects import dictionary_object
from tierfold.engine.shard.upkeep.steps import Commits
from tierfold.engine.shard.upkeep.sweeping import known, sound, tenants
from tierfold.engine.shard.view import Stored
from tierfold.errors import CorruptError
from tierfold.ports import Batch, Family, KeyValues

CODECS_KEPT = 64  # of the tenants that were read last; a dictionary has 16 to 64 KiB
SAMPLES_BYTES_MAX = 4 << 20  # of one kind
BLOCKS_SAMPLED_MAX = 512
RETIRED_MS_MIN = 60_000  # no change is under way for so long

_ALONE = (ContentKind.NAMES, ContentKind.OPAQUE)  # nothing to learn in hashes and packed bytes


class Dictionaries:
    """Codecs with each tenant's dictionaries, read when they are first needed; thread-safe."""

    def __init__(self, values: KeyValues) -> None:
        self._values = values
        self._codecs: OrderedDict[str, tuple[tuple[Dictionary, ...], Codec]] = OrderedDict()
        self._common = Codec()
        self._retired: set[str] = set()
        self._lock = threading.Lock()

    def codec_of(self, tenant: str) -> Codec:
        """Return the codec with a tenant's dictionaries."""
        return self._held(tenant)[1]

    def trained(self, tenant: str) -> tuple[Dictionary, ...]:
        """Return the dictionaries that were trained for a tenant."""
        return self._held(tenant)[0]

    def forget(self, tenant: str) -> None:
        """Read them anew next time."""
        with self._lock:
            self._codecs.pop(tenant, None)
            self._retired.discard(tenant)

    def retire(self, tenant: str) -> None:
        """Let a tenant's dictionaries unpack from now on, and pack no more."""
        with self._lock:
            self._codecs.pop(tenant, None)
            self._retired.add(tenant)

    def _held(self, tenant: str) -> tuple[tuple[Dictionary, ...], Codec]:
        with self._lock:
            held = self._codecs.get(tenant)
            if held is None:
                trained = tuple(self._stored(tenant))
                if tenant in self._retired:  # of no kind: none is packed with them
                    trained = tuple(replace(each, kind=None) for each in trained)
                held = (trained, Codec(trained) if trained else self._common)
                self._codecs[tenant] = held
                if len(self._codecs) > CODECS_KEPT:
                    self._codecs.popitem(last=False)
            return held

    def _stored(self, tenant: str) -> Iterator[Dictionary]:
        """Yield what is on the disk; a damaged one is left out, and what needs it says so."""
        for _, value in known(sound(self._values, Family.DICTIONARY, tenant_prefix(tenant))):
            try:
                yield Dictionary.decode(value)
            except CorruptError:
                continue


class Trainer:
    """Trains one dictionary per kind once a tenant has enough text; drops them with the tenant."""

    def __init__(
        self,
        *,
        values: KeyValues,
        commits: Commits,
        dictionaries: Dictionaries,
        source: ObjectSource | None,
    ) -> None:
        self._values = values
        self._commits = commits
        self._dictionaries = dictionaries
        self._source = source
        self._empty_since: dict[str, float] = {}  # tenants with dictionaries and nothing else

    def train(self, tenant: str) -> int:
        """Train what is missing and can be trained; returns how many dictionaries are new.

        Raises ObjectStoreError where L4 does not take one: then it is not used either.
        """
        have = {each.kind for each in self._dictionaries.trained(tenant)}
        made = [
            dictionary
            for kind, samples in self._samples(tenant).items()
            if kind not in have and (dictionary := train(samples, kind)) is not None
        ]
        for dictionary in made:
            self._keep(tenant, dictionary)
        if made:
            self._dictionaries.forget(tenant)
        return len(made)

    def drop_unneeded(self, now_ms: float) -> int:
        """Remove dictionaries of tenants that have had nothing for a while; returns how many had.

        Not at once: a change that is under way may be packed with one already.
        """
        dropped = 0
        for tenant in list(tenants(self._values, Family.DICTIONARY)):
            if not _is_empty(self._values, tenant):
                if self._empty_since.pop(tenant, None) is not None:
                    self._dictionaries.forget(tenant)
                continue
            since_ms = self._empty_since.setdefault(tenant, now_ms)
            if since_ms == now_ms:
                self._dictionaries.retire(tenant)
            elif now_ms - since_ms >= RETIRED_MS_MIN:
                dropped += self._drop(tenant)
        return dropped

    def _drop(self, tenant: str) -> bool:
        ids = [each.id for each in self._dictionaries.trained(tenant)]
        has_l4 = self._source is not None
        if not self._commits.run(partial(_dropped, tenant=tenant, ids=ids, has_l4=has_l4)):
            return False
        del self._empty_since[tenant]
        self._dictionaries.forget(tenant)
        return True

    def _keep(self, tenant: str, dictionary: Dictionary) -> None:
        stored = dictionary.encode()
        if self._source is not None:
            named = dictionary_object(tenant, self._source.owner, dictionary.id)
            self._source.objects.put_new(named, stored)
        key = tenant_prefix(tenant) + dictionary.id
        self._commits.run(lambda _, batch: batch.put(Family.DICTIONARY, key, stored))

    def _samples(self, tenant: str) -> dict[ContentKind, list[bytes]]:
        """Return bodies of sealed blocks by kind, no more than training takes."""
        codec = self._dictionaries.codec_of(tenant)
        samples: dict[ContentKind, list[bytes]] = {}
        sizes: dict[ContentKind, int] = {}
        blocks = sound(self._values, Family.BLOCK, tenant_prefix(tenant))
        for _, (_, value) in zip(range(BLOCKS_SAMPLED_MAX), blocks, strict=False):
            if stub_hash(value) is not None:
                continue
            for body in _bodies(codec, value):
                kind = content_kind(body)
                if kind in _ALONE or sizes.get(kind, 0) >= SAMPLES_BYTES_MAX:
                    continue
                samples.setdefault(kind, []).append(body)
                sizes[kind] = sizes.get(kind, 0) + len(body)
        return {kind: each for kind, each in samples.items() if sizes[kind] >= SAMPLES_BYTES_MIN}


def _bodies(codec: Codec, value: bytes) -> Sequence[bytes]:
    """Return a block's bodies; none of one that is damaged, which the audit names."""
    try:
        block = codec.unpack(value)
    except CorruptError:
        return ()
    return [block.entry(at) for at in range(len(block))]


def _is_empty(view: Stored, tenant: str) -> bool:
    prefix = tenant_prefix(tenant)
    return all(
        next(view.scan(family, prefix), None) is None
        for family in (Family.HEAD, Family.BODY, Family.BLOCK)
    )


def _dropped(
    view: Stored, batch: Batch, *, tenant: str, ids: Sequence[bytes], has_l4: bool
) -> bool:
    if not _is_empty(view, tenant):
        return False
    for each in ids:
        batch.delete(Family.DICTIONARY, tenant_prefix(tenant) + each)
        if has_l4:
            batch.put(Family.OUTBOX, outbox_dictionary_key(tenant, each), b"")
    return True
