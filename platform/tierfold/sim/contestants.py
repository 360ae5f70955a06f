"""Who can be replayed: every policy the product has, and the bound."""

from collections.abc import Callable, Mapping

from tierfold.errors import InvalidInputError
from tierfold.memory.adaptive import Adaptive
from tierfold.memory.policies import POLICIES, Policy
from tierfold.sim import belady
from tierfold.sim.replay import Cache
from tierfold.sim.trace import Trace

BUILDERS: Mapping[str, Callable[[int], Policy]] = {**POLICIES, "adaptive": Adaptive}


def contestants() -> tuple[str, ...]:
    """Return the names of all, the bound last."""
    return (*BUILDERS, belady.NAME)


def contestant(name: str, trace: Trace, bytes_max: int) -> Cache:
    """Return a new, empty one for this trace; raises InvalidInputError for an unknown name."""
    if name == belady.NAME:
        return belady.Belady(trace, bytes_max)
    require_known(name)
    return BUILDERS[name](bytes_max)


def require_known(name: str, *, path: str = "policy") -> None:
    """Raise InvalidInputError, with the names there are, for one that nobody has."""
    if name not in contestants():
        problem = f"there is no policy {name!r}; take one of {', '.join(contestants())}, or all"
        raise InvalidInputError(problem, path=path)
