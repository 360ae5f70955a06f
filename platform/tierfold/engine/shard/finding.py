"""Finding the items of a handle again: where they stood, or wherever they stand now."""

from tierfold.context.handle import Handle, check_of
from tierfold.context.manifest import Head
from tierfold.context.segment import NAME_BYTES
from tierfold.engine.shard.names import ReadBodies, all_names, names_between

HASHED_BYTES_MAX = 64 << 20  # .1 s: a context written anew is searched no further


def first_of(handle: Handle, head: Head, read: ReadBodies) -> int | None:
    """Return the index of the first item that a handle means; None where they are gone."""
    if handle.count > head.items:
        return None
    stop = handle.first + handle.count
    if stop <= head.items:
        names = names_between(head, handle.first, stop, read)
        if check_of(names) == handle.check:
            return handle.first
    return _elsewhere(handle, head, read)


def _elsewhere(handle: Handle, head: Head, read: ReadBodies) -> int | None:
    """Look for the run of items from the beginning on."""
    length = handle.count * NAME_BYTES
    tries = HASHED_BYTES_MAX // length
    first = 0
    window = b""
    for names in all_names(head, read):
        window += b"".join(names)
        here = range(0, len(window) - length + 1, NAME_BYTES)
        for at in here[:tries]:
            if check_of((window[at : at + length],)) == handle.check:
                return first + at // NAME_BYTES
        tries -= len(here)
        if tries <= 0:
            return None
        window = window[len(here) * NAME_BYTES :]
        first += len(here)
    return None
