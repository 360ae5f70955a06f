"""Boosted regression trees as arrays, evaluated without a loop over units."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, zip_longest
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

NODES = 8  # inner nodes of a tree at most: one bit each in a byte
_CODES = 1 << NODES
_TREES_AT_ONCE = 24  # whose leaves are added up in one call: 14 bytes each for every unit

# Of each of these trees, where their tables are read as one row.
_FIRST_LEAF = np.arange(_TREES_AT_ONCE, dtype=np.uint16)[:, None] * np.uint16(_CODES)

Codes = NDArray[np.uint8]  # (T, n) the answers of each tree's nodes for each unit
Features = Mapping[str, Any]  # (n,) each, or a number where it is the same for all units


class Node(NamedTuple):
    """An inner node: it asks whether the feature exceeds the threshold."""

    feature: str
    threshold: np.float32


class _Asked(NamedTuple):
    """All nodes that ask of one feature."""

    feature: str
    nodes: slice  # where their answers stand
    threshold: NDArray[np.float32]  # (k, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """Nodes of many trees, one of each tree at a level; trees with more of them come first.

    Nodes are asked feature by feature, and their answers then read level by level: for a few
    hundred units a call costs more than what it computes.
    """

    asked: tuple[_Asked, ...]
    rows: tuple[NDArray[np.intp], ...]  # of each level, where its nodes' answers stand
    count: int  # nodes

    @classmethod
    def of(cls, trees: list[list[Node]]) -> "Levels":
        """Lay out the nodes of trees, none of which has more than the one before it."""
        levels = [[node for node in level if node] for level in zip_longest(*trees)]
        nodes = [node for level in levels for node in level]
        order = sorted(range(len(nodes)), key=lambda number: nodes[number].feature)
        row = np.empty(len(nodes), np.intp)
        row[order] = np.arange(len(nodes))
        borders = np.cumsum([len(level) for level in levels])[:-1]
        rows = tuple(np.split(row, borders)) if levels else ()
        asked = _by_feature([nodes[number] for number in order])
        return cls(asked=tuple(asked), rows=rows, count=len(nodes))

    def answer(self, features: Features, codes: Codes) -> None:
        """Append the answers of all nodes to their trees' codes."""
        above = np.empty((self.count, codes.shape[1]), np.bool_)
        for feature, nodes, threshold in self.asked:
            value = np.asarray(features[feature], np.float32)
            if value.ndim:
                np.greater(value, threshold, out=above[nodes])
            else:  # one answer for all units: to copy it is ten times faster
                above[nodes] = value > threshold
        answers = above.view(np.uint8)
        for rows in self.rows:
            level = codes[: len(rows)]
            level += level
            level |= answers.take(rows, axis=0)


def _by_feature(nodes: list[Node]) -> Iterator[_Asked]:
    """Group nodes that are sorted by feature."""
    first = 0
    for feature, group in groupby(nodes, key=lambda node: node.feature):
        threshold = np.array([node.threshold for node in group], np.float32)[:, None]
        yield _Asked(feature, slice(first, first + len(threshold)), threshold)
        first += len(threshold)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """T trees of at most NODES inner nodes over named features.

    A tree is evaluated as one byte: a bit says whether the unit's feature exceeds a node's
    threshold, and the byte looks up the leaf's value. Every node is asked, also those off the
    path: that costs less than following it. Nodes whose features no question changes have the
    upper bits, so that they are answered once for many questions.
    """

    names: tuple[str, ...]
    resting: tuple[tuple[Node, ...], ...]  # of each tree
    asking: Levels
    value: NDArray[np.float32]  # (T, _CODES)
    start: float  # score before the first tree

    @classmethod
    def load(cls, stored: dict[str, Any], *, resting: Collection[str] = ()) -> "Forest":
        """Make a forest of its stored form: per tree its nodes and leaves (see `benchmarks/fit`).

        A child is the number of a node, or ~leaf. `resting` are features no question changes.
        """
        names = tuple(stored["names"])
        trees = [_ordered(tree, names, resting) for tree in stored["trees"]]
        # Leaves are of single precision: their sum in double is exact, whatever the order.
        trees.sort(key=lambda tree: len(tree.asking), reverse=True)
        return cls(
            names=names,
            resting=tuple(tuple(tree.resting) for tree in trees),
            asking=Levels.of([tree.asking for tree in trees]),
            value=np.array([tree.value for tree in trees], np.float32),
            start=float(stored["start"]),
        )

    def score(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Sum the trees for a feature matrix (f, n); log odds, (n,)."""
        features = dict(zip(self.names, rows, strict=True))
        return self.score_from(self.at_rest(features, rows.shape[1]), features)

    def at_rest(self, features: Features, count: int) -> Codes:
        """Return the codes of `count` units as far as no question changes them."""
        codes = np.zeros((len(self.resting), count), np.uint8)
        for tree, nodes in enumerate(self.resting):
            for feature, threshold in nodes:
                codes[tree] += codes[tree]
                codes[tree] |= np.asarray(features[feature], np.float32) > threshold
        return codes

    def score_from(self, at_rest: Codes, features: Features) -> NDArray[np.float64]:
        """Sum the trees for units whose codes at rest are known; log odds, (n,)."""
        codes = at_rest.copy()
        self.asking.answer(features, codes)
        total = np.full(codes.shape[1], self.start)
        for first in range(0, len(codes), _TREES_AT_ONCE):
            value = self.value[first : first + _TREES_AT_ONCE]
            code = codes[first : first + _TREES_AT_ONCE]
            leaves = value.take(code + _FIRST_LEAF[: len(code)])
            total += np.add.reduce(leaves, axis=0, dtype=np.float64)
        return total


class _Ordered(NamedTuple):
    """A tree whose resting nodes come first."""

    resting: list[Node]
    asking: list[Node]
    value: NDArray[np.float32]  # (_CODES,) the first node in the highest bit that is used


def _ordered(tree: dict[str, Any], names: tuple[str, ...], resting: Collection[str]) -> _Ordered:
    nodes = [
        Node(names[feature], np.float32(threshold))
        for feature, threshold in zip(tree["feature"], tree["threshold"], strict=True)
    ]
    order = sorted(range(len(nodes)), key=lambda number: nodes[number].feature not in resting)
    is_resting = [node.feature in resting for node in nodes]
    return _Ordered(
        resting=[nodes[number] for number in order if is_resting[number]],
        asking=[nodes[number] for number in order if not is_resting[number]],
        value=_table(tree, order),
    )


def _table(tree: dict[str, Any], order: list[int]) -> NDArray[np.float32]:
    """Value of the leaf each of the answers leads to, nodes in order from the highest bit."""
    codes = np.arange(_CODES)
    bit = np.zeros(max(len(order), 1), np.int64)
    bit[order] = np.arange(len(order))[::-1]
    node = np.zeros(_CODES, dtype=np.int64)
    if not tree["feature"]:
        node[:] = -1
    left, right = np.array(tree["left"] or [0]), np.array(tree["right"] or [0])
    for _ in range(NODES):
        inner = node >= 0
        at = np.maximum(node, 0)
        following = np.where((codes >> bit[at]) & 1 == 1, right[at], left[at])
        node = np.where(inner, following, node)
    return np.array(tree["value"], dtype=np.float32)[~node]
