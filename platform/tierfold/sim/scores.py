"""How policies compare over many cells: the gap to the bound that they close, and their regret."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

MissRatios = Mapping[str, float]  # of one cell, by policy

_NEAR = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Regret:
    """What one policy misses more than the best of its rivals, cell by cell."""

    cells: int
    mean_points: float  # of hundredths of the accesses
    max_points: float
    max_pct: float  # relative to the best
    within_1pct: float  # share of cells

    @classmethod
    def over(cls, cells: Iterable[MissRatios], policy: str, rivals: Iterable[str]) -> "Regret":
        """Return it over the cells; below zero where the policy beats its rivals."""
        names = tuple(rivals)
        pairs = [(cell[policy], min(cell[name] for name in names)) for cell in cells]
        points = [100 * (own - best) for own, best in pairs]
        relative = [own / best - 1 if best else float(own > 0) for own, best in pairs]
        return cls(
            cells=len(pairs),
            mean_points=_mean(points),
            max_points=max(points, default=float("nan")),
            max_pct=100 * max(relative, default=float("nan")),
            within_1pct=_mean([share <= _NEAR for share in relative]),
        )


def gap_closed(
    cells: Iterable[MissRatios], policy: str, *, floor: str = "lru", bound: str = "belady"
) -> float:
    """Return which share of the way from floor to bound it goes, over the sum of all cells.

    Not a number where there is no way to go.
    """
    table = list(cells)
    gap = sum(cell[floor] - cell[bound] for cell in table)
    closed = sum(cell[floor] - cell[policy] for cell in table)
    return closed / gap if gap > 0 else float("nan")


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed) if listed else float("nan")
