"""How much of the time maintenance may take: less while others wait, more while work piles up."""

from dataclasses import dataclass

from tierfold.errors import InvalidInputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The shares of wall time that one thread of maintenance works."""

    share: float = 0.25  # while nobody waits
    share_min: float = 0.10  # while many do: never nothing, or nothing would ever be sealed
    share_max: float = 0.75  # while what waits to be done grows
    crowd: int = 8  # callers that wait at which it works half as much above the least
    rest_ms_min: float = 1.0
    rest_ms_max: float = 2000.0  # after a long step: the next one may be urgent

    def __post_init__(self) -> None:
        """Check the order of the shares."""
        if not 0 < self.share_min <= self.share <= self.share_max <= 1 or self.crowd < 1:
            problem = "shares must be in order, above 0 and at most 1, and a crowd at least one"
            raise InvalidInputError(problem, path="maintenance")

    def share_now(self, *, waiting: int, urgency: float) -> float:
        """Return the share for so many callers that wait, and an urgency from 0 to 1."""
        calm = self.share_min + (self.share - self.share_min) * self.crowd / (
            self.crowd + max(waiting, 0)
        )
        return calm + (self.share_max - calm) * min(max(urgency, 0.0), 1.0)

    def rest_ms(self, worked_ms: float, *, waiting: int, urgency: float) -> float:
        """Return how long to rest after having worked for so long."""
        share = self.share_now(waiting=waiting, urgency=urgency)
        return min(max(worked_ms * (1 / share - 1), self.rest_ms_min), self.rest_ms_max)
