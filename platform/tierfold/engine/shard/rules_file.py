"""The retention rules of a store: a file in its folder, read anew when it has changed."""

import os
from collections.abc import Sequence
from pathlib import Path

import orjson

from tierfold.config import RetentionRule, Settings
from tierfold.errors import InvalidInputError, SetupError
from tierfold.memory.lifecycle.retention import require_consistent
from tierfold.memory.lifecycle.rules_document import document_of, rules_of

RULES_FILE = "retention.json"

_BYTES_MAX = 1 << 20


class RulesInForce:
    """The rules of the settings and of the store's file, as they are now."""

    def __init__(self, store: Path, settings: Settings, *, shards: int) -> None:
        """Take the rules of the settings; raises InvalidInputError where they contradict."""
        require_possible(settings.retention, shards=shards)
        self._store = store
        self._settings = settings
        self._shards = shards

    def __call__(self) -> Sequence[RetentionRule]:
        """Return the rules; raises SetupError where the file has none that can be followed."""
        rules = (*self._settings.retention, *stored_rules(self._store))
        try:
            require_possible(rules, shards=self._shards)
        except InvalidInputError as error:
            problem = f"{self._store / RULES_FILE}: {error}"
            raise SetupError(problem) from error
        return rules


def require_possible(rules: Sequence[RetentionRule], *, shards: int) -> None:
    """Refuse rules that contradict, and those that no shard alone can follow."""
    require_consistent(rules)
    for rule in rules:
        if shards > 1 and (rule.contexts_max or rule.bytes_max):
            problem = (
                f"contexts_max and bytes_max need a store of one shard, this one has {shards}: "
                "no shard knows what the others hold"
            )
            raise InvalidInputError(problem, path=f"retention rule {rule.name!r}")


def stored_rules(store: Path) -> tuple[RetentionRule, ...]:
    """Return the rules of a store's file, none without one; raises SetupError for nonsense."""
    path = store / RULES_FILE
    try:
        data = path.read_bytes()[: _BYTES_MAX + 1]
    except FileNotFoundError:
        return ()
    except OSError as error:
        problem = f"{path} cannot be read: {error.strerror}"
        raise SetupError(problem) from error
    try:
        return parsed_rules(data)
    except InvalidInputError as error:
        problem = f"{path}: {error}"
        raise SetupError(problem) from error


def parsed_rules(data: bytes) -> tuple[RetentionRule, ...]:
    """Return the rules in a file's bytes; raises InvalidInputError."""
    if len(data) > _BYTES_MAX:
        problem = f"retention rules have at most {_BYTES_MAX:,} bytes"
        raise InvalidInputError(problem)
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        problem = f"it is no JSON: {error}"
        raise InvalidInputError(problem, path="retention") from error
    return rules_of(document)


def store_rules(store: Path, rules: tuple[RetentionRule, ...]) -> None:
    """Make these the rules of a store, all of them or none; without any the file goes."""
    path = store / RULES_FILE
    if not rules:
        path.unlink(missing_ok=True)
        return
    written = path.with_name(f"{RULES_FILE}.new")
    with written.open("wb") as file:
        file.write(orjson.dumps(document_of(rules), option=orjson.OPT_INDENT_2))
        file.flush()
        os.fsync(file.fileno())
    written.replace(path)
