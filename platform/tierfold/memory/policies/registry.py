"""The policies by name, as a setting or a command writes them."""

from collections.abc import Callable, Mapping

from tierfold.errors import InvalidInputError
from tierfold.memory.policies.arc import Arc
from tierfold.memory.policies.gdsf import Gdsf
from tierfold.memory.policies.lfu import Lfu
from tierfold.memory.policies.lirs import Lirs
from tierfold.memory.policies.lrfu import Lrfu
from tierfold.memory.policies.lru import Lru
from tierfold.memory.policies.policy import Policy
from tierfold.memory.policies.s3fifo import S3Fifo
from tierfold.memory.policies.semantic import Semantic
from tierfold.memory.policies.value_density import ValueDensity

POLICIES: Mapping[str, Callable[[int], Policy]] = {
    "lru": Lru,
    "lfu": Lfu,
    "s3fifo": S3Fifo,
    "arc": Arc,
    "lirs": Lirs,
    "gdsf": Gdsf,
    "semantic": Semantic,
    "lrfu": Lrfu,
    "value_density": ValueDensity,
}


def policy(name: str, bytes_max: int) -> Policy:
    """Return a new policy of this name over an empty cache."""
    build = POLICIES.get(name)
    if build is None:
        problem = f"{name!r} is none of {', '.join(POLICIES)}"
        raise InvalidInputError(problem, path="policy")
    return build(bytes_max)
