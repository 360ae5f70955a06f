import numpy as np
import pytest

from benchmarks.floors import Curve, same_recall


def curve(recalls: list[float]) -> Curve:
    ratios = np.array([0.0, 0.1, 0.5, 1.0])
    return Curve(ratios=ratios, recalls=np.array([0.0, *recalls, 1.0]), tokens=ratios)


def test_the_control_stops_where_its_recall_is_ours() -> None:
    """Between two points of the grid the control pays what lies between, not the next point."""
    easy, hard = curve([0.8, 0.9]), curve([0.2, 0.6])

    tokens, recall = same_recall({"a": easy, "b": hard}, {"a": easy, "b": hard}, 0.75)

    assert recall == pytest.approx(0.75)
    assert tokens == pytest.approx((0.09375 + 0.6875) / 2)


def test_a_level_above_the_grid_is_not_charged_as_everything() -> None:
    """From the last point on the curve goes on to everything at full length."""
    assert curve([0.5, 0.9]).ratio_for(0.95) == pytest.approx(0.75)


def test_a_dip_of_the_curve_is_passed_over() -> None:
    """More tokens can lose recall by chance; the first ratio that reached the level counts."""
    assert curve([0.8, 0.7]).ratio_for(0.75) == pytest.approx(0.09375)
