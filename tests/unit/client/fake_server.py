"""A server that keeps contexts in a dict and speaks the real shapes, for clients to talk to."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import httpx

from tierfold.errors import (
    ContextExistsError,
    InvalidInputError,
    KeyReusedError,
    TierfoldError,
    UnknownContextError,
    UnknownHandleError,
    VersionConflictError,
)
from tierfold.wire import problem_body

NOW = 1_700_000_000.0


@dataclass(kw_only=True)
class Kept:
    """One context."""

    id: str
    shape: str
    items: list[dict[str, Any]]
    version: int = 1
    title: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    ttl_s: float = 0.0
    pinned_s: float = 0.0

    def body(self) -> dict[str, Any]:
        """Return the context object."""
        return {
            "object": "context",
            "id": self.id,
            "shape": self.shape,
            "version": self.version,
            "items": len(self.items),
            "size_bytes": sum(self.size(item) for item in self.items),
            "title": self.title,
            "metadata": self.metadata,
            "created_at": NOW,
            "updated_at": NOW,
            "expires_at": NOW + self.ttl_s if self.ttl_s else None,
            "pinned_until": NOW + self.pinned_s if self.pinned_s else None,
            "a_field_of_later": True,
        }

    def size(self, item: dict[str, Any]) -> int:
        """Return the bytes of an item's content."""
        text = item["text"] if self.shape == "text" else json.dumps(item)
        return len(text.encode())


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request, taken apart."""

    name: str
    query: Mapping[str, str]
    body: Any
    request: httpx.Request


class FakeServer:
    """Answers requests; `before` answers the next ones instead."""

    def __init__(self) -> None:
        self.contexts: dict[str, Kept] = {}
        self.seen: list[httpx.Request] = []
        self.before: list[httpx.Response | Exception] = []
        self.keys: dict[str, bytes] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer a request, as `httpx.MockTransport` wants it."""
        self.seen.append(request)
        if self.before:
            answer = self.before.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        try:
            return self._routed(request)
        except TierfoldError as error:
            return problem(error)

    def _routed(self, request: httpx.Request) -> httpx.Response:
        path = [unquote(each) for each in urlsplit(str(request.url)).path.split("/")[2:]]
        asked = Asked(
            name=path[1] if len(path) > 1 else "",
            query={k: v[0] for k, v in parse_qs(urlsplit(str(request.url)).query).items()},
            body=json.loads(request.content) if request.content else {},
            request=request,
        )
        routes: dict[tuple[str, str], Callable[[Asked], httpx.Response]] = {
            ("POST", "contexts"): self._create,
            ("GET", "contexts"): self._list,
            ("GET", "contexts/id"): lambda asked: _context(self._kept(asked)),
            ("PATCH", "contexts/id"): self._patch,
            ("DELETE", "contexts/id"): self._delete,
            ("GET", "contexts/id/items"): self._items,
            ("POST", "contexts/id/items"): self._append,
            ("PUT", "contexts/id/items"): self._put,
            ("POST", "contexts/id/process"): self._process,
            ("GET", "handles/id"): self._handle,
            ("POST", "search"): self._search,
            ("GET", "tiers"): lambda _: httpx.Response(200, json=TIERS),
        }
        return routes[request.method, "/".join((path[0], *["id"][: len(path) - 1], *path[2:]))](
            asked
        )

    def _kept(self, asked: Asked) -> Kept:
        if asked.name not in self.contexts:
            raise UnknownContextError(asked.name)
        kept = self.contexts[asked.name]
        version = int(asked.request.headers.get("if-match", '"0"').strip('"'))
        if version and version != kept.version:
            raise VersionConflictError(asked.name, asked=version, current=kept.version)
        return kept

    def _create(self, asked: Asked) -> httpx.Response:
        body = asked.body
        name = body.get("id") or f"made-{len(self.contexts)}"
        if name in self.contexts:
            raise ContextExistsError(name)
        shape, items = _contents(body)
        kept = Kept(id=name, shape=shape, items=items, title=body.get("title", ""))
        kept.metadata, kept.ttl_s = body.get("metadata", {}), body.get("ttl_s", 0.0)
        self.contexts[name] = kept
        return _context(kept, status=201)

    def _append(self, asked: Asked) -> httpx.Response:
        kept, content = self._kept(asked), asked.request.content
        key = asked.request.headers["idempotency-key"]
        if key in self.keys:
            if self.keys[key] != content:
                raise KeyReusedError
            return _context(kept)
        self.keys[key] = content
        shape, items = _contents(asked.body)
        if shape != kept.shape:
            problem = f"the context is a list of {kept.shape}"
            raise InvalidInputError(problem, path=shape)
        kept.items += items
        kept.version += 1
        return _context(kept)

    def _put(self, asked: Asked) -> httpx.Response:
        shape, items = _contents(asked.body)
        name = asked.name
        if name not in self.contexts:
            self.contexts[name] = Kept(id=name, shape=shape, items=items, version=0)
        kept = self.contexts[name]
        kept.shape, kept.items, kept.version = shape, items, kept.version + 1
        return _context(kept)

    def _delete(self, asked: Asked) -> httpx.Response:
        del self.contexts[self._kept(asked).id]
        return httpx.Response(200, json={"id": asked.name, "deleted": True})

    def _process(self, asked: Asked) -> httpx.Response:
        return httpx.Response(200, json=answer_body(self._kept(asked), asked.body))

    def _patch(self, asked: Asked) -> httpx.Response:
        kept = self._kept(asked)
        for name, value in asked.body.items():
            setattr(kept, name, value)
        kept.version += 1
        return _context(kept)

    def _list(self, asked: Asked) -> httpx.Response:
        limit, after = int(asked.query["limit"]), asked.query.get("after", "")
        is_down = asked.query["order"] == "desc"
        names = sorted(self.contexts, reverse=is_down)
        names = [name for name in names if not after or (name < after if is_down else name > after)]
        data = [self.contexts[name].body() for name in names[:limit]]
        return httpx.Response(200, json={"data": data, "has_more": len(names) > limit})

    def _items(self, asked: Asked) -> httpx.Response:
        kept = self._kept(asked)
        start, limit = int(asked.query["start"]), int(asked.query["limit"])
        start = max(len(kept.items) + start, 0) if start < 0 else start
        body = {
            "object": "list",
            "context": kept.id,
            "shape": kept.shape,
            "version": kept.version,
            "start": start,
            "total": len(kept.items),
            "data": kept.items[start : start + limit],
            "has_more": start + limit < len(kept.items),
        }
        return httpx.Response(200, json=body)

    def _handle(self, asked: Asked) -> httpx.Response:
        kept = next(iter(self.contexts.values()), None)
        if kept is None:
            raise UnknownHandleError(asked.name)
        name, _, place = asked.name.partition("~")
        start = int(place or 0)
        stop = start + int(asked.query.get("limit", 2))
        items = kept.items[start:stop]
        is_chat = kept.shape == "messages"
        text = "".join(item.get("text", "") for item in items)
        said: dict[str, Any] = {"messages": items} if is_chat else {"text": text}
        rest = f"{name}~{stop}" if stop < len(kept.items) else None
        body = {"object": "handle", "handle": asked.name, **said, "next": rest}
        return httpx.Response(200, json=body)

    def _search(self, asked: Asked) -> httpx.Response:
        body = asked.body
        hits = [
            {"context": kept.id, "item": at, "score": 2.5, "text": str(item), "handle": "h_x"}
            for kept in self.contexts.values()
            for at, item in enumerate(kept.items)
            if body["query"] in str(item)
        ]
        return httpx.Response(200, json={"data": hits[: body["limit"]], "segments_waiting": 3})


def problem(error: TierfoldError, **headers: str) -> httpx.Response:
    """Return the error as the gateway sends it."""
    body = problem_body(error, request_id="r1")
    if isinstance(error, VersionConflictError):
        body["current_version"] = error.current
        headers["etag"] = f'"{error.current}"'
    headers["content-type"] = "application/problem+json"
    return httpx.Response(error.status, headers=headers, content=json.dumps(body).encode())


def _contents(body: Mapping[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    if "messages" in body:
        return "messages", list(body["messages"])
    if "parts" in body or "document" in body:
        return "parts", list(body.get("parts") or body["document"]["parts"])
    return "text", [{"text": body["text"]}]


def _context(kept: Kept, *, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=kept.body(), headers={"etag": f'"{kept.version}"'})


def answer_body(kept: Kept, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer that keeps everything."""
    floor = body["budget"].get("min_quality")
    is_chat = kept.shape == "messages"
    text = "".join(item.get("text", "") for item in kept.items)
    parts = {"document": {"id": None, "title": "", "parts": kept.items}}
    source = {"messages": kept.items} if is_chat else {"text": text}
    return {
        "object": "answer",
        "final": True,
        "sources": [parts if kept.shape == "parts" else source],
        "stop_reason": "fits_already",
        "query_free": not body["ask"],
        "quality": {"expected": 0.8, "floor": floor, "p_floor": 1.0, "floor_met": floor is None},
        "usage": {
            "prompt_tokens": 10,
            "original_prompt_tokens": 20,
            "original_is_estimate": False,
            "total_tokens": 10,
        },
        "savings": {"tokens": 10, "usd_net": 0.1, "baseline": "everything sent fresh"},
        "cost_usd": 0.0,
        "stages": [{"stage": "fast", "quality": 0.8, "tokens": 10}],
        "left_out": [
            {
                "source": 0,
                "message": None,
                "part": None,
                "start": 0,
                "end": 1,
                "tokens": 1,
                "of_later": 1,
            }
        ],
        "timing": {
            "total_ms": 2.0,
            "cpu_ms": 2.0,
            "read_ms": 0.0,
            "index_ms": 0.0,
            "stages": [{"stage": "fast", "predicted_ms": 2.0, "ms": 1.5}],
            "tier": "L0",
        },
    }


TIERS: dict[str, Any] = {
    "shards": [
        {
            "shard": 0,
            "tiers": [],
            "contexts": 2,
            "search_bytes": 10,
            "unsealed_bytes": 20,
            "backlog": {"blocks": 1, "contexts": 2},
            "object_store": {"url": "s3://bucket", "problem": "it does not answer"},
        }
    ],
    "l0": {"size_bytes": 5_000, "limit_bytes": 10_000, "items": 1, "hits": 4, "misses": 1},
    "tiers": [
        {
            "tier": "L0",
            "size_bytes": 5_000,
            "limit_bytes": 10_000,
            "items": 1,
            "hits": 4,
            "latency_ms": {"p50": 0.01, "p99": None},
        },
        {
            "tier": "L3",
            "size_bytes": 123_456_789,
            "limit_bytes": None,
            "items": 12,
            "hits": 3,
            "latency_ms": {"p50": 1.5, "p99": 20.0},
        },
    ],
}
