import numpy as np
from numpy.typing import NDArray

from tierfold.memory.policies import Key, Semantic

NORTH = np.array([1, 0], dtype=np.float32)
EAST = np.array([0, 1], dtype=np.float32)


def vector_of(key: Key) -> NDArray[np.float32] | None:
    """Even numbers lie in the north, odd ones in the east; words lie nowhere."""
    if not isinstance(key, int):
        return None
    return EAST if key % 2 else NORTH


def filled(keys: int, limit: int) -> Semantic:
    policy = Semantic(limit, vector_of=vector_of)
    for key in range(keys):
        policy.access(key, 1)
    return policy


def test_what_lies_near_the_questions_stays() -> None:
    """Many new keys push out what nobody asks about and leave what the questions are about."""
    policy = filled(10, 10)
    policy.note_question(NORTH)
    for key in range(101, 140, 2):
        policy.access(key, 1)

    assert {0, 2, 4, 6, 8} <= set(policy.in_order())


def test_the_centroid_follows_the_questions() -> None:
    """When the subject changes, what was near goes and what is near now stays."""
    policy = filled(10, 10)
    policy.note_question(NORTH)
    for _ in range(12):
        policy.note_question(EAST)
    for key in range(100, 140, 2):
        policy.access(key, 1)

    assert {1, 3, 5, 7, 9} <= set(policy.in_order())


def test_of_equals_the_least_recently_used_goes() -> None:
    """Where all lie equally near, recency decides."""
    policy = Semantic(3, vector_of=vector_of)
    policy.note_question(NORTH)
    for key in (2, 4, 6, 2, 8):
        policy.access(key, 1)

    assert policy.evicted == [(4, 1)]


def test_keys_without_a_vector_lie_between_near_and_far() -> None:
    """Unknown is neither near nor against: it goes after what lies opposite."""
    against = -NORTH
    policy = Semantic(3, vector_of=lambda key: {"far": against, "near": NORTH}.get(str(key)))
    policy.note_question(NORTH)
    for key in ("near", "unknown", "far", "new", "newer"):
        policy.access(key, 1)

    assert [key for key, _ in policy.evicted] == ["far", "unknown"]


def test_vectors_without_a_direction_say_nothing() -> None:
    """Zeros and infinities leave plain recency, not a warning and not an exception."""
    policy = Semantic(2, vector_of=lambda _: np.zeros(2, dtype=np.float32))
    policy.note_question(np.zeros(2, dtype=np.float32))
    policy.note_question(np.array([np.inf, 0], dtype=np.float32))
    policy.access(1, 1)
    policy.note_question(NORTH)
    for key in (2, 1, 3):
        policy.access(key, 1)

    assert policy.evicted == [(2, 1)]


def test_removing_and_growing_forget_nothing_that_is_held() -> None:
    """A change of size keeps the key; a removal takes it out."""
    policy = filled(4, 10)
    policy.note_question(NORTH)
    policy.access(1, 8)
    assert policy.size_bytes <= 10
    assert 1 in policy
    assert policy.remove(1) == 8
    assert 1 not in policy
