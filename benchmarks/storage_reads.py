"""Reads: how long a question on a stored context waits for it, by the tier it is found in.

A read ends with everything a question needs: rows and text, units, postings, signals.
"""

import os
import random
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from benchmarks.chats import generated_chat
from benchmarks.meter import say, table
from benchmarks.pictures import draw
from benchmarks.scratch import disk_folder
from tierfold.compression.lossless import block_hash
from tierfold.config import Settings
from tierfold.context.identity import ContextKey
from tierfold.engine.clock import MonotonicClock, UnixClock
from tierfold.engine.contents import Contents, chat_contents
from tierfold.engine.driving import run
from tierfold.engine.shard.assembled import OpenShard, ShardParts
from tierfold.engine.shard.keys import block_stub, stub_hash
from tierfold.engine.verbs import Freshness, Verbs
from tierfold.engine.working import Loaded, SharedFolder, WorkingSets, build
from tierfold.ports import Batch, Family
from tierfold.replication import Placement
from tierfold.storage import RocksKeyValues, open_objects
from tierfold.text import token_counter
from tierfold.wire import parse_messages

TOKENS = 32_000
ROUNDS, ROUNDS_QUICK = 15, 7
_L0_REPEATS = 2_000
_TOKENIZER: Final = "o200k"
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # a folder of our own in it
_OTHERS = 4  # contexts beside the one that is read
_KEY = ContextKey("local", "read")
_LATEST = Freshness(consistency="latest")

Milliseconds = list[float]


def read_figures(*, is_quick: bool) -> dict[str, Any]:
    """Return the median read of each tier and the ratios of L1."""
    with disk_folder() as folder, Place.opened(folder) as place:
        place.fill()
        times = _measured(place, ROUNDS_QUICK if is_quick else ROUNDS)
        tokens = place.tokens
    say(f"read of a context of {tokens:,} tokens, ms until a question can begin")
    header = ["tier", "p50", "min", "max"]
    table(header, [[name, *_summary(each)] for name, each in times.items()])
    p50 = {name: statistics.median(each) for name, each in times.items()}
    numbers = list(range(len(p50)))
    draw(
        "storage",
        {"p50": (numbers, list(p50.values()))},
        x_label=", ".join(f"{number} {name}" for number, name in zip(numbers, p50, strict=True)),
        y_label=f"ms, {tokens:,} tokens",
    )
    return {
        "l0_read_us": p50["L0"] * 1000,
        "l1_first_vs_l3": p50["L1 first touch"] / p50["L3, in the page cache"],
        "l1_first_ms": p50["L1 first touch"],
        "l1_second_ms": p50["L1 second touch"],
        "l1_mapped_again_ms": p50["L1 mapped again"],
        "l2_read_ms": p50["L2"],
        "l3_read_ms": p50["L3"],
        "l3_in_page_cache_ms": p50["L3, in the page cache"],
        "l4_read_ms": p50["L4"],
        "read_tokens": tokens,
    }


@dataclass(slots=True, kw_only=True)
class Place:
    """One shard with all tiers, put together by hand: upkeep moves nothing while we measure."""

    folder: Path
    values: RocksKeyValues
    shared: SharedFolder
    shard: OpenShard
    working_sets: WorkingSets
    verbs: Verbs
    placement: Placement
    closing: ExitStack
    tokens: int = 0

    @classmethod
    def opened(cls, folder: Path) -> Self:
        """Open an empty shard with L1 in the node's memory and L4 in a folder."""
        closing, settings = ExitStack(), Settings()
        memory = _SHARED_MEMORY if _SHARED_MEMORY.is_dir() else folder
        shared = SharedFolder(memory / folder.name, bytes_max=settings.tiers.l1_bytes_max)
        values = RocksKeyValues(folder / "shard")
        closing.callback(values.close)
        objects = open_objects(f"file://{folder}/objects")
        closing.callback(objects.close)
        parts = ShardParts(
            values=values,
            settings=settings,
            wall=UnixClock(),
            clock=MonotonicClock(),
            dice=random.Random(7),
            objects=objects,
            folder=shared,
        )
        shard = OpenShard(parts)
        closing.callback(shard.close)
        working_sets = WorkingSets(settings.tiers.l0_bytes_max)
        verbs = Verbs(
            working_sets=working_sets,
            clock=MonotonicClock(),
            limits=settings.limits,
            store_limits=settings.store,
        )
        return cls(
            folder=folder,
            values=values,
            shared=shared,
            shard=shard,
            working_sets=working_sets,
            verbs=verbs,
            placement=Placement(("one",)),
            closing=closing,
        )

    def fill(self) -> None:
        """Store the context among others, sealed, in L4 too."""
        contents, self.tokens = _contents(TOKENS)
        run(self.verbs.create(_KEY, contents), [self.shard], self.placement)
        for number in range(_OTHERS):
            other = chat_contents(parse_messages(generated_chat(seed=10_000 + number)))
            key = ContextKey("local", f"other-{number}")
            run(self.verbs.create(key, other), [self.shard], self.placement)
        self.shard.upkeep.compact()
        if not self.shard.upkeep.flush():
            msg = "L4 does not have everything"
            raise OSError(msg)

    def read(self, freshness: Freshness) -> Loaded:
        """Return the working set, ready to be asked."""
        steps = self.verbs.working(_KEY, _TOKENIZER, freshness)
        loaded, _ = run(steps, [self.shard], self.placement)
        loaded.prepared.working().seal()
        return loaded

    def tier(self) -> str:
        """Return where a read finds the context now."""
        steps = self.verbs.working(_KEY, _TOKENIZER, _LATEST)
        return run(steps, [self.shard], self.placement)[1].tier

    def forget_heap(self) -> None:
        """Empty L0."""
        self.working_sets.drop(_KEY)

    def forget_blocks(self) -> None:
        """Empty L2."""
        self.shard.blocks.clear()

    def forget_pages(self) -> None:
        """Let the system forget what it has read of the database's tables."""
        for table_file in (self.folder / "shard").glob("*.sst"):
            number = os.open(table_file, os.O_RDONLY)
            os.posix_fadvise(number, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(number)

    def map(self) -> None:
        """Put the context into L1, as upkeep does with what is read for the second time."""
        info, bodies = self.bodies()
        loaded = build(info, bodies, tokenizer=_TOKENIZER, digest=_KEY.digest)
        self.shared.write(_KEY.digest, loaded, bodies)

    def bodies(self) -> tuple[Any, tuple[bytes, ...]]:
        """Return the context's state and its items."""
        items = run(self.verbs.items(_KEY), [self.shard], self.placement)
        return items.info, items.bodies

    def leave_to_l4(self) -> None:
        """Take all blocks from the disk, as upkeep does when the disk is too full."""
        batch = Batch()
        for key, block in self.values.scan(Family.BLOCK, b""):
            if stub_hash(block) is None:
                batch.put(Family.BLOCK, key, block_stub(block_hash(block)))
        self.values.write(batch)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.shared.remove(_KEY.digest)
        self.shared.path.rmdir()
        self.closing.close()


def _measured(place: Place, rounds: int) -> Mapping[str, Milliseconds]:
    """Return the milliseconds of every tier; what it takes to get there is not counted."""
    below = {
        "L2": _of_tier(place, "L2", rounds, place.forget_heap),
        "L3, in the page cache": _of_tier(place, "L3", rounds, lambda: _to_disk(place)),
        "L3": _of_tier(place, "L3", rounds, lambda: _to_disk(place, has_pages=False)),
    }
    place.map()
    times = {
        "L0": _l0(place),
        "L1 first touch": _of_tier(place, "L1", rounds, lambda: _to_new_map(place)),
        "L1 mapped again": _of_tier(place, "L1", rounds, place.forget_heap),
        "L1 second touch": [_ms(lambda: place.read(_LATEST)) for _ in range(rounds)],
        **below,
    }
    place.shared.remove(_KEY.digest)
    place.leave_to_l4()
    return {**times, "L4": _of_tier(place, "L4", rounds, lambda: _to_disk(place))}


def _of_tier(place: Place, tier: str, rounds: int, forget: Callable[[], None]) -> Milliseconds:
    """Return how long reads take after `forget`, which must leave the context in this tier."""
    place.read(_LATEST)
    forget()
    found = place.tier()
    if found != tier:
        msg = f"the context was to be read from {tier}, but lies in {found}"
        raise RuntimeError(msg)
    times = []
    for _ in range(rounds):
        forget()
        times.append(_ms(lambda: place.read(_LATEST)))
    return times


def _l0(place: Place) -> Milliseconds:
    """Return how long reads take of what this process holds and home confirmed just now."""
    freshness = Freshness()
    place.read(_LATEST)
    return [_ms(lambda: place.read(freshness)) for _ in range(_L0_REPEATS)]


def _to_disk(place: Place, *, has_pages: bool = True) -> None:
    place.forget_heap()
    place.forget_blocks()
    if not has_pages:
        place.forget_pages()


def _to_new_map(place: Place) -> None:
    """Leave the context in a file that nobody has mapped yet."""
    place.forget_heap()
    place.shared.remove(_KEY.digest)
    place.map()


def _ms(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def _summary(times: Milliseconds) -> list[float]:
    return [statistics.median(times), min(times), max(times)]


def _contents(tokens: int) -> tuple[Contents, int]:
    """Return an agent's conversation of about so many tokens."""
    count = token_counter("o200k").count
    rows: list[dict[str, Any]] = []
    total = seed = 0
    while total < tokens:
        chat = generated_chat(seed=seed)
        rows += chat if not seed else chat[1:]
        total += sum(count(str(row.get("content") or "")) for row in chat)
        seed += 1
    return chat_contents(parse_messages(rows)), total
