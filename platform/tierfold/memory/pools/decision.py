"""What the pools answer: values; whoever asked carries them out."""

from dataclasses import dataclass

from tierfold.errors import OverloadError, TierfoldError, TooLargeError

LeaseId = int


@dataclass(frozen=True, slots=True)
class Granted:
    """The bytes are accounted for."""

    lease: LeaseId
    size_bytes: int  # of the whole lease


@dataclass(frozen=True, slots=True)
class Degraded:
    """There is a lease, and it is smaller than what was asked: do with less."""

    lease: LeaseId
    size_bytes: int
    asked_bytes: int


@dataclass(frozen=True, slots=True)
class MustFree:
    """These leases must go first, the least worth in front: evict, release them, ask again.

    Nothing is kept for whoever asked: another may be quicker.
    """

    victims: tuple[LeaseId, ...]
    size_bytes: int  # of all victims


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """There is no room and nothing that could be evicted for it."""

    asked_bytes: int  # the least that would have helped
    limit_bytes: int  # the most that this priority could ever have
    owed_bytes: int  # of the pool's own share, lent to others: it comes back as they return it
    retry_after_s: int

    @property
    def is_hopeless(self) -> bool:
        """Whether it would not fit if nothing else were there."""
        return self.asked_bytes > self.limit_bytes

    def error(self) -> TierfoldError:
        """Return it as what a caller is told."""
        if self.is_hopeless:
            what = "memory that this takes, in bytes"
            return TooLargeError(what, size=self.asked_bytes, limit=self.limit_bytes)
        return OverloadError(retry_after_s=self.retry_after_s)


Decision = Granted | Degraded | MustFree | Refused
