"""Where a server's store is and how it is cut: from the config file, else from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tierfold.cli.storepath import STORE_VARIABLE
from tierfold.engine.opening import shard_names, stored_shards
from tierfold.errors import SetupError
from tierfold.replication.placement import SHARDS_MAX

OBJECTS_VARIABLE = "TIERFOLD_OBJECTS"
SHARDS_VARIABLE = "TIERFOLD_SHARDS"
NAMESPACE = "tierfold"


@dataclass(frozen=True, slots=True, kw_only=True)
class StorePlan:
    """A store as it is to be: one folder, one object store, so many shards."""

    path: str
    objects: str  # URL, `none`, or "" for the one it had before
    shards: int = 1

    @property
    def shard_names(self) -> tuple[str, ...]:
        """The shards' names, in their order; placement hashes them."""
        return tuple(shard_names(self.shards))

    def environment(self) -> dict[str, str]:
        """Return the variables that say the same to another process."""
        return {
            STORE_VARIABLE: self.path,
            OBJECTS_VARIABLE: self.objects,
            SHARDS_VARIABLE: str(self.shards),
        }


NO_STORE_ENVIRONMENT: Mapping[str, str] = {
    STORE_VARIABLE: "",
    OBJECTS_VARIABLE: "",
    SHARDS_VARIABLE: "",
}


def plan_of(
    *, store: str = "", objects: str = "", shards: int = 0, environment: Mapping[str, str]
) -> StorePlan | None:
    """Return the plan; an option that is not given is taken from the environment.

    None without a store. Where nobody says, a store keeps the number of shards and the object store
    it began with; a new one begins with one shard and a folder beside it.
    """
    path = store or environment.get(STORE_VARIABLE, "")
    if not path:
        return None
    path = str(Path(path).expanduser().absolute())
    stored = stored_shards(Path(path))
    begun_with = "" if stored else f"file://{path}/objects"
    url = objects or environment.get(OBJECTS_VARIABLE, "") or begun_with
    count = shards or _whole(environment.get(SHARDS_VARIABLE, "")) or stored or 1
    if not 1 <= count <= SHARDS_MAX:
        problem = f"shards must be 1 to {SHARDS_MAX}, not {count}"
        raise SetupError(problem)
    return StorePlan(path=path, objects=url, shards=count)


def _whole(text: str) -> int:
    if text and not text.isdecimal():
        problem = f"{SHARDS_VARIABLE} must be a whole number, not {text!r}"
        raise SetupError(problem)
    return int(text) if text else 0
