"""Lists that come in pages, as one."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Protocol

from tierfold.client.documents import (
    BroughtBack,
    ContextObject,
    HandlePage,
    ItemsPage,
    ListPage,
    MalformedReplyError,
)
from tierfold.errors import VersionConflictError

ITEMS_MAX = 1000  # in one page
CONTEXTS_MAX = 100

_PAGE_BYTES = 4 * 1024 * 1024


class ItemsPageOf(Protocol):
    """A way to read a run of items."""

    def __call__(self, id: str, start: int, limit: int, /) -> ItemsPage:  # noqa: A002  # as callers say
        """Return up to `limit` items from `start` on."""
        ...


class ListPageOf(Protocol):
    """A way to list contexts."""

    def __call__(self, *, after: str, limit: int) -> ListPage:
        """Return up to `limit` contexts after that id."""
        ...


class HandlePageOf(Protocol):
    """A way to bring back the first part of what a handle names."""

    def __call__(self, text: str, /) -> HandlePage:
        """Return it, and the handle of what is behind it."""
        ...


def page_items(context: ContextObject) -> int:
    """Return how many items of the context's usual size make a page that burdens neither side."""
    return max(1, min(ITEMS_MAX, _PAGE_BYTES * context.items // max(context.size_bytes, 1)))


class ItemPaging:
    """Which items to ask for next, until those from `start` to `stop` are there.

    Both count as in slices. It takes pages and says what is wanted: no input, no output.
    """

    def __init__(self, start: int = 0, stop: int | None = None, *, limit: int = ITEMS_MAX) -> None:
        self._stop = stop
        self._limit = limit
        self._version: int | None = None
        self._end = 0
        is_known = stop is not None and 0 <= start <= stop
        first = min(limit, max(stop - start, 1)) if is_known and stop is not None else limit
        self.wanted: tuple[int, int] | None = (start, first)  # first item and how many; None: done

    def took(self, page: ItemsPage) -> ItemsPage:
        """Take the page that was wanted, and return what of it is asked for.

        Raises VersionConflictError when the context has changed since the first page.
        """
        if self._version is None:
            self._version = page.version
            self._end = slice(page.start, self._stop).indices(page.total)[1]
        if page.version != self._version:
            raise VersionConflictError(page.context, asked=self._version, current=page.version)
        items = page.items[: max(self._end - page.start, 0)]
        at = page.start + len(items)
        is_done = at >= self._end or not items
        self.wanted = None if is_done else (at, min(self._limit, self._end - at))
        return replace(page, items=items)


def each_item(
    page_of: ItemsPageOf,
    context: str,
    start: int = 0,
    stop: int | None = None,
    *,
    limit: int = ITEMS_MAX,
) -> Iterator[ItemsPage]:
    """Yield the pages of items `start` to `stop`, at least one; raises VersionConflictError."""
    paging = ItemPaging(start, stop, limit=limit)
    while paging.wanted is not None:
        yield paging.took(page_of(context, *paging.wanted))


def each_context(page_of: ListPageOf, *, limit: int = CONTEXTS_MAX) -> Iterator[ContextObject]:
    """Yield every context in the order of their ids."""
    after = ""
    while True:
        page = page_of(after=after, limit=limit)
        yield from page.contexts
        if not page.has_more or not page.contexts:
            return
        after = page.contexts[-1].id


def each_page(page_of: HandlePageOf, handle: str) -> Iterator[HandlePage]:
    """Yield what a handle names, a page at a time."""
    left: str | None = handle
    while left is not None:
        page = page_of(left)
        yield page
        left = next_of(page, left)


def next_of(page: HandlePage, handle: str) -> str | None:
    """Return the handle behind a page of this handle; raises MalformedReplyError for the same."""
    if page.next == handle:
        problem = "a page has no end"
        raise MalformedReplyError(problem)
    return page.next


def joined_pages(pages: Iterable[BroughtBack]) -> BroughtBack:
    """Return the pages of one handle as a whole."""
    text: list[str] = []
    rows: list[dict[str, Any]] = []
    is_text = False
    for page in pages:
        if isinstance(page, str):
            is_text = True
            text.append(page)
        else:
            rows += page
    return "".join(text) if is_text else rows
