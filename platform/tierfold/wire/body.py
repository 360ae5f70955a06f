"""JSON bytes in, checked objects out; every refusal says where and why."""

import json
import re
from collections.abc import Iterator
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from tierfold.config import Limits
from tierfold.errors import InvalidInputError, TooLargeError
from tierfold.wire.wording import worded

Model = TypeVar("Model", bound=BaseModel)
Json = Any  # a parsed JSON value; pydantic judges its shape

_PROBLEMS_SHOWN_MAX = 5
_PARSER_DEPTH_MAX = 1024  # orjson's own
_LONG_NUMBER = re.compile(rb"\d{19}")  # a digit run that may be an integer beyond 64 bits


def load_json(body: bytes, limits: Limits) -> Json:
    """Parse the body; raises TooLargeError or InvalidInputError, never anything else."""
    if len(body) > limits.body_bytes_max:
        raise TooLargeError(what="body in bytes", size=len(body), limit=limits.body_bytes_max)
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        _require_shallow_text(str(error), limits.depth_max)
        raise InvalidInputError(_why_not_json(body, error)) from error
    _require_shallow(value, limits.depth_max)
    if _LONG_NUMBER.search(body):
        _require_exact_integers(body)
    return value


def validate(model: type[Model], value: Json) -> Model:
    """Return the value as the model; raises InvalidInputError with the paths of what is wrong."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise as_invalid_input(error) from error


def as_invalid_input(error: ValidationError, *, root: str = "") -> InvalidInputError:
    """Say a pydantic error in one line, paths in the caller's own notation."""
    said = worded(error.errors(include_url=False), root=root)
    if len(said) == 1:
        ((path, problem),) = said.items()
        return InvalidInputError(problem, path=path)
    lines = [f"{path}: {problem}" for path, problem in said.items()]
    shown = lines[:_PROBLEMS_SHOWN_MAX]
    if len(lines) > _PROBLEMS_SHOWN_MAX:
        shown.append(f"and {len(lines) - _PROBLEMS_SHOWN_MAX} more")
    return InvalidInputError("; ".join(shown))


def unknown_fields(model: BaseModel, *, prefix: str = "") -> Iterator[str]:
    """Yield the dotted paths of what the caller sent and tierfold does not know."""
    for name in model.model_extra or {}:
        yield f"{prefix}{name}"
    for name in type(model).model_fields:
        yield from _unknown_below(getattr(model, name), f"{prefix}{name}")


def _unknown_below(value: object, path: str) -> Iterator[str]:
    if isinstance(value, BaseModel):
        yield from unknown_fields(value, prefix=f"{path}.")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, BaseModel):
                yield from unknown_fields(item, prefix=f"{path}[{index}].")


def _require_shallow_text(message: str, depth_max: int) -> None:
    """Raise TooLargeError where the parser itself gave up on the depth."""
    if "depth limit" in message or "recursion limit" in message:
        raise TooLargeError(what="nesting depth", size=_PARSER_DEPTH_MAX, limit=depth_max)


def _require_exact_integers(body: bytes) -> None:
    """Refuse integers that the parser would round: what comes back must be equal."""
    for path, each in _walk(json.loads(body)):
        if isinstance(each, int) and not -(1 << 63) <= each < 1 << 64:
            problem = "an integer beyond 64 bits is not exact in JSON; send it as a string"
            raise InvalidInputError(problem, path=path)


def _require_shallow(value: Json, depth_max: int) -> None:
    level = [value]
    for _ in range(depth_max):
        level = [
            child for each in level if isinstance(each, dict | list) for child in _inside(each)
        ]
        if not level:
            return
    raise TooLargeError(what="nesting depth", size=depth_max + 1, limit=depth_max)


def _inside(value: dict[str, Json] | list[Json]) -> Iterator[Json]:
    children = value.values() if isinstance(value, dict) else value
    return (child for child in children if isinstance(child, dict | list))


def _why_not_json(body: bytes, error: orjson.JSONDecodeError) -> str:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as decoding:
        return f"the body is not valid UTF-8 at byte {decoding.start}"
    try:
        lenient = json.loads(text)
    except (ValueError, RecursionError):
        return f"the body is not JSON: {error}"
    surrogate = next(_surrogates(lenient), None)
    if surrogate is not None:
        return f"{surrogate}: a lone surrogate is no character; send well-formed Unicode"
    return f"the body is not strict JSON: {error}"


def _surrogates(value: Json) -> Iterator[str]:
    for path, each in _walk(value):
        if isinstance(each, str) and any("\ud800" <= c <= "\udfff" for c in each):
            yield path or "body"


def _walk(value: Json) -> Iterator[tuple[str, Json]]:
    """Yield every value inside, with its dotted path."""
    waiting: list[tuple[str, Json]] = [("", value)]
    while waiting:
        path, each = waiting.pop()
        yield path, each
        if isinstance(each, dict):
            waiting += [(f"{path}.{k}" if path else k, v) for k, v in each.items()]
        elif isinstance(each, list):
            waiting += [(f"{path}[{i}]", v) for i, v in enumerate(each)]
