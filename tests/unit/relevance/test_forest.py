from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierfold.relevance import duplicates, weights
from tierfold.relevance.forest import Forest

STORED: dict[str, Any] = {
    "names": ["a", "b"],
    "start": 0.5,
    "trees": [
        {
            "feature": [0, 1],
            "threshold": [0.0, 1.0],
            "left": [-1, -2],
            "right": [1, -3],
            "value": [1.0, 2.0, 4.0],
        },
        {"feature": [], "threshold": [], "left": [], "right": [], "value": [8.0]},
    ],
}


@given(st.lists(st.tuples(st.floats(-2, 2, width=32), st.floats(-2, 2, width=32)), max_size=5))
def test_a_tree_is_its_branches(rows: list[tuple[float, float]]) -> None:
    """Looking all nodes up at once ends in the leaf that following the branches ends in."""
    expected = [
        8.5 + (1.0 if first <= 0 else 2.0 if second <= 1 else 4.0) for first, second in rows
    ]
    matrix = np.array(rows, dtype=np.float32).reshape(-1, 2).T

    assert expected == pytest.approx(Forest.load(STORED).score(matrix).tolist())


@given(
    st.lists(st.tuples(st.floats(-2, 2, width=32), st.floats(-2, 2, width=32)), max_size=5),
    st.sampled_from([("a",), ("b",), ("a", "b"), ()]),
)
def test_nodes_answered_before_the_question_change_no_score(
    rows: list[tuple[float, float]], resting: tuple[str, ...]
) -> None:
    """Whichever features rest, the trees lead to the same leaves."""
    matrix = np.array(rows, dtype=np.float32).reshape(-1, 2).T
    split = Forest.load(STORED, resting=resting)
    at_rest = split.at_rest({"a": matrix[0], "b": matrix[1]}, len(rows))

    assert split.score(matrix).tolist() == Forest.load(STORED).score(matrix).tolist()
    if rows and rows[0] == rows[-1]:  # what is the same for all units may come as a number
        asked = {"a": matrix[0], "b": matrix[1]} | {
            name: float(column[0])
            for name, column in zip(("a", "b"), matrix, strict=True)
            if len(set(column.tolist())) == 1
        }
        assert split.score_from(at_rest, asked).tolist() == split.score(matrix).tolist()


def test_every_tree_of_a_large_forest_is_added() -> None:
    """However many trees there are, the score is the sum of all their leaves."""
    count = 60
    forest = Forest.load(STORED | {"trees": STORED["trees"] * count})
    rows = np.array([[-1.0, 1.0, 1.0], [0.0, 0.0, 2.0]], dtype=np.float32)

    assert forest.score(rows).tolist() == [0.5 + count * (8 + leaf) for leaf in (1, 2, 4)]


def test_word_vectors_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full cache of vectors is dropped whole; the vectors stay the same."""
    monkeypatch.setattr(weights, "_WORD_LIMIT", 4)
    monkeypatch.setattr(weights, "_ROWS_AT_FIRST", 2)
    vectors = weights.WordVectors()
    alone = [vectors.take([word])[0].tolist() for word in ("dog", "cat", "sun", "sea", "sky")]
    together = vectors.take(["dog", "cat", "sun", "sea", "sky"])[0].tolist()
    few = vectors.take(["sea", "sky"])[0].tolist()

    assert alone == [[row] for row in together]
    assert together[3:] == few


def test_related_words_lie_close() -> None:
    """The packaged embedding is read with the right rows and pieces."""
    steps, scale = weights.word_vectors().take(["dog", "puppy", "invoice"])
    vectors = steps * scale[:, None]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)

    assert vectors[0] @ vectors[1] > 0.4 > vectors[0] @ vectors[2]


def test_signatures_tellcopies_of() -> None:
    """Equal sets of words have equal signatures; unlike ones are no copies of each other."""
    word = np.array([1, 2, 3, 4, 1, 2, 3, 4, 7, 8, 9, 10], dtype=np.int32)
    low, high = np.array([0, 4, 8]), np.array([4, 8, 12])

    assert duplicates.copies_of(duplicates.signatures(word, low, high)).tolist() == [1]
