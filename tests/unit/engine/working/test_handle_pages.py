"""What a long handle names comes in pages, which joined are the whole."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tierfold
from tests.unit.engine.working.contexts import KEY, bodies_of, chat, document, info_of, rows
from tierfold.client.documents import HandlePage as ClientPage
from tierfold.client.documents import MalformedReplyError
from tierfold.client.paging import joined_pages, next_of
from tierfold.context import Part
from tierfold.context.handle import Handle, check_of
from tierfold.context.identity import ContextKey
from tierfold.context.message import Message
from tierfold.context.segment import item_name
from tierfold.engine.contents import Contents
from tierfold.engine.working import bring_back, message_of, page_of
from tierfold.errors import InvalidInputError, UnknownHandleError

LIMITS = st.lists(st.integers(1, 4), min_size=20, max_size=20)


def read(contents: Contents, handle: str, limit: int | None = None) -> dict[str, Any]:
    """Return what a shard reads for a page of a handle."""
    found = Handle.decode(handle)
    items = contents.items[found.first : found.first + found.count]
    names = contents.names[found.first : found.first + found.count]
    assert check_of(names) == found.check
    rest = names[limit:] if limit else ()
    return {
        "info": info_of(contents.shape, len(contents.items)),
        "bodies": bodies_of(items[:limit]),
        "first": found.first,
        "rest_check": check_of(rest) if rest else b"",
    }


def assert_pages_are_the_whole(contents: Contents, handle: Handle, limits: list[int]) -> None:
    """Read a handle at once and page by page."""
    whole = read(contents, handle.encode())
    pages, left = [], handle.encode()
    for limit in limits:
        page = page_of(left, **read(contents, left, limit))
        pages.append(page.value)
        if page.next is None:
            break
        left = page.next

    assert joined_pages(pages) == bring_back(handle.encode(), whole["info"], whole["bodies"])


@given(st.lists(st.text(max_size=9), min_size=1, max_size=16), st.data(), LIMITS)
def test_pages_of_a_text_joined_are_the_whole(
    texts: list[str], data: st.DataObject, limits: list[int]
) -> None:
    """Wherever in its items the span begins and ends."""
    contents = document([Part(text=text) for text in texts])
    first = data.draw(st.integers(0, len(texts) - 1))
    count = data.draw(st.integers(1, len(texts) - first))
    length = sum(map(len, texts[first : first + count]))
    end = data.draw(st.integers(0, length))
    start = data.draw(st.integers(0, end))
    check = check_of(contents.names[first : first + count])
    handle = Handle(digest=KEY.digest, first=first, count=count, start=start, end=end, check=check)

    assert_pages_are_the_whole(contents, handle, limits)


@given(rows(), LIMITS)
def test_pages_of_rows_joined_are_the_whole(listed: list[Message], limits: list[int]) -> None:
    """No row is cut."""
    contents = chat(listed)
    count = len(listed)
    handle = Handle(digest=KEY.digest, first=0, count=count, check=check_of(contents.names))

    assert_pages_are_the_whole(contents, handle, limits)


def test_characters_are_of_one_row() -> None:
    """A handle that says other things was made up."""
    contents = chat([message_of({"role": "user", "content": word}) for word in ("a", "b")])
    made_up = Handle(digest=KEY.digest, first=0, count=2, end=1, check=check_of(contents.names))

    with pytest.raises(UnknownHandleError):
        page_of(made_up.encode(), **read(contents, made_up.encode(), 1))


def test_a_store_brings_back_page_by_page() -> None:
    """From wherever the items stand now."""
    said = [{"role": "user", "content": f"Line {number}."} for number in range(300)]
    with tierfold.open(":memory:") as store:
        store.create("trip", messages=said)
        listed = store.items("trip", 70, 200)
        check = check_of(store_names(store, "trip")[70:200])
        handle = Handle(
            digest=ContextKey("local", "trip").digest,
            first=70,
            count=130,
            check=check,
        ).encode()
        first = store.bring_back_page(handle, limit=100)
        assert first.next is not None
        store.put("trip", messages=said[50:])
        second = store.bring_back_page(first.next)
        with pytest.raises(InvalidInputError, match="limit"):
            store.bring_back_page(handle, limit=0)

    assert len(listed.bodies) == 130
    assert joined_pages([first.value, second.value]) == said[70:200]
    assert second.next is None


def store_names(store: Any, id_: str) -> list[bytes]:
    """Return the names of a chat's items."""
    return [item_name(body) for body in store.items(id_).bodies]


def test_a_page_that_names_itself_is_refused() -> None:
    """A client would ask for ever."""
    with pytest.raises(MalformedReplyError):
        next_of(ClientPage(value="a", next="h_a"), "h_a")
