"""The names of a context's items, read from its pages as far as they are needed."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tierfold.context.manifest import BRANCH_PAGES, PAGE_NAMES, Head, Spine
from tierfold.context.segment import Name, names_in
from tierfold.errors import CorruptError

ReadBodies = Callable[[Iterable[Name]], Mapping[Name, bytes]]

_PAGES_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Reach:
    """What a head leads to, but for the pieces of split items."""

    structure: tuple[Name, ...]  # spine, branches and pages
    items: tuple[Name, ...]  # in their order


def names_between(head: Head, start: int, stop: int, read: ReadBodies) -> tuple[Name, ...]:
    """Return the names of a range of items; reads only the pages that list them."""
    sealed = head.items - len(head.tail)
    listed: list[Name] = []
    if start < min(stop, sealed):
        first = start // PAGE_NAMES
        pages = _pages(head, first, -(-min(stop, sealed) // PAGE_NAMES), read)
        skipped = start - first * PAGE_NAMES
        listed += _page_names(pages, read)[skipped : skipped + min(stop, sealed) - start]
    listed += head.tail[max(0, start - sealed) : max(0, stop - sealed)]
    return tuple(listed)


def all_names(head: Head, read: ReadBodies) -> Iterator[Sequence[Name]]:
    """Yield all names in order, some thousands at a time."""
    step = _PAGES_AT_ONCE * PAGE_NAMES
    for start in range(0, head.items, step):
        yield names_between(head, start, min(start + step, head.items), read)


def reach_of(head: Head, read: ReadBodies) -> Reach:
    """Return all names of a context."""
    if head.spine is None:
        return Reach((), head.tail)
    spine = _spine(head, read)
    pages = _pages(head, 0, (head.items - len(head.tail)) // PAGE_NAMES, read)
    items = (*_page_names(pages, read), *head.tail)
    return Reach((head.spine, *spine.branches, *pages), items)


def _spine(head: Head, read: ReadBodies) -> Spine:
    return Spine.decode(read([head.spine])[head.spine]) if head.spine is not None else Spine()


def _pages(head: Head, first: int, last: int, read: ReadBodies) -> list[Name]:
    """Return the names of some pages in order."""
    spine = _spine(head, read)
    in_branches = len(spine.branches) * BRANCH_PAGES
    pages: list[Name] = []
    if first < in_branches:
        begin = first // BRANCH_PAGES
        branches = spine.branches[begin : -(-min(last, in_branches) // BRANCH_PAGES)]
        bodies = read(branches)
        listed = [page for branch in branches for page in names_in(bodies[branch][1:])]
        skipped = first - begin * BRANCH_PAGES
        pages += listed[skipped : skipped + min(last, in_branches) - first]
    pages += spine.pages[max(0, first - in_branches) : max(0, last - in_branches)]
    if len(pages) != last - first:
        problem = f"it lists {len(pages)} pages where there are {last - first}"
        raise CorruptError(what="a spine", problem=problem)
    return pages


def _page_names(pages: Sequence[Name], read: ReadBodies) -> list[Name]:
    bodies = read(pages)
    return [name for page in pages for name in names_in(bodies[page][1:])]
