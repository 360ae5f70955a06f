from collections.abc import Callable
from typing import TypeVar

import pytest

from tests.unit.engine.shard.worlds import TENANT, World, key, message, replacing
from tierfold.context.manifest import Shape
from tierfold.context.segment import name_of
from tierfold.engine.shard.changing import ChangeStep
from tierfold.engine.shard.keys import Place, split_tenant, tenant_prefix
from tierfold.engine.shard.operations import Append, Changed, Changing
from tierfold.engine.shard.upkeep.moving import Body, Mover
from tierfold.engine.shard.upkeep.packing import PackJob, packed
from tierfold.engine.shard.view import Stored, View
from tierfold.ports import Batch, Family

CHAT = [message(f"sentence {n}") for n in range(100)]

T = TypeVar("T")


class Round:
    """Steps of one round, none of which is on the disk yet."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.view = View(world.values)

    def run(self, step: Callable[[Stored, Batch], T]) -> T:
        batch = Batch()
        result = step(self.view, batch)
        self.view.absorb(batch)
        return result

    def seal(self) -> None:
        """Put all rows into blocks, as upkeep does."""
        codec = self.world.shard.core.parts.codec_of(TENANT)
        rows = self.world.values.scan(Family.BODY, tenant_prefix(TENANT))
        bodies = [codec.unframe(frame) for _, frame in rows]
        mover = Mover(self, has_l4=False, dropped=lambda *_: None)
        for block in packed(PackJob(bodies=tuple(bodies))):
            names = [name_of(bodies[at]) for at in block.entries]
            mover.put(TENANT, block.data, [Body(name, Place()) for name in names])

    def change(self, operation: Changing) -> object:
        """Make a change that was prepared before the round began."""
        return self.run(ChangeStep(self.world.shard.core.change_parts, operation, World().values))


@pytest.mark.parametrize(
    "change",
    [
        Append(context=key("a"), shape=Shape.MESSAGES, items=tuple(CHAT[:64])),
        replacing("a", CHAT[50:]),
        replacing("b", CHAT[20:30]),
    ],
)
def test_a_change_finds_what_was_sealed_in_its_own_round(change: Changing) -> None:
    """The block is not on the disk yet; the spine or an item in it is not missing for that."""
    world = World()
    world.create("a", CHAT)
    world.create("b", CHAT[:10])
    one = Round(world)
    one.seal()
    assert isinstance(one.change(change), Changed)
    blocks = [split_tenant(at)[0] for family, at in one.view.changes.puts if family is Family.BLOCK]
    assert set(blocks) == {TENANT}
