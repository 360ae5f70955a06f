import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tierfold.relevance.scores import smoothed


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=40),
    st.lists(st.integers(1, 20), min_size=1, max_size=4, unique=True),
)
def test_a_score_is_smoothed_by_two_boxes_of_each_radius(
    values: list[float], radii: list[int]
) -> None:
    """Every radius by itself: the mean of the means around each unit, zeros beyond the ends."""
    smooth = smoothed(np.array(values), tuple(radii))

    for radius, found in zip(radii, smooth, strict=True):
        box = np.full(2 * radius + 1, 1 / (2 * radius + 1))
        once = np.convolve(values, box)[radius:-radius]
        np.testing.assert_allclose(found, np.convolve(once, box)[radius:-radius], atol=1e-12)
