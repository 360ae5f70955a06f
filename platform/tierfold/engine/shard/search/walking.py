"""Filling a lost index: every item of every context is put on the list of what waits."""

from collections.abc import Iterator
from dataclasses import replace

from tierfold.context.manifest import PAGE_NAMES, Head
from tierfold.context.segment import Name
from tierfold.engine.shard.bodies import Bodies
from tierfold.engine.shard.keys import split_tenant
from tierfold.engine.shard.names import ReadBodies, names_between
from tierfold.engine.shard.search.keys import STATE_KEY
from tierfold.engine.shard.search.state import Phase, State
from tierfold.engine.shard.search.waiting import add_waiting
from tierfold.errors import CorruptError
from tierfold.ports import Batch, Family, KeyValues

STEP_ITEMS = 1024
STEP_HEADS = 256  # contexts in one step, however few items they have


def walked(values: KeyValues, bodies: Bodies, state: State) -> Batch:
    """Return the batch that lists the next items; the last one says that the index is complete."""
    batch = Batch()
    for count, (key, head) in enumerate(_heads(values, state)):
        if count == STEP_HEADS:
            break
        start = state.item if key == state.head else 0
        stop = min(start + STEP_ITEMS, head.items)
        tenant, digest = split_tenant(key)
        names = _names(head, start, stop, bodies.reader(values, tenant, digest).bodies)
        add_waiting(batch, tenant, names)
        state = replace(state, head=key, item=stop if stop < head.items else 0)
        if state.item or len(batch) >= STEP_ITEMS:
            break
    else:
        state = State(phase=Phase.READY)
    batch.put(Family.SEARCH, STATE_KEY, state.encode())
    return batch


def _heads(values: KeyValues, state: State) -> Iterator[tuple[bytes, Head]]:
    """Yield what is still to be walked, first the context that was begun."""
    if state.item:
        begun = values.get(Family.HEAD, state.head)
        if begun is not None:
            yield state.head, Head.decode(begun)
    for key, value in values.scan(Family.HEAD, b"", after=state.head):
        yield key, Head.decode(value)


def _names(head: Head, start: int, stop: int, read: ReadBodies) -> list[tuple[Name, int]]:
    """Return the items of a range; those of a damaged page are left out, the audit names it."""
    try:
        names = names_between(head, start, stop, read)
    except CorruptError:
        if stop - start <= PAGE_NAMES:
            return []
        middle = (start + stop) // 2 // PAGE_NAMES * PAGE_NAMES
        middle = middle if start < middle < stop else start + PAGE_NAMES
        return _names(head, start, middle, read) + _names(head, middle, stop, read)
    return [(name, start + at) for at, name in enumerate(names)]
