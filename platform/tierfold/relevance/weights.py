"""What is read from packaged files: the static word embedding and the fitted coefficients."""

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

VectorArray = NDArray[np.int8]
ScaleArray = NDArray[np.float32]

DIMENSIONS = 64  # of 256; WordLlama is trained so that its leading dimensions stand alone
_WORD_LIMIT = 262_144  # rows of the cache: 18 MB; a full cache is dropped whole
_NEWLINE = 13  # the tokenizer's id of a line feed
_ROWS_AT_FIRST = 4096
_STEPS = 127  # of a byte: a quarter of the memory, and rankings stay the same
_TINY = 1e-12


class WordVectors:
    """Vector of each word: the mean of its tokens' static embeddings (wordllama, MIT licence).

    The package's two files are read without importing it, which would cost half a second.
    Safe to share between threads: one of them looks up and adds at a time.
    """

    __slots__ = ("_lock", "_matrix", "_rows", "_scale", "_table", "_tokenizer")

    def __init__(self) -> None:
        from safetensors import safe_open  # noqa: PLC0415 - needed only once words are embedded
        from tokenizers import Tokenizer  # noqa: PLC0415

        spec = find_spec("wordllama")
        if spec is None or spec.origin is None:  # pragma: no cover - a declared dependency
            raise ModuleNotFoundError(name="wordllama")
        folder = Path(spec.origin).parent
        weights = folder / "weights" / "l2_supercat_256.safetensors"
        self._tokenizer = Tokenizer.from_file(
            str(folder / "tokenizers" / "l2_supercat_tokenizer_config.json"),
        )
        with safe_open(str(weights), framework="np") as opened:
            part = opened.get_slice("embedding.weight")[:, :DIMENSIONS]
        self._table: NDArray[np.float32] = np.ascontiguousarray(part, dtype=np.float32)
        self._lock = Lock()
        self._rows: dict[str, int] = {}
        self._matrix: VectorArray = np.zeros((_ROWS_AT_FIRST, DIMENSIONS), dtype=np.int8)
        self._scale: ScaleArray = np.zeros(_ROWS_AT_FIRST, dtype=np.float32)

    def take(self, words: list[str]) -> tuple[VectorArray, ScaleArray]:
        """Return the vectors of distinct words, (w, DIMENSIONS), and the steps they count, (w,)."""
        with self._lock:  # encoding lets other threads run, and rows must not be given away twice
            return self._take(words)

    def _take(self, words: list[str]) -> tuple[VectorArray, ScaleArray]:
        rows = self._rows
        new = [word for word in words if word not in rows]
        if len(words) > _WORD_LIMIT:
            return self._encode(words)
        if len(rows) + len(new) > _WORD_LIMIT:
            rows, new = {}, words
        if new:
            self._append(rows, new)
        place = np.fromiter(map(rows.__getitem__, words), dtype=np.int64, count=len(words))
        return self._matrix[place], self._scale[place]

    def _append(self, rows: dict[str, int], words: list[str]) -> None:
        first = len(rows)
        needed = first + len(words)
        matrix, scale = self._matrix, self._scale
        if first == 0 or needed > len(matrix):
            size = max(needed, min(2 * len(matrix), _WORD_LIMIT))
            matrix = np.zeros((size, DIMENSIONS), dtype=np.int8)
            scale = np.zeros(size, dtype=np.float32)
            matrix[:first], scale[:first] = self._matrix[:first], self._scale[:first]
        matrix[first:needed], scale[first:needed] = self._encode(words)
        self._rows, self._matrix, self._scale = rows, matrix, scale
        rows.update(zip(words, range(first, needed), strict=True))

    def _encode(self, words: list[str]) -> tuple[VectorArray, ScaleArray]:
        """Encode all words in one call, a word a line; a blank before each is a word's start."""
        encoding = self._tokenizer.encode("\n ".join(words), add_special_tokens=False)
        tokens = np.array(encoding.ids)
        line = np.cumsum(tokens == _NEWLINE)
        kept = tokens != _NEWLINE
        tokens, line = tokens[kept], line[kept]
        counts = np.bincount(line, minlength=len(words))
        starts = np.cumsum(counts) - counts
        mean = np.add.reduceat(self._table[tokens], starts, axis=0)
        mean /= counts[:, None].astype(np.float32)
        scale = np.abs(mean).max(axis=1) / _STEPS + np.float32(_TINY)
        return np.rint(mean / scale[:, None]).astype(np.int8), scale


@cache
def word_vectors() -> WordVectors:
    """Return the process-wide word embedding, loaded at first use."""
    return WordVectors()


@cache
def coefficients() -> dict[str, Any]:
    """Return the fitted coefficients and where they come from; written by `benchmarks/fit.py`."""
    loaded: dict[str, Any] = json.loads(
        (Path(__file__).parent / "coefficients.json").read_text(encoding="utf-8"),
    )
    return loaded
