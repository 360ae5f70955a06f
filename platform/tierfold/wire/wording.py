"""What is wrong with a value, in our own words: its place, what it must be and what it was.

Texts are the caller's own and may be secret: of a text that was sent, nothing is said.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Problem = Mapping[str, Any]  # one of pydantic's errors

_WHOLE = "a whole number"
_WANTED = {
    "string_type": "a text",
    "int_type": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
}
_BOUNDS = {  # by type: words, and where the bound stands
    "greater_than": ("must be above {bound:g}", "gt"),
    "greater_than_equal": ("must be at least {bound:g}", "ge"),
    "less_than": ("must be below {bound:g}", "lt"),
    "less_than_equal": ("must be at most {bound:g}", "le"),
    "too_short": ("must have at least {bound} {entries}", "min_length"),
    "string_too_short": ("must have at least {bound} {characters}", "min_length"),
    "string_too_long": ("must have at most {bound} {characters}", "max_length"),
}
_BRANCHES = frozenset({"str", "float", "int"})  # pydantic's names of what a value may be
_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (type(None), "null"),
    (bool, "true or false"),
    ((int, float), "a number"),
    (str, "a text"),
    (dict, "an object"),
    ((list, tuple), "a list"),
)


def worded(problems: Sequence[Problem], *, root: str = "") -> dict[str, str]:
    """Return what is wrong at each place, in their order; places begin with the root's name."""
    wanted: dict[str, list[str]] = {}
    said: dict[str, str] = {}
    places = [_place(problem["loc"], root) for problem in problems]
    for problem, place in zip(problems, places, strict=True):
        if problem["type"] in _WANTED:
            wanted.setdefault(place, []).append(_WANTED[problem["type"]])
            if not _is_inside(place, places):
                either = " or ".join(_alternatives(wanted[place]))
                said[place] = f"must be {either}, not {_kind(problem['input'], either)}"
        else:
            said.setdefault(place, _words(problem))
    return said


def _alternatives(wanted: Sequence[str]) -> list[str]:
    """Return what a value may be: a whole number needs no mention where any will do."""
    return [each for each in dict.fromkeys(wanted) if each != _WHOLE or "a number" not in wanted]


def _is_inside(place: str, places: Sequence[str]) -> bool:
    """Whether a value that may be several things was found wrong inside, as one of them."""
    return any(other.startswith((f"{place}[", f"{place}.")) for other in places)


def _place(location: tuple[int | str, ...], root: str) -> str:
    """Return the path in the caller's own notation."""
    path = root
    for at, step in enumerate(location):
        if isinstance(step, int):
            path += f"[{step}]"
        elif not (step.startswith(("function-", "list[")) or (at and step in _BRANCHES)):
            path += f".{step}" if path else step
    return path or "body"


def _words(problem: Problem) -> str:
    kind, context = problem["type"], problem.get("ctx", {})
    if kind in _BOUNDS:
        form, bound_name = _BOUNDS[kind]
        bound = context[bound_name]
        is_one = bound == 1
        words = form.format(
            bound=bound,
            entries="entry" if is_one else "entries",
            characters="character" if is_one else "characters",
        )
        return words + _number(problem["input"])
    if kind == "missing":
        return "is missing"
    if kind == "literal_error":
        return f"must be {context['expected']}" + _other_kind(problem["input"])
    return str(context["error"]) if "error" in context else "is malformed"


def _number(value: object) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f", not {value}" if is_number else ""


def _other_kind(value: object) -> str:
    return "" if isinstance(value, str) else f", not {_kind(value)}"


def _kind(value: object, wanted: str = "") -> str:
    """Return what a value is; a number that is not the wanted one says itself."""
    found = next((words for kind, words in _KINDS if isinstance(value, kind)), "something else")
    return f"{value}" if found == "a number" and "number" in wanted else found
