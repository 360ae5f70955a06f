"""A shard in a process of its own; all it does is done by classes that know nothing of Ray."""

import ray

from tierfold.config import Settings
from tierfold.engine.shard.opening import ShardHome, open_shard
from tierfold.engine.shard.operations import Operation, Result
from tierfold_actors.compressor_actor import packed_elsewhere
from tierfold_actors.gauges import GaugeThread
from tierfold_actors.store_plan import StorePlan

# Threads for each kind of call: a read never waits for an fsync, and neither for an audit.
CONCURRENCY = {"read": 5, "write": 4, "maintenance": 2}


class ShardActor:
    """One shard of a store. What it knows is on its disk: a new process reads it there."""

    def __init__(self, plan: StorePlan, number: int) -> None:
        self._plan = plan
        name = plan.shard_names[number]
        home = ShardHome(store=plan.path, name=name, shards=plan.shards, objects=plan.objects)
        self._shard = open_shard(home, settings=Settings(), pack=packed_elsewhere)
        self._gauges = GaugeThread(self._shard.call, name)

    @ray.method(concurrency_group="read")
    def read(self, operations: tuple[Operation, ...]) -> list[Result]:
        """Return a result for each operation that reads."""
        return self._shard.call(operations)

    @ray.method(concurrency_group="write")
    def write(self, operations: tuple[Operation, ...]) -> list[Result]:
        """Return a result for each operation that changes something, all with one fsync."""
        return self._shard.call(operations)

    @ray.method(concurrency_group="maintenance")
    def maintain(self, operations: tuple[Operation, ...]) -> list[Result]:
        """Return a result for each operation that may take minutes."""
        return self._shard.call(operations)

    @ray.method(concurrency_group="read")
    def plan(self) -> StorePlan:
        """Return the plan that this shard was made after, once it serves."""
        return self._plan

    @ray.method(concurrency_group="maintenance")
    def close(self) -> None:
        """Finish what is being written and stop."""
        self._gauges.close()
        self._shard.close()
