"""Every request a client can make, as a value: no input, no output, one place for both clients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

from tierfold.client.documents import Item
from tierfold.context import UNLIMITED, Budget, Markers, Tokenizer
from tierfold.context.canonical import canonical_json
from tierfold.context.identity import ContextKey
from tierfold.context.stored import Consistency
from tierfold.errors import InvalidInputError, MalformedHandleError

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

_ANY_TENANT = "any"  # an id is as good or bad for each of them
_BUDGET = ("max_tokens", "latency_ms", "memory_bytes", "cost_usd", "min_quality")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request."""

    method: Method
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)
    about: Mapping[str, Any] = field(default_factory=dict)  # what an error is told of it
    is_repeatable: bool = True  # sent twice it does what it does once
    is_long: bool = False  # asked again while the server is at it, it takes longer still


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What is written: exactly one of these."""

    messages: Sequence[Mapping[str, Any]] | None = None
    text: str | None = None
    document: Mapping[str, Any] | None = None
    parts: Sequence[Item] | None = None

    def body(self) -> dict[str, Any]:
        """Return the one that is given; raises InvalidInputError for none or several."""
        given = {name: getattr(self, name) for name in self.__slots__}
        given = {name: value for name, value in given.items() if value is not None}
        if len(given) != 1:
            problem = f"give exactly one of messages, text, document, parts; got {len(given)}"
            raise InvalidInputError(problem)
        return given


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a stored context is folded for."""

    ask: str = ""
    budget: Budget = UNLIMITED
    stages: Sequence[str] = ()
    markers: Markers = "short"
    tokenizer: Tokenizer = "o200k"
    model: str = "none"
    consistency: Consistency = "session"


def create(
    id: str | None,  # noqa: A002  # the word callers know
    contents: Contents,
    *,
    title: str,
    metadata: Mapping[str, Any] | None,
    ttl_s: float | None,
    idempotency_key: str,
) -> Call:
    """Store a new context."""
    said = {"id": id, "title": title or None, "metadata": metadata, "ttl_s": ttl_s}
    return Call(
        method="POST",
        path="/v1/contexts",
        headers={"idempotency-key": idempotency_key},
        body=canonical_json(contents.body() | _given(said)),
        about={"context": id or ""},
    )


def append(
    id: str,  # noqa: A002  # as above
    contents: Contents,
    *,
    if_version: int | None,
    idempotency_key: str,
) -> Call:
    """Add items at the end."""
    return _write_items("POST", id, contents, if_version, idempotency_key)


def put(
    id: str,  # noqa: A002  # as above
    contents: Contents,
    *,
    if_version: int | None,
    idempotency_key: str,
) -> Call:
    """Make the context exactly this."""
    return _write_items("PUT", id, contents, if_version, idempotency_key)


def get(id: str) -> Call:  # noqa: A002  # as above
    """Read what is known of a context."""
    return Call(method="GET", path=context_path(id), about={"context": id})


def update(  # noqa: PLR0913  # a change's own fields, keyword-only
    id: str,  # noqa: A002  # as above
    *,
    title: str | None,
    metadata: Mapping[str, Any] | None,
    ttl_s: float | None,
    pinned_s: float | None,
    if_version: int | None,
    idempotency_key: str,
) -> Call:
    """Change what is kept besides the items."""
    said = {"title": title, "metadata": metadata, "ttl_s": ttl_s, "pinned_s": pinned_s}
    return Call(
        method="PATCH",
        path=context_path(id),
        headers={"idempotency-key": idempotency_key} | _condition(if_version),
        body=canonical_json(_given(said)),
        about={"context": id, "if_version": if_version},
    )


def delete(id: str, *, if_version: int | None) -> Call:  # noqa: A002  # as above
    """Remove a context."""
    return Call(
        method="DELETE",
        path=context_path(id),
        headers=_condition(if_version),
        about={"context": id, "if_version": if_version},
    )


def items(id: str, *, start: int, limit: int) -> Call:  # noqa: A002  # as above
    """Read a run of items."""
    query = {"start": str(start), "limit": str(limit)}
    return Call(method="GET", path=f"{context_path(id)}/items", query=query, about={"context": id})


def listing(*, after: str, limit: int, descending: bool) -> Call:
    """Read one page of contexts."""
    query = {"limit": str(limit), "order": "desc" if descending else "asc"}
    return Call(
        method="GET", path="/v1/contexts", query=query | ({"after": after} if after else {})
    )


def process(id: str, question: Question, *, version_seen: int) -> Call:  # noqa: A002  # as above
    """Fold a stored context."""
    budget = {name: getattr(question.budget, name) for name in _BUDGET}
    body = {
        "ask": question.ask,
        "budget": _given(budget),
        "stages": list(question.stages),
        "markers": question.markers,
        "tokenizer": question.tokenizer,
        "model": question.model,
        "consistency": question.consistency,
    }
    return Call(
        method="POST",
        path=f"{context_path(id)}/process",
        headers={"x-tierfold-version": str(version_seen)} if version_seen else {},
        body=canonical_json(body),
        about={"context": id, "budget": _given(budget), "stages": tuple(question.stages)},
        is_long=True,
    )


def handle(text: str, *, limit: int | None) -> Call:
    """Bring back what a handle names, or the first items of it."""
    if not text or "/" in text or set(text) <= {"."}:  # it would be another path on the server
        raise MalformedHandleError(text)
    return Call(
        method="GET",
        path=f"/v1/handles/{quote(text, safe='')}",
        query={} if limit is None else {"limit": str(limit)},
        about={"handle": text},
    )


def search(query: str, *, limit: int) -> Call:
    """Find items by words."""
    return Call(
        method="POST", path="/v1/search", body=canonical_json({"query": query, "limit": limit})
    )


def tiers() -> Call:
    """Read what the tiers hold."""
    return Call(method="GET", path="/v1/tiers")


def _write_items(
    method: Method, context: str, contents: Contents, if_version: int | None, key: str
) -> Call:
    return Call(
        method=method,
        path=f"{context_path(context)}/items",
        headers={"idempotency-key": key} | _condition(if_version),
        body=canonical_json(contents.body()),
        about={"context": context, "if_version": if_version},
    )


def context_path(context: str) -> str:
    """Return the path of a context; an id that is none would be another path on the server."""
    known = ContextKey(_ANY_TENANT, context)
    return f"/v1/contexts/{quote(known.id, safe='')}"


def _condition(if_version: int | None) -> dict[str, str]:
    return {} if if_version is None else {"if-match": f'"{if_version}"'}


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
