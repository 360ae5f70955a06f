"""Retention rules as people write them: one JSON object, times in seconds."""

from collections.abc import Mapping
from typing import Any

from tierfold.config import RetentionRule
from tierfold.errors import InvalidInputError
from tierfold.memory.lifecycle.retention import require_consistent

_MATCHES = ("tenant", "title_prefix", "metadata", "shape")
_TEXTS = frozenset({"tenant", "title_prefix", "shape"})
_LIMITS = ("idle_s_max", "age_s_max", "contexts_max", "bytes_max")
_FIELDS = frozenset({"name", "action", "match", *_LIMITS})
_TIMES = {"idle_s_max": "idle_ms_max", "age_s_max": "age_ms_max"}
_SECONDS_MAX = 1e9  # 30 years


def rules_of(document: Any) -> tuple[RetentionRule, ...]:
    """Return the rules of `{"rules": [...]}`; raises InvalidInputError with the place."""
    if not isinstance(document, Mapping) or not isinstance(document.get("rules"), list):
        problem = 'must be an object {"rules": [...]}'
        raise InvalidInputError(problem, path="retention")
    _require_known(document, frozenset({"rules"}), "retention")
    rules = tuple(_rule(rule, f"rules[{at}]") for at, rule in enumerate(document["rules"]))
    require_consistent(rules)
    return rules


def document_of(rules: tuple[RetentionRule, ...]) -> dict[str, Any]:
    """Return the rules as they are written."""
    return {"rules": [_document(rule) for rule in rules]}


def _rule(value: Any, path: str) -> RetentionRule:
    if not isinstance(value, Mapping):
        problem = f"a rule must be an object, not {type(value).__name__}"
        raise InvalidInputError(problem, path=path)
    _require_known(value, _FIELDS, path)
    match = value.get("match", {})
    if not isinstance(match, Mapping):
        problem = f"must be an object with {', '.join(_MATCHES)}"
        raise InvalidInputError(problem, path=f"{path}.match")
    _require_known(match, frozenset(_MATCHES), f"{path}.match")
    texts = {name: _text(match[name], f"{path}.match.{name}") for name in match if name in _TEXTS}
    metadata = match.get("metadata", {})
    if not isinstance(metadata, Mapping):
        problem = "must be an object with names and values"
        raise InvalidInputError(problem, path=f"{path}.match.metadata")
    said = {name: _text(value[name], f"{path}.{name}") for name in ("action",) if name in value}
    limits = {
        _TIMES.get(name, name): _limit(name, value[name], f"{path}.{name}")
        for name in _LIMITS
        if name in value
    }
    fields: dict[str, Any] = {**texts, **said, **limits}
    return RetentionRule(
        name=_text(value.get("name"), f"{path}.name"), metadata=dict(metadata), **fields
    )


def _require_known(value: Mapping[str, Any], known: frozenset[str], path: str) -> None:
    """Refuse other names: a limit that is misspelled must not be no limit."""
    unknown = sorted(str(name) for name in value if name not in known)
    if unknown:
        problem = f"there is no {unknown[0]!r} here; there is {', '.join(sorted(known))}"
        raise InvalidInputError(problem, path=path)


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        problem = f"must be a text, not {type(value).__name__}"
        raise InvalidInputError(problem, path=path)
    return value


def _limit(name: str, value: Any, path: str) -> int:
    is_time = name in _TIMES
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not (is_time or isinstance(value, int)):
        problem = f"must be a {'number of seconds' if is_time else 'whole number'}"
        raise InvalidInputError(problem, path=path)
    if is_time and not 0 < value <= _SECONDS_MAX:
        problem = f"must be above 0 and at most {_SECONDS_MAX:,.0f} seconds, not {value!r}"
        raise InvalidInputError(problem, path=path)
    return max(1, round(value * 1000)) if is_time else int(value)


def _document(rule: RetentionRule) -> dict[str, Any]:
    values = {name: getattr(rule, name) for name in _MATCHES}
    match = {name: value for name, value in values.items() if value}
    document: dict[str, Any] = {"name": rule.name, "action": rule.action}
    if match:
        document["match"] = {
            name: dict(v) if name == "metadata" else v for name, v in match.items()
        }
    for name in _LIMITS:
        limit = getattr(rule, _TIMES.get(name, name))
        if limit is not None:
            document[name] = _seconds(limit) if name in _TIMES else limit
    return document


def _seconds(milliseconds: int) -> float:
    return milliseconds // 1000 if milliseconds % 1000 == 0 else milliseconds / 1000
