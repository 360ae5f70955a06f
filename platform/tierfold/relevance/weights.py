"""What is read from packaged files: the static word embedding and the fitted coefficients."""

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 64  # of 256; WordLlama is trained so that its leading dimensions stand alone
_WORD_LIMIT = 131_072  # rows of the cache: 32 MB; a full cache is dropped whole
_NEWLINE = 13  # the tokenizer's id of a line feed
_ROWS_AT_FIRST = 4096


class WordVectors:
    """Vector of each word: the mean of its tokens' static embeddings (wordllama, MIT licence).

    The package's two files are read without importing it, which would cost half a second.
    Safe to share between threads: `take` works on the rows and matrix it looked up first, rows
    are only ever appended, and a race costs a repeated encoding.
    """

    __slots__ = ("_matrix", "_rows", "_table", "_tokenizer")

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
        self._rows: dict[str, int] = {}
        self._matrix = np.zeros((_ROWS_AT_FIRST, DIMENSIONS), dtype=np.float32)

    def take(self, words: list[str]) -> NDArray[np.float32]:
        """Return the vectors of distinct words, (w, DIMENSIONS)."""
        new = [word for word in words if word not in self._rows]
        if len(self._rows) + len(new) > _WORD_LIMIT:
            self._rows = {}
            new = words
            if len(words) > _WORD_LIMIT:
                return self._encode(words)
        if new:
            self._append(new)
        rows, matrix = self._rows, self._matrix
        return matrix[[rows[word] for word in words]]

    def _append(self, words: list[str]) -> None:
        first = len(self._rows)
        needed = first + len(words)
        if needed > len(self._matrix):
            grown = np.zeros((max(needed, 2 * len(self._matrix)), DIMENSIONS), dtype=np.float32)
            grown[:first] = self._matrix[:first]
            self._matrix = grown
        self._matrix[first:needed] = self._encode(words)
        self._rows.update(zip(words, range(first, needed), strict=True))

    def _encode(self, words: list[str]) -> NDArray[np.float32]:
        """Encode all words in one call, a word a line; a blank before each is a word's start."""
        encoding = self._tokenizer.encode("\n ".join(words), add_special_tokens=False)
        tokens = np.array(encoding.ids)
        line = np.cumsum(tokens == _NEWLINE)
        kept = tokens != _NEWLINE
        tokens, line = tokens[kept], line[kept]
        counts = np.bincount(line, minlength=len(words))
        starts = np.cumsum(counts) - counts
        sums = np.add.reduceat(self._table[tokens], starts, axis=0)
        return sums / counts[:, None].astype(np.float32)


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
