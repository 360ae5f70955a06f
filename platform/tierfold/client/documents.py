"""What a server says of stored contexts, as values."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, TypeVar

from tierfold.errors import TierfoldError

T = TypeVar("T")
Shape = Literal["messages", "parts", "text"]
Item = Mapping[str, Any]  # a chat row, or {"text"} with a document's "role"
BroughtBack = str | list[dict[str, Any]]  # a text, or whole rows of a chat


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextObject:
    """A context without its items; times are seconds since 1970."""

    id: str
    shape: Shape
    version: int
    items: int
    size_bytes: int
    title: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    created_at: float
    updated_at: float
    expires_at: float | None = None
    pinned_until: float | None = None

    @property
    def ttl_s(self) -> float:
        """Life after the last change; 0 is for ever."""
        if self.expires_at is None:
            return 0.0
        return round(self.expires_at - self.updated_at, 3)

    def body(self) -> dict[str, Any]:
        """Return the document as it travels."""
        return {"object": "context"} | asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """One page of a listing, in the order of ids."""

    contexts: tuple[ContextObject, ...]
    has_more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsPage:
    """A run of items of one context at one version."""

    context: str
    shape: Shape
    version: int
    start: int
    total: int  # items of the whole context
    items: tuple[Item, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlePage:
    """The first part of what a handle names, and the handle of what is behind it."""

    value: BroughtBack = field(repr=False)
    next: str | None = None  # None: that was all


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchHit:
    """One item that was found."""

    context: str
    item: int  # its index
    score: float
    text: str = field(repr=False)
    handle: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search found, the best first."""

    hits: tuple[SearchHit, ...]
    segments_waiting: int  # written, not searchable yet


class MalformedReplyError(TierfoldError):
    """The server's reply is none of tierfold's."""

    title = "malformed reply"
    status = 502

    def __init__(self, problem: str) -> None:
        super().__init__(f"this is no reply of a tierfold server: {problem}")


def context_object(body: Mapping[str, Any]) -> ContextObject:
    """Return the context of its document; fields this client does not know are left out."""
    return _built(ContextObject, body)


def list_page(body: Mapping[str, Any]) -> ListPage:
    """Return a page of contexts."""
    contexts = tuple(context_object(each) for each in _rows(body))
    return ListPage(contexts=contexts, has_more=bool(body.get("has_more")))


def items_page(body: Mapping[str, Any]) -> ItemsPage:
    """Return a page of items."""
    return _built(ItemsPage, {**body, "items": tuple(_rows(body))})


def found(body: Mapping[str, Any]) -> Found:
    """Return what a search found."""
    hits = tuple(_built(SearchHit, each) for each in _rows(body))
    return Found(hits=hits, segments_waiting=int(body.get("segments_waiting", 0)))


def handle_page(body: Mapping[str, Any]) -> HandlePage:
    """Return what a handle names, or its first part."""
    value: BroughtBack | None = body.get("text", body.get("messages"))
    if value is None:
        problem = "it has neither text nor messages"
        raise MalformedReplyError(problem)
    return HandlePage(value=value, next=body.get("next"))


def _built(kind: type[T], body: Mapping[str, Any]) -> T:
    known = {each.name for each in fields(kind)}  # type: ignore[arg-type]  # they are dataclasses
    try:
        return kind(**{name: value for name, value in body.items() if name in known})
    except (TypeError, AttributeError) as error:
        problem = f"a {kind.__name__} lacks fields"
        raise MalformedReplyError(problem) from error


def _rows(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    rows = body.get("data")
    if not isinstance(rows, list):
        problem = "a list has no data"
        raise MalformedReplyError(problem)
    return rows
