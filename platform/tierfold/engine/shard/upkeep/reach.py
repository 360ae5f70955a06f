"""What a context reaches: every name its head leads to."""

from collections.abc import Callable, Iterator, Sequence

from tierfold.context.manifest import Head, Spine
from tierfold.context.segment import Name, names_in, pieces_in

Read = Callable[[Name], bytes]  # the body of a name


def structure(head: Head, read: Read) -> Iterator[tuple[Name, Sequence[Name]]]:
    """Yield spine, branches, pages, each with the items it lists itself, in the items' order.

    Holds one page at a time, whatever the context's length.
    """
    if head.spine is None:
        return
    spine = Spine.decode(read(head.spine))
    yield head.spine, ()
    for branch in spine.branches:
        yield branch, ()
        for page in names_in(read(branch)[1:]):
            yield page, names_in(read(page)[1:])
    for page in spine.pages:
        yield page, names_in(read(page)[1:])


def reachable(head: Head, read: Read) -> Iterator[Name]:
    """Yield every name the head leads to; reads all bodies to find those that are split.

    A name that stands several times in the list is yielded as often.
    """
    if head.about is not None:
        yield head.about
    for name, items in structure(head, read):
        yield name
        yield from _items(items, read)
    yield from _items(head.tail, read)


def _items(items: Sequence[Name], read: Read) -> Iterator[Name]:
    for item in items:
        yield item
        yield from pieces_in(read(item))


def newest_first(head: Head, read: Read) -> Iterator[Sequence[Name]]:
    """Yield runs of items from the end of the list to its beginning."""
    yield head.tail
    if head.spine is None:
        return
    spine = Spine.decode(read(head.spine))
    for page in reversed(spine.pages):
        yield names_in(read(page)[1:])
    for branch in reversed(spine.branches):
        for page in reversed(names_in(read(branch)[1:])):
            yield names_in(read(page)[1:])
