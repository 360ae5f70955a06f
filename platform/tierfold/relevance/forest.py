"""Boosted regression trees as arrays, evaluated without a loop over units."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

NODES = 8  # inner nodes of a tree at most: one bit each in a byte


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """T trees of at most NODES inner nodes over named features.

    A tree is evaluated as one byte: bit k says whether the unit's feature exceeds node k's
    threshold, and the byte looks up the leaf's value. Every node is asked, also those off the
    path: that costs less than following it.
    """

    names: tuple[str, ...]
    feature: tuple[int, ...]  # row of the feature matrix, T nodes for each bit in turn
    threshold: NDArray[np.float32]  # (NODES * T,), infinite where a tree has fewer nodes
    value: NDArray[np.float32]  # (T, 256)
    start: float  # score before the first tree

    @classmethod
    def load(cls, stored: dict[str, Any]) -> "Forest":
        """Make a forest of its stored form: per tree its nodes and leaves (see `benchmarks/fit`).

        A child is the number of a node, or ~leaf.
        """
        trees = stored["trees"]
        feature = np.zeros((len(trees), NODES), dtype=np.int64)
        threshold = np.full((len(trees), NODES), np.inf, dtype=np.float32)
        value = np.zeros((len(trees), 256), dtype=np.float32)
        for number, tree in enumerate(trees):
            count = len(tree["feature"])
            feature[number, :count] = tree["feature"]
            threshold[number, :count] = tree["threshold"]
            value[number] = _table(tree)
        return cls(
            names=tuple(stored["names"]),
            feature=tuple(feature.T.ravel().tolist()),
            threshold=threshold.T.ravel(),
            value=value,
            start=float(stored["start"]),
        )

    def score(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Sum the trees for a feature matrix (f, n); log odds, (n,)."""
        n = rows.shape[1]
        trees = len(self.value)
        above = np.empty((NODES * trees, n), dtype=np.bool_)
        for feature, threshold, answer in zip(self.feature, self.threshold, above, strict=True):
            np.greater(rows[feature], threshold, out=answer)
        bits = above.view(np.uint8).reshape(NODES, trees, n)
        codes = bits[NODES - 1].copy()
        for bit in bits[NODES - 2 :: -1]:
            codes += codes
            codes |= bit
        total = np.full(n, self.start)
        for value, code in zip(self.value, codes, strict=True):
            total += value.take(code)
        return total


def _table(tree: dict[str, Any]) -> NDArray[np.float32]:
    """Value of the leaf each of the 256 answers leads to."""
    codes = np.arange(256)
    node = np.zeros(256, dtype=np.int64)
    if not tree["feature"]:
        node[:] = -1
    left, right = np.array(tree["left"] or [0]), np.array(tree["right"] or [0])
    for _ in range(NODES):
        inner = node >= 0
        at = np.maximum(node, 0)
        following = np.where((codes >> at) & 1 == 1, right[at], left[at])
        node = np.where(inner, following, node)
    return np.array(tree["value"], dtype=np.float32)[~node]
