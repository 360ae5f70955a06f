"""What a handle stands for, from the items it points into."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tierfold.context import TextPart
from tierfold.context.canonical import json_of, part_of, text_of
from tierfold.context.handle import Handle, check_of
from tierfold.context.manifest import Shape
from tierfold.context.segment import item_name
from tierfold.context.stored import ContextInfo
from tierfold.engine.working.decode import message_of, require_kinds
from tierfold.errors import UnknownHandleError

BroughtBack = str | list[dict[str, Any]]  # characters, or whole rows of a chat


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlePage:
    """The first part of what a handle names, and the handle of what is behind it."""

    value: BroughtBack = field(repr=False)
    next: str | None = None  # None: that was all


def bring_back(handle: str, info: ContextInfo, bodies: Sequence[bytes]) -> BroughtBack:
    """Return what was left out, byte for byte: whole rows as they were stored, all else as text.

    `bodies` are those of the handle's items. Raises UnknownHandleError where they are not, or
    where the handle was made up.
    """
    found = Handle.decode(handle)
    require_kinds(info.head.shape, bodies)
    if check_of([item_name(body) for body in bodies]) != found.check:
        raise UnknownHandleError(handle)
    if not found.end and info.head.shape is Shape.MESSAGES:
        return [json_of(body) for body in bodies]
    text = _text(found, info.head.shape, bodies)
    if text is None or found.end > len(text):
        raise UnknownHandleError(handle)
    return text[found.start : found.end] if found.end else text


def page_of(
    handle: str,
    info: ContextInfo,
    bodies: Sequence[bytes],
    *,
    first: int,
    rest_check: bytes,
) -> HandlePage:
    """Return as much as the first items have of it; they stand at `first` now.

    The pages of a handle, joined, are what `bring_back` returns of it. `rest_check` is that of the
    items behind, empty where these are all. Raises UnknownHandleError.
    """
    if not rest_check:
        return HandlePage(value=bring_back(handle, info, bodies))
    found = Handle.decode(handle)
    require_kinds(info.head.shape, bodies)
    if info.head.shape is Shape.MESSAGES:
        if found.end:
            raise UnknownHandleError(handle)  # characters are of one row
        rest = found.behind(first=first, items=len(bodies), characters=0, check=rest_check)
        return HandlePage(value=[json_of(body) for body in bodies], next=rest.encode())
    text = _text(found, info.head.shape, bodies) or ""
    value = text[found.start : found.end or None]
    if found.end and found.end <= len(text):
        return HandlePage(value=value)
    rest = found.behind(first=first, items=len(bodies), characters=len(text), check=rest_check)
    return HandlePage(value=value, next=rest.encode())


def _text(handle: Handle, shape: Shape, bodies: Sequence[bytes]) -> str | None:
    """Return the text the handle counts in; None where the row has none there."""
    if shape is Shape.TEXT:
        return "".join(map(text_of, bodies))
    if shape is Shape.PARTS:
        return "".join(part_of(body).text for body in bodies)
    content = message_of(json_of(bodies[0])).content
    if handle.part is None:
        return content if isinstance(content, str) else None
    if not isinstance(content, tuple) or handle.part >= len(content):
        return None
    part = content[handle.part]
    return part.text if isinstance(part, TextPart) else None
