"""The retention rules in a store's folder."""

import json
from pathlib import Path

import pytest

import tierfold
from tierfold.config import RetentionRule, Settings
from tierfold.engine.shard.rules_file import (
    RULES_FILE,
    RulesInForce,
    parsed_rules,
    store_rules,
    stored_rules,
)
from tierfold.errors import InvalidInputError, SetupError

IDLE = RetentionRule(name="idle", idle_ms_max=1000)
FEW = RetentionRule(name="few", contexts_max=5)


def test_rules_are_kept_with_the_store_and_read_anew(tmp_path: Path) -> None:
    """Who sets them need not stop who has the store open."""
    rules = RulesInForce(tmp_path, Settings(retention=(FEW,)), shards=1)
    assert tuple(rules()) == (FEW,)
    store_rules(tmp_path, (IDLE,))
    assert tuple(rules()) == (FEW, IDLE)
    store_rules(tmp_path, ())

    assert tuple(rules()) == (FEW,)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"rules":[{"name":"x","idle":1}]}'])
def test_a_broken_file_is_named_and_followed_in_nothing(tmp_path: Path, content: bytes) -> None:
    """Not even in the rules that can be read: nobody knows what was meant."""
    (tmp_path / RULES_FILE).write_bytes(content)
    with pytest.raises(SetupError, match=r"retention\.json"):
        stored_rules(tmp_path)


def test_a_file_has_a_limit(tmp_path: Path) -> None:
    """A megabyte of rules is a mistake; what is no file is one too."""
    with pytest.raises(InvalidInputError, match="at most"):
        parsed_rules(b" " * (1 << 20) + b"{}")
    (tmp_path / RULES_FILE).mkdir()
    with pytest.raises(SetupError, match="cannot be read"):
        stored_rules(tmp_path)


def test_rules_of_file_and_settings_must_not_contradict(tmp_path: Path) -> None:
    """One name for one rule, wherever it stands."""
    store_rules(tmp_path, (IDLE,))
    rules = RulesInForce(tmp_path, Settings(retention=(IDLE,)), shards=1)
    with pytest.raises(SetupError, match="two rules"):
        rules()


def test_no_shard_knows_how_much_the_others_hold() -> None:
    """So a number or a size is refused where there are several, before anything is deleted."""
    with pytest.raises(InvalidInputError, match="one shard"):
        RulesInForce(Path(), Settings(retention=(FEW,)), shards=2)


@pytest.mark.parametrize("path", [":memory:", "folder"])
def test_a_store_is_not_opened_with_rules_that_contradict(tmp_path: Path, path: str) -> None:
    """The refusal comes at once, not from a thread a minute later."""
    where = path if path == ":memory:" else tmp_path / path
    with pytest.raises(InvalidInputError, match="two rules"):
        tierfold.open(where, settings=Settings(retention=(IDLE, IDLE)))
    with tierfold.open(where, settings=Settings(retention=(IDLE,))) as store:
        assert any(each.job == "retain" for each in store.tiers()[0].passes)


def test_the_file_is_what_people_wrote(tmp_path: Path) -> None:
    """Seconds as seconds, and only what is said."""
    store_rules(tmp_path, (IDLE,))

    assert json.loads((tmp_path / RULES_FILE).read_bytes()) == {
        "rules": [{"name": "idle", "action": "delete", "idle_s_max": 1}]
    }
