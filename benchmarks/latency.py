"""What a question costs in CPU: cold and warm, by size, beside plain BM25 in the same run.

`python -m benchmarks.latency [--quick]`; `--data` changes nothing, since the text is generated from
the Python documentation that ships with every Python.
"""

import os
import re
import time
from collections.abc import Callable
from functools import partial
from pydoc_data.topics import topics
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one BLAS thread, like the baseline
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import bm25s
import numpy as np
from bm25s.stopwords import STOPWORDS_EN
from Stemmer import Stemmer

from benchmarks.meter import finish, parse, parser, say, table
from benchmarks.pictures import draw
from tierfold.config import Settings
from tierfold.context import Budget, Request, TextSource
from tierfold.engine import Engine, MonotonicClock
from tierfold.processing import Assembler, Chooser, Prepared
from tierfold.relevance import rank_fast, vocabulary, weights
from tierfold.text import token_counter

QUESTION = "How do I catch several exceptions at once and raise one of them again?"
ROUNDS = 7
BUDGET_TOKENS = 2000
SIZES = (4_000, 16_000, 64_000, 256_000, 1_000_000)
QUICK_SIZES = (4_000, 16_000, 64_000, 256_000)
WARM_REPEATS = 20
_WORD = re.compile(r"(?u)\b\w\w+\b")  # the pattern bm25s uses itself


def main() -> None:
    """Measure and print."""
    options = parse(parser(__doc__))
    engine = Engine(settings=Settings(), clock=MonotonicClock())
    figures = _cold(engine, 32_000) | _warm(engine, 128_000)
    figures |= _growth(engine, QUICK_SIZES if options.quick else SIZES)
    finish(figures)


def text_of(tokens: int) -> str:
    """Return the documentation's text, repeated with numbered headings, of about so many tokens."""
    count = token_counter("o200k").count
    pieces: list[str] = []
    total, edition = 0, 0
    while total < tokens:
        for name in sorted(topics):
            if total >= tokens:
                break
            piece = f"Edition {edition}, topic {name}\n\n{topics[name]}\n\n"
            pieces.append(piece)
            total += count(piece)
        edition += 1
    return "".join(pieces)


def _request(text: str) -> Request:
    return Request(
        sources=(TextSource(text=text),),
        ask=QUESTION,
        budget=Budget(max_tokens=BUDGET_TOKENS),
        stages=("fast",),
    )


def _cpu_ms(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1000


def _rounds(
    first: Callable[[], object], second: Callable[[], object]
) -> tuple[list[float], list[float]]:
    """Return both sides' milliseconds, taken in turn after one uncounted round."""
    return _timed_rounds(lambda: _cpu_ms(first), lambda: _cpu_ms(second))


def _timed_rounds(
    first: Callable[[], float], second: Callable[[], float]
) -> tuple[list[float], list[float]]:
    first()
    second()
    pairs = [(first(), second()) for _ in range(ROUNDS)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _spread(values: list[float]) -> str:
    return f"{min(values):.2f}-{max(values):.2f}"


def _cold(engine: Engine, tokens: int) -> dict[str, Any]:
    """Measure a first sight of a text: its words new to both sides, then known to both."""
    request = _request(text_of(tokens))
    units = _unit_texts(engine.prepare(request.sources))
    known = Stemmer("english", max(_words(units), 1))  # holds the stem of every word it has seen

    def ours_empty() -> float:
        forget_words()
        return _cpu_ms(lambda: engine.answer(request))

    def theirs_empty() -> float:
        stemmer = Stemmer("english")
        return _cpu_ms(lambda: _bm25s(units, stemmer))

    empty = _timed_rounds(ours_empty, theirs_empty)
    warm = _timed_rounds(
        lambda: _cpu_ms(lambda: engine.answer(request)),
        lambda: _cpu_ms(lambda: _bm25s(units, known)),
    )
    say(f"cold {tokens:,} tokens, CPU ms of {ROUNDS} rounds")
    say("empty: our process-wide cuts, stems and word vectors are dropped before each round, and")
    say("bm25s gets a new stemmer; known: both keep what they know from the round before.")
    header = ["", "tierfold, fast", "spread", "bm25s, build + query", "spread", "ratio", "spread"]
    table(header, [["empty", *_row(*empty)], ["known", *_row(*warm)]])
    return {
        "cold_32k_cpu_ms": float(np.median(empty[0])),
        "cold_32k_vs_bm25s": float(np.median(_ratios(*empty))),
        "cold_32k_warm_words_cpu_ms": float(np.median(warm[0])),
        "cold_32k_vs_bm25s_warm_words": float(np.median(_ratios(*warm))),
    }


def forget_words() -> None:
    """Empty the process-wide caches of words, as they are in a process that has seen no text.

    The room has no public way, since no user needs one. What is loaded once from files (embedding,
    tokenizers, coefficients) stays: bm25s' modules are loaded too.
    """
    lexicon = vocabulary._LEXICON  # noqa: SLF001 - see above
    lexicon.classes, lexicon.stems, lexicon.stemmers = {}, {}, {}
    vectors = weights.word_vectors()
    vectors._rows = {}  # noqa: SLF001 - see above
    # The tokenizer of the embedding keeps the pieces of words it has cut.
    vectors._tokenizer.model._clear_cache()  # noqa: SLF001 - see above


def _words(units: list[str]) -> int:
    return len({word for unit in units for word in _WORD.findall(unit.lower())})


def _ratios(ours: list[float], theirs: list[float]) -> list[float]:
    return [a / b for a, b in zip(ours, theirs, strict=True)]


def _row(ours: list[float], theirs: list[float]) -> list[object]:
    columns = (ours, theirs, _ratios(ours, theirs))
    return [cell for values in columns for cell in (float(np.median(values)), _spread(values))]


def _bm25s(units: list[str], stemmer: Stemmer) -> object:
    corpus = bm25s.tokenize(units, stopwords="en", stemmer=stemmer, show_progress=False)
    index = bm25s.BM25()
    index.index(corpus, show_progress=False)
    asked = bm25s.tokenize([QUESTION], stopwords="en", stemmer=stemmer, show_progress=False)
    return index.retrieve(asked, k=min(50, len(units)), show_progress=False)


def _unit_texts(prepared: Prepared) -> list[str]:
    units = prepared.intake.units
    return [units.unit(index) for index in range(len(units))]


def _warm(engine: Engine, tokens: int) -> dict[str, Any]:
    request = _request(text_of(tokens))
    prepared = engine.prepare(request.sources)
    working = prepared.working()
    assembler = Assembler(
        prepared.sources, prepared.intake, token_counter("o200k"), markers="short"
    )
    chooser = Chooser(prepared.intake, assembler)
    baseline = NumpyBm25(_unit_texts(prepared))

    def score_and_select() -> None:
        for _ in range(WARM_REPEATS):
            ranking = rank_fast(working, QUESTION)
            chooser.select(ranking.probability, BUDGET_TOKENS, exponent=ranking.density_exponent)

    def query() -> None:
        for _ in range(WARM_REPEATS):
            baseline.order(QUESTION)

    def whole() -> None:
        for _ in range(WARM_REPEATS):
            engine.answer(request, prepared=prepared)

    whole_ms, _ = _rounds(whole, query)
    ours, theirs = _rounds(score_and_select, query)
    ratios = _ratios(ours, theirs)
    library = _bm25s_query_ms(prepared)
    warm_ms = float(np.median(whole_ms)) / WARM_REPEATS
    query_ms = float(np.median(theirs)) / WARM_REPEATS
    say(f"warm {tokens:,} tokens, CPU ms per question")
    table(
        ["", "median", "spread of ratio"],
        [
            ["whole pipeline, fast", warm_ms, ""],
            ["score + select", float(np.median(ours)) / WARM_REPEATS, _spread(ratios)],
            ["numpy BM25, query + argsort", query_ms, ""],
            ["bm25s, query", library, ""],
        ],
    )
    return {
        "warm_128k_cpu_ms": warm_ms,
        "warm_128k_vs_bm25_query": float(np.median(ratios)),
        "warm_128k_vs_bm25s_query": float(np.median(ours)) / WARM_REPEATS / library,
        "numpy_bm25_vs_bm25s_query": query_ms / library,
    }


class NumpyBm25:
    """BM25 with the weight kept per posting: a question sums its terms' weights and sorts."""

    def __init__(self, units: list[str]) -> None:
        stemmer = Stemmer("english")
        corpus = bm25s.tokenize(units, stopwords="en", stemmer=stemmer, show_progress=False)
        self._stemmer = stemmer
        self._count = len(units)
        self._vocabulary = corpus.vocab
        ids = [np.array(each, np.int64) for each in corpus.ids]
        lengths = np.array([len(each) for each in ids], float)
        norm = 1.2 * (0.25 + 0.75 * lengths / max(lengths.mean(), 1e-9))
        pairs = [np.unique(each, return_counts=True) for each in ids]
        term = np.concatenate([pair[0] for pair in pairs])
        often = np.concatenate([pair[1] for pair in pairs]).astype(float)
        unit = np.repeat(np.arange(len(ids)), [len(pair[0]) for pair in pairs])
        order = np.argsort(term, kind="stable")
        self._unit = unit[order]
        frequency = np.bincount(term, minlength=len(corpus.vocab))
        self._start = np.r_[0, np.cumsum(frequency)]
        rarity = np.log(1 + (len(ids) - frequency + 0.5) / (frequency + 0.5))
        weight = rarity[term] * often * 2.2 / (often + norm[unit])
        self._weight = weight[order]

    def order(self, question: str) -> "np.ndarray[Any, Any]":
        """Return the units, best first."""
        scores = np.zeros(self._count)
        words = [word for word in _WORD.findall(question.lower()) if word not in STOPWORDS_EN]
        for word in set(self._stemmer.stemWords(words)):
            term = self._vocabulary.get(word)
            if term is not None:
                span = slice(self._start[term], self._start[term + 1])
                scores[self._unit[span]] += self._weight[span]
        return np.argsort(-scores)


def _bm25s_query_ms(prepared: Prepared) -> float:
    stemmer = Stemmer("english")
    units = _unit_texts(prepared)
    corpus = bm25s.tokenize(units, stopwords="en", stemmer=stemmer, show_progress=False)
    index = bm25s.BM25()
    index.index(corpus, show_progress=False)

    def query() -> None:
        asked = bm25s.tokenize([QUESTION], stopwords="en", stemmer=stemmer, show_progress=False)
        index.retrieve(asked, k=50, show_progress=False)

    query()
    return float(np.median([_cpu_ms(query) for _ in range(ROUNDS)]))


def _growth(engine: Engine, sizes: tuple[int, ...]) -> dict[str, Any]:
    rows: list[tuple[int, float]] = []
    for tokens in sizes:
        request = _request(text_of(tokens))
        engine.answer(request)
        took = [_cpu_ms(partial(engine.answer, request)) for _ in range(3)]
        rows.append((tokens, float(np.median(took))))
    sizes_log, ms_log = np.log(np.array(rows, float)).T
    exponent = float(np.polyfit(sizes_log, ms_log, 1)[0])
    say("growth of the cold pipeline, CPU ms; words known from a first run at each size, and the")
    say("text is one collection over and over, so larger sizes bring no new words")
    table(["tokens", "CPU ms", "per 1k tokens"], [[n, ms, 1000 * ms / n] for n, ms in rows])
    draw(
        "latency",
        {"fast": ([row[0] for row in rows], [row[1] for row in rows])},
        x_label="tokens of input",
        y_label="CPU ms, cold",
        is_log=True,
    )
    # Fixed costs of the small sizes flatten the fit: the last step alone shows them least.
    last = float(np.diff(ms_log)[-1] / np.diff(sizes_log)[-1])
    return {
        "growth_exponent": exponent,
        "growth_exponent_last": last,
        "cold_cpu_ms": {str(n): ms for n, ms in rows},
    }


if __name__ == "__main__":
    main()
