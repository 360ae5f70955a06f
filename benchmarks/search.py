"""The search index: how fast it is built and asked, what it takes, and whether it is right.

`python -m benchmarks.search [--quick]`; `--data` changes nothing, the texts are written from
templates. Right is a second BM25 over the same words, all of it in memory and scored in full.
"""

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.generated import generated_set
from benchmarks.meter import finish, parse, parser, say, table
from benchmarks.scratch import disk_folder
from tierfold.config import Settings
from tierfold.context.identity import ContextKey
from tierfold.context.manifest import Shape
from tierfold.context.source import Part
from tierfold.engine.clock import MonotonicClock
from tierfold.engine.contents import part_contents
from tierfold.engine.shard.assembled import OpenShard, ShardParts
from tierfold.engine.shard.operations import Create
from tierfold.engine.shard.search import SearchIndex
from tierfold.relevance.scores import LENGTH_SHARE, SATURATION
from tierfold.relevance.vocabulary import scan, stems_of
from tierfold.storage.rocks import RocksKeyValues

SEGMENTS, SEGMENTS_QUICK = 20_000, 2_000
QUERIES, QUERIES_QUICK = 500, 100
ROUNDS = 3
HITS = 10
TENANT = "bench"

_TOLERANCE = 1e-9


class Wall:
    """Stored times decide nothing here."""

    def unix_ms(self) -> int:
        """Return the same moment always."""
        return 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """What is stored, context by context, and what is asked."""

    contexts: tuple[tuple[str, ...], ...]
    queries: tuple[str, ...]

    @property
    def segments(self) -> list[str]:
        """Every text once, as equal ones are stored once."""
        return list(dict.fromkeys(text for context in self.contexts for text in context))


class Oracle:
    """BM25 over all texts, with no index but a dictionary."""

    def __init__(self, texts: Sequence[str]) -> None:
        read = [_words(text) for text in texts]
        self._lengths = np.array([length for _, length in read], np.float64)
        self._holders: dict[str, list[tuple[int, int]]] = {}
        for number, (words, _) in enumerate(read):
            for word, count in Counter(words).items():
                self._holders.setdefault(word, []).append((number, count))

    def best(self, query: str) -> NDArray[np.float64]:
        """Return the scores of the best hits."""
        scores = np.zeros(len(self._lengths))
        norm = 1 - LENGTH_SHARE + LENGTH_SHARE * self._lengths / self._lengths.mean()
        for word in dict.fromkeys(_words(query)[0]):
            held = np.array(self._holders.get(word, []), np.int64).reshape(-1, 2)
            rest = len(scores) - len(held)
            idf = np.log1p((rest + 0.5) / (len(held) + 0.5))
            documents, counts = held[:, 0], held[:, 1]
            gain = counts * (SATURATION + 1) / (counts + SATURATION * norm[documents])
            scores[documents] += idf * gain
        best = np.sort(scores)[::-1][:HITS]
        return best[best > 0]


def main() -> None:
    """Measure and print."""
    options = parse(parser(__doc__))
    texts = _texts(
        SEGMENTS_QUICK if options.quick else SEGMENTS,
        QUERIES_QUICK if options.quick else QUERIES,
    )
    with disk_folder() as folder:
        finish(_measured(folder, texts))


def _texts(segments: int, queries: int) -> Texts:
    contexts: list[tuple[str, ...]] = []
    asked: list[str] = []
    known: set[str] = set()
    seed = 0
    while len(known) < segments:
        made = generated_set(seed=seed)
        for context in made.contexts.values():
            texts = tuple(f"{segment.text} [{seed}]" for segment in context.segments)
            if len(known) < segments:
                contexts.append(texts[: segments - len(known)])
                known.update(contexts[-1])
        asked += [query.question for query in made.queries]
        seed += 1
    random.Random(1).shuffle(asked)
    return Texts(contexts=tuple(contexts), queries=tuple(asked[:queries]))


def _measured(folder: Path, texts: Texts) -> dict[str, object]:
    values = RocksKeyValues(folder / "db")
    shard = OpenShard(_parts(values))
    _fill(shard, texts)
    index = shard.search
    assert index is not None  # it is on unless it is switched off
    began = time.perf_counter()
    while index.step(1000):
        pass
    built_s = time.perf_counter() - began
    values.compact()
    figures = _figures(index, texts, built_s)
    shard.close()
    values.close()
    return figures


def _parts(values: RocksKeyValues) -> ShardParts:
    return ShardParts(
        values=values,
        settings=Settings(),
        wall=Wall(),
        clock=MonotonicClock(),
        dice=random.Random(2),
    )


def _fill(shard: OpenShard, texts: Texts) -> None:
    for number, context in enumerate(texts.contexts):
        items = part_contents([Part(text=text) for text in context]).items
        key = ContextKey(TENANT, f"c{number}")
        (made,) = shard.call([Create(context=key, shape=Shape.PARTS, items=items)])
        if isinstance(made, Exception):
            raise made


def _figures(index: SearchIndex, texts: Texts, built_s: float) -> dict[str, object]:
    segments = texts.segments
    oracle = Oracle(segments)
    text_bytes = sum(len(text.encode()) for text in segments)
    took_ms = np.array([took for _ in range(ROUNDS) for took in _asked_ms(index, texts.queries)])
    wrong = sum(not _agrees(index, oracle, query) for query in texts.queries)
    p50, p99 = np.quantile(took_ms, (0.5, 0.99)).tolist()
    say(f"{len(segments):,} segments, {text_bytes:,} bytes of text, {len(texts.queries)} queries")
    header = ["segments/s built", "p50 ms", "p99 ms", "index bytes", "of the text", "wrong"]
    share = index.size_bytes / text_bytes
    row = [len(segments) / built_s, p50, p99, index.size_bytes, share, wrong]
    table(header, [row])
    return {
        "search_segments": len(segments),
        "search_built_per_s": len(segments) / built_s,
        "search_p50_ms": p50,
        "search_p99_ms": p99,
        "search_bytes": index.size_bytes,
        "search_bytes_vs_text": share,
        "search_top10_agreement": 1 - wrong / len(texts.queries),
    }


def _asked_ms(index: SearchIndex, queries: Sequence[str]) -> Iterator[float]:
    for query in queries:
        began = time.perf_counter()
        index.find(TENANT, query, HITS)
        yield (time.perf_counter() - began) * 1000


def _agrees(index: SearchIndex, oracle: Oracle, query: str) -> bool:
    found = np.array([hit.score for hit in index.find(TENANT, query, HITS).hits])
    best = oracle.best(query)
    return found.shape == best.shape and bool(np.allclose(found, best, rtol=_TOLERANCE))


def _words(text: str) -> tuple[list[str], int]:
    """Return the stems of a text as often as they stand in it, and how many words it has."""
    words: dict[str, int] = {}
    read = scan([text], words)
    stems = stems_of(list(words))
    return [stems[word] for word in read.word.tolist()], int((~read.is_name).sum())


if __name__ == "__main__":
    main()
