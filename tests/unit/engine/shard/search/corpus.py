"""Contexts in a small store, and BM25 over them written down a second time."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from tierfold.compression.lossless import Codec, content_kind
from tierfold.context.canonical import message_item
from tierfold.context.identity import ContextKey
from tierfold.context.manifest import Head, Shape, Spine, grown
from tierfold.context.message import Message
from tierfold.context.segment import Item, Name, Segment, joined
from tierfold.engine.clock import FakeClock
from tierfold.engine.shard.blocks import Blocks
from tierfold.engine.shard.bodies import Bodies
from tierfold.engine.shard.keys import head_key, name_prefix, reference_key
from tierfold.engine.shard.operations import Hits
from tierfold.engine.shard.search import SearchIndex, waiting_entry
from tierfold.engine.shard.search.words import text_in
from tierfold.ports import Batch, Family, KeyValues
from tierfold.relevance.vocabulary import scan, stems_of
from tierfold.storage.memory import MemoryKeyValues

CODEC = Codec()


class Wall:
    def __init__(self) -> None:
        self.now_ms = 1000

    def unix_ms(self) -> int:
        return self.now_ms


class Journal(MemoryKeyValues):
    """Remembers its batches, so that a crash can take back those that were not synced."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[tuple[Batch, bool]] = []

    def write(self, batch: Batch, *, durable: bool = True) -> None:
        self.batches.append((Batch(dict(batch.puts)), durable))
        super().write(batch, durable=durable)

    def drop(self, family: Family) -> None:
        gone = Batch({(family, key): None for key, _ in self.scan(family, b"")})
        self.batches.append((gone, True))
        super().drop(family)

    def unsynced(self) -> int:
        """How many batches a crash could take at most."""
        durable = [at for at, (_, synced) in enumerate(self.batches) if synced]
        return len(self.batches) - (durable[-1] + 1 if durable else 0)

    def after_crash(self, lost: int) -> "Journal":
        """Return the store without its last batches."""
        again = Journal()
        for batch, durable in self.batches[: len(self.batches) - lost]:
            again.write(batch, durable=durable)
        return again


class Corpus:
    """Writes contexts as a shard does: head, references, rows, and keys of what waits."""

    def __init__(self, values: KeyValues | None = None) -> None:
        self.values = MemoryKeyValues() if values is None else values
        self.wall = Wall()
        self.contexts: dict[tuple[str, str], list[Item]] = {}
        self.heads: dict[tuple[str, str], Head] = {}

    def bodies(self) -> Bodies:
        blocks = Blocks(self.values, codec_of=lambda _: CODEC, bytes_max=1 << 20, source=None)
        return Bodies(blocks, lambda _: CODEC)

    def index(self) -> SearchIndex:
        return SearchIndex(self.values, self.bodies(), clock=FakeClock(step_ms=1.0), wall=self.wall)

    def append(
        self, id_: str, texts: Sequence[str], *, tenant: str = "local", ttl_ms: int = 0
    ) -> None:
        self.add(id_, [item_of(text) for text in texts], tenant=tenant, ttl_ms=ttl_ms)

    def add(
        self, id_: str, items: Sequence[Item], *, tenant: str = "local", ttl_ms: int = 0
    ) -> None:
        before = self.contexts.get((tenant, id_), [])
        self._store(tenant, id_, [*before, *items], ttl_ms=ttl_ms)

    def replace(self, id_: str, items: Sequence[Item], *, tenant: str = "local") -> None:
        self._store(tenant, id_, list(items))

    def delete(self, id_: str, *, tenant: str = "local") -> None:
        batch = Batch()
        digest = ContextKey(tenant, id_).digest
        items = self.contexts.pop((tenant, id_))
        head = self.heads.pop((tenant, id_))
        batch.delete(Family.HEAD, head_key(tenant, digest))
        for segment in reach(head, items):
            self._leave(batch, tenant, segment.name, digest)
        for item in items:
            if not self._is_needed(tenant, item.segment.name, digest):
                batch.put(Family.SEARCH, *waiting_entry(tenant, item.segment.name, -1))
        self.values.write(batch)

    def live(self, tenant: str = "local") -> set[Name]:
        return {
            item.segment.name
            for (of, _), items in self.contexts.items()
            if of == tenant
            for item in items
        }

    def texts(self, tenant: str = "local") -> list[str]:
        found = {
            item.segment.name: text_of(item)
            for (of, _), items in self.contexts.items()
            if of == tenant
            for item in items
        }
        return list(found.values())

    def _store(self, tenant: str, id_: str, items: list[Item], *, ttl_ms: int = 0) -> None:
        digest = ContextKey(tenant, id_).digest
        batch = Batch()
        old = self.contexts.get((tenant, id_), [])
        head = Head(id=id_, shape=Shape.MESSAGES, updated_ms=self.wall.now_ms, ttl_ms=ttl_ms)
        growth = grown(head, [i.segment.name for i in items], size_bytes=0, spine=Spine())
        kept = {segment.name for segment in reach(growth.head, items)}
        for segment in reach(self.heads[tenant, id_], old) if old else ():
            if segment.name not in kept:
                self._leave(batch, tenant, segment.name, digest)
        for item in old:
            gone = item.segment.name not in kept
            if gone and not self._is_needed(tenant, item.segment.name, digest):
                batch.put(Family.SEARCH, *waiting_entry(tenant, item.segment.name, -1))
        for at, item in enumerate(items):
            if not self._is_needed(tenant, item.segment.name):
                batch.put(Family.SEARCH, *waiting_entry(tenant, item.segment.name, at))
        for segment in reach(growth.head, items):
            frame = CODEC.frame(segment.body, content_kind(segment.body))
            batch.put(Family.BODY, name_prefix(tenant, segment.name), frame)
            batch.put(Family.REFERENCE, reference_key(tenant, segment.name, digest), b"")
        batch.put(Family.HEAD, head_key(tenant, digest), growth.head.encode())
        self.values.write(batch)
        self.contexts[tenant, id_] = items
        self.heads[tenant, id_] = growth.head

    def _leave(self, batch: Batch, tenant: str, name: Name, digest: bytes) -> None:
        batch.delete(Family.REFERENCE, reference_key(tenant, name, digest))
        if not self._is_needed(tenant, name, digest):
            batch.delete(Family.BODY, name_prefix(tenant, name))

    def _is_needed(self, tenant: str, name: Name, but_by: bytes = b"") -> bool:
        scan = self.values.scan(Family.REFERENCE, name_prefix(tenant, name))
        return any(not but_by or not key.endswith(but_by) for key, _ in scan)


def reach(head: Head, items: Sequence[Item]) -> Iterator[Segment]:
    """Yield all segments of a context."""
    empty = Head(id=head.id, shape=head.shape)
    names = [item.segment.name for item in items]
    yield from grown(empty, names, size_bytes=0, spine=Spine()).made
    for item in items:
        yield from item.segments()


def message(text: str) -> Message:
    return Message(role="user", content=text, raw={"role": "user"})


def item_of(text: str) -> Item:
    return message_item(message(text))


def text_of(item: Item) -> str:
    body = joined([p.body for p in item.pieces]) if item.pieces else item.segment.body
    return text_in(body)


def stems(text: str) -> tuple[list[str], int]:
    """Return the stems of a text as often as they stand in it, and how many words it has."""
    words: dict[str, int] = {}
    found = scan([text], words)
    named = stems_of(list(words))
    return [named[word] for word in found.word.tolist()], int((~found.is_name).sum())


def bm25(texts: Sequence[str], query: str) -> list[float]:
    """Return the scores above zero, the best first."""
    read = [stems(text) for text in texts]
    mean = sum(length for _, length in read) / max(1, len(read)) or 1.0
    counts = [Counter(words) for words, _ in read]
    scores = [0.0] * len(read)
    for stem in dict.fromkeys(stems(query)[0]):
        holders = sum(stem in count for count in counts)
        idf = math.log1p((len(read) - holders + 0.5) / (holders + 0.5))
        for at, count in enumerate(counts):
            norm = 1.2 * (0.25 + 0.75 * read[at][1] / mean)
            scores[at] += idf * count[stem] * 2.2 / (count[stem] + norm)
    return sorted((score for score in scores if score > 0), reverse=True)


def found(index: SearchIndex, query: str, *, tenant: str = "local", limit: int = 100) -> Hits:
    return index.find(tenant, query, limit)


def drain(index: SearchIndex) -> None:
    while index.step(1e9):
        pass
