"""How likely each unit is needed for a question, and what a selection of units is worth."""

from tierfold.relevance.quality import Quality, estimate_quality, smallest_budget
from tierfold.relevance.ranking import Ranking, rank_balanced, rank_fast
from tierfold.relevance.working import WorkingSet

__all__ = [
    "Quality",
    "Ranking",
    "WorkingSet",
    "estimate_quality",
    "rank_balanced",
    "rank_fast",
    "smallest_budget",
]
