from collections.abc import Sequence
from typing import Any

from tierfold.memory.hierarchy import Hierarchy, HierarchySettings, LevelSettings, Request
from tierfold.memory.policies import Key

APART = frozenset({"build", "tenant_of", "may_leave"})


def built(*limits: int, **options: Any) -> Hierarchy:
    levels = tuple(LevelSettings(name=f"L{at}", bytes_max=limit) for at, limit in enumerate(limits))
    settings = {name: value for name, value in options.items() if name not in APART}
    rest = {name: value for name, value in options.items() if name in APART}
    return Hierarchy(HierarchySettings(levels=levels, **settings), **rest)


def read(
    hierarchy: Hierarchy,
    *keys: Key,
    size: int = 10,
    group: str | None = None,
    is_new: bool = False,
    now_ms: float = 0.0,
) -> list[int]:
    request = Request(keys=keys, sizes=[size] * len(keys), is_new=[is_new] * len(keys), group=group)
    return hierarchy.access(request, now_ms)


def places(hierarchy: Hierarchy, keys: Sequence[Key]) -> list[int]:
    return [hierarchy.place(key) for key in keys]
