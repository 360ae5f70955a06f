"""What a hierarchy is told and what it answers with."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tierfold.memory.policies import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What one request reads and writes, in the order of its prompt."""

    keys: Sequence[Key]
    sizes: Sequence[int]
    is_new: Sequence[bool] = ()  # which of them are written for the first time; empty: none
    group: Hashable | None = None  # their context; None: each stands for itself
    highest: int = 0  # the level that it may bring them up to


class Move(NamedTuple):
    """One key from one level to another; the number after the last level is below them all."""

    key: Key
    size_bytes: int
    source: int
    target: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelState:
    """What one level holds, and who decides in it."""

    name: str
    policy: str
    keys: int
    size_bytes: int  # with what is held, and what waits for a copy below
    bytes_max: int
    held_bytes: int  # pinned, or read ahead and not read yet
    waiting_bytes: int
    refused_bytes: int  # not written here, for the budget was spent
    problem: "Problem | None"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A level's policy failed, and the level goes on by recency."""

    level: str
    policy: str
    error: str  # the name of its type: a message may carry what is not ours to show
