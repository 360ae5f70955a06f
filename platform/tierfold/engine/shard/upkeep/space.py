"""What waits to be given back, as far as upkeep was told."""

from dataclasses import dataclass


@dataclass(slots=True)
class Space:
    """Two flags that any thread may raise; whoever is about to do the work lowers them first."""

    has_garbage: bool = True  # blocks hold what nobody needs; for all we know, when we begin
    has_deleted: bool = True  # the disk's tables hold what was deleted
