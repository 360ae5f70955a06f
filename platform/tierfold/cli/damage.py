"""`tierfold doctor --store` on a store that does not open: what is damaged, what became of it."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tierfold.cli.table import counted, printable

if TYPE_CHECKING:
    from tierfold.engine.repairing import DamagedShard, RepairedShard

_SHOWN_MAX = 100


def damage_lines(store: str, damaged: Sequence["DamagedShard"]) -> Iterator[str]:
    """Yield what is damaged and how to go on."""
    for shard in damaged:
        yield f"damaged   {shard.name} does not open: {printable(shard.problem)}"
        yield from (f"          {line}" for line in shard.damage)
    yield (
        f"`tierfold doctor --store {store} --repair` builds it anew from all that can be read, and "
        "from its object store where it follows one; what is damaged is moved aside, not deleted"
    )


def repair_lines(repaired: Sequence["RepairedShard"]) -> Iterator[str]:
    """Yield what was saved and what was lost."""
    for shard in repaired:
        yield f"repaired  {shard.name}: the damaged one is {shard.aside} now"
        yield from (f"          {line}" for line in shard.damage)
        yield from _fates(shard)


def is_all_saved(repaired: Sequence["RepairedShard"]) -> bool:
    """Return whether every context that is known of is there."""
    return not any(shard.recovered.incomplete or shard.recovered.lost for shard in repaired)


def damage_body(damaged: Sequence["DamagedShard"]) -> dict[str, object]:
    """Return what is damaged, as JSON has it."""
    return {"ok": False, "damaged": [dataclasses.asdict(each) for each in damaged]}


def repair_body(repaired: Sequence["RepairedShard"]) -> list[dict[str, object]]:
    """Return what was repaired, as JSON has it."""
    return [dataclasses.asdict(each) for each in repaired]


def _fates(shard: "RepairedShard") -> Iterator[str]:
    found = shard.recovered
    source = shard.object_store
    asked = f"{len(found.from_l4):,} of them from {source}" if source else "no L4 was asked"
    yield f"          {counted(found.whole, 'context')} whole, {asked}"
    for fate, names in (
        ("restored", found.from_l4),
        ("partial", found.incomplete),
        ("lost", found.lost),
        ("refused", found.problems),
    ):
        yield from (f"{fate:8}  {printable(name)}" for name in names[:_SHOWN_MAX])
        if len(names) > _SHOWN_MAX:
            yield f"... and {len(names) - _SHOWN_MAX:,} more {fate}; --json lists all"
    if found.incomplete:
        yield "partial contexts keep their items; those whose content is lost cannot be read"
