"""Where the bench `tiers` gets its traces: files of three kinds, or the same kinds generated.

A file is of a kind by its name: `claudecode...`, `mooncake...`, or one with `oltp` in it; `_ctx`
files, which have one access per context, are left out. Where a kind has none by name, files of
requests and conversations are told apart by how many of their accesses are first ones.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from tierfold.sim.reading import read_trace
from tierfold.sim.sources import Source
from tierfold.sim.trace import Integers, Trace

KINDS = ("coding_agent", "mooncake", "oltp")
BY_CONTENT = ("coding_agent", "mooncake")
FIRST_SHARE_OF_AGENTS_MAX = 0.2
GENERATED_ACCESSES, QUICK_ACCESSES = 120_000, 60_000
_BLOCK_BYTES = 2_048
_GAP_MS = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TierSource:
    """One trace of one kind: a file, or none if it is generated."""

    kind: str
    file: Path | None = None
    accesses: int | None = None  # the first so many; None is all

    @property
    def name(self) -> str:
        """How it is called in tables."""
        return f"generated {self.kind}" if self.file is None else self.file.stem

    def read(self) -> Trace:
        """Return the trace."""
        if self.file is not None:
            trace = read_trace(self.file, is_lenient=True)
            return trace if self.accesses is None else trace.head(self.accesses)
        accesses = self.accesses or GENERATED_ACCESSES
        if self.kind == "oltp":
            return Source(kind="zipf", accesses=accesses, seed=1).read()
        return conversations(accesses, _TALK[self.kind])


def generated_sources(*, quick: bool) -> list[TierSource]:
    """Return one generated trace of each kind."""
    count = QUICK_ACCESSES if quick else GENERATED_ACCESSES
    return [TierSource(kind=kind, accesses=count) for kind in KINDS]


def data_sources(folder: Path, *, quick: bool) -> list[TierSource]:
    """Return the traces below a folder, as many of each kind as there are."""
    files = sorted(file for file in folder.rglob("*.parquet") if not file.stem.endswith("_ctx"))
    named = {file: kind for file in files if (kind := _kind_by_name(file.stem))}
    lacking = set(BY_CONTENT) - set(named.values())
    others = [file for file in files if lacking and file not in named]
    named |= {file: kind for file in others if (kind := _kind(file)) in lacking}
    return [
        TierSource(kind=kind, file=file, accesses=QUICK_ACCESSES if quick else None)
        for kind in KINDS
        for file, found in named.items()
        if found == kind
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """How conversations go."""

    open_at_a_time: int
    turns_mean: float
    once_share: float  # of them are never taken up again after their first request


def conversations(accesses: int, talk: Talk) -> Trace:
    """Return conversations that grow: each turn reads the history and adds to it."""
    dice = np.random.default_rng(7)
    columns = list(_turns(accesses, dice, talk))
    time, key, request, session = np.concatenate(columns, axis=1)
    size = np.full(len(key), _BLOCK_BYTES, np.int64)
    return Trace(
        name="conversations", time=time, key=key, size=size, request=request, session=session
    )


def _turns(accesses: int, dice: np.random.Generator, talk: Talk) -> Iterator[Integers]:
    """Yield one request after another as columns of time, key, request and session."""
    histories: dict[int, Integers] = {}
    blocks = sessions = time = request = made = 0
    while made < accesses:
        time += int(dice.exponential(_GAP_MS)) + 1
        if len(histories) < talk.open_at_a_time:
            session, sessions = sessions, sessions + 1
            history = np.zeros(0, np.int64)
        else:
            session = list(histories)[int(dice.integers(len(histories)))]
            history = histories[session]
        added = 1 + int(dice.geometric(0.1 if not len(history) else 0.3))
        history = np.concatenate([history, np.arange(blocks, blocks + added)])
        blocks += added
        is_over = dice.random() < (
            talk.once_share if len(history) == added else 1 / talk.turns_mean
        )
        histories.pop(session, None)
        if not is_over:
            histories[session] = history
        whole = np.ones(len(history), np.int64)
        yield np.stack([whole * time, history, whole * request, whole * session])
        request += 1
        made += len(history)


_TALK: Mapping[str, Talk] = {
    "coding_agent": Talk(open_at_a_time=8, turns_mean=40.0, once_share=0.0),
    "mooncake": Talk(open_at_a_time=200, turns_mean=4.0, once_share=0.7),
}


def _kind_by_name(stem: str) -> str | None:
    if stem.startswith("claudecode"):
        return "coding_agent"
    if stem.startswith("mooncake"):
        return "mooncake"
    return "oltp" if "oltp" in stem else None


def _kind(file: Path) -> str | None:
    """Return the kind of a file by what it holds, if it has conversations."""
    if not {"key", "req", "sess"} <= set(pq.read_schema(file).names):
        return None
    keys = pq.read_table(file, columns=["key"])["key"]
    first_share = len(keys.unique()) / max(len(keys), 1)
    return "coding_agent" if first_share < FIRST_SHARE_OF_AGENTS_MAX else "mooncake"
