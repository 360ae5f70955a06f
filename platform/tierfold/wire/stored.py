"""Stored contexts, their items and handles as documents."""

from collections.abc import Sequence
from typing import Any, Literal

import orjson
from pydantic import BaseModel, Field

from tierfold.context.canonical import part_of, text_of
from tierfold.context.manifest import Shape
from tierfold.context.stored import ContextInfo

_SHAPES = {Shape.MESSAGES: "messages", Shape.PARTS: "parts", Shape.TEXT: "text"}
_SECOND_MS = 1000


class ContextModel(BaseModel):
    """A stored context without its items."""

    object: Literal["context"] = "context"
    id: str
    shape: Literal["messages", "parts", "text"]
    version: int
    items: int
    size_bytes: int
    title: str
    metadata: dict[str, Any]
    created_at: float
    updated_at: float
    expires_at: float | None
    pinned_until: float | None
    ignored_fields: list[str] = []


class ContextListModel(BaseModel):
    """One page of contexts in the order of their ids."""

    object: Literal["list"] = "list"
    data: list[ContextModel]
    has_more: bool
    first_id: str | None
    last_id: str | None


class ContextDeletedModel(BaseModel):
    """It is gone from every tier."""

    id: str
    object: Literal["context.deleted"] = "context.deleted"
    deleted: Literal[True] = True


class ItemListModel(BaseModel):
    """A range of a context's items."""

    object: Literal["list"] = "list"
    context: str
    shape: Literal["messages", "parts", "text"]
    version: int
    start: int
    total: int
    data: list[dict[str, Any]]
    has_more: bool


class HandleModel(BaseModel):
    """What a handle brings back: a `text`, or whole rows as `messages`."""

    object: Literal["handle"] = "handle"
    handle: str
    context: str
    version: int
    text: str | None = None
    messages: list[dict[str, Any]] | None = None
    next: str | None = Field(description="the handle of what is behind this page")


def context_body(info: ContextInfo, *, ignored_fields: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a context without its items; what was ignored is named where there is any."""
    head = info.head
    body = {
        "object": "context",
        "id": head.id,
        "shape": _SHAPES[head.shape],
        "version": head.version,
        "items": head.items,
        "size_bytes": head.size_bytes,
        "title": info.about.title,
        "metadata": info.about.metadata,
        "created_at": head.created_ms / _SECOND_MS,
        "updated_at": head.updated_ms / _SECOND_MS,
        "expires_at": _moment(head.expires_ms),
        "pinned_until": _moment(head.pinned_until_ms),
    }
    return body | {"ignored_fields": list(ignored_fields)} if ignored_fields else body


def contexts_body(contexts: Sequence[ContextInfo], *, has_more: bool) -> dict[str, Any]:
    """Return one page of a listing."""
    return {
        "object": "list",
        "data": [context_body(info) for info in contexts],
        "has_more": has_more,
        "first_id": contexts[0].id if contexts else None,
        "last_id": contexts[-1].id if contexts else None,
    }


def deleted_body(context: str) -> dict[str, Any]:
    """Return the word that a context is gone."""
    return {"id": context, "object": "context.deleted", "deleted": True}


def items_body(info: ContextInfo, bodies: Sequence[bytes], *, start: int) -> dict[str, Any]:
    """Return a range of items, ready for orjson: a chat's rows are passed on as their bytes."""
    head = info.head
    return {
        "object": "list",
        "context": head.id,
        "shape": _SHAPES[head.shape],
        "version": head.version,
        "start": start,
        "total": head.items,
        "data": [_item(head.shape, body) for body in bodies],
        "has_more": start + len(bodies) < head.items,
    }


def handle_body(
    handle: str,
    info: ContextInfo,
    brought: str | list[dict[str, Any]],
    *,
    next_handle: str | None = None,
) -> dict[str, Any]:
    """Return what a handle brought back."""
    field = "text" if isinstance(brought, str) else "messages"
    return {
        "object": "handle",
        "handle": handle,
        "context": info.id,
        "version": info.version,
        field: brought,
        "next": next_handle,
    }


def _item(shape: Shape, body: bytes) -> Any:
    if shape is Shape.MESSAGES:
        return orjson.Fragment(body[1:])  # canonical JSON already
    if shape is Shape.TEXT:
        return {"text": text_of(body)}
    part = part_of(body)
    return {"text": part.text} if part.role is None else {"text": part.text, "role": part.role}


def _moment(unix_ms: int) -> float | None:
    return unix_ms / _SECOND_MS if unix_ms else None
