"""Rules as people write them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierfold.config import RetentionRule
from tierfold.errors import InvalidInputError
from tierfold.memory.lifecycle.rules_document import document_of, rules_of


@given(
    rules=st.lists(
        st.builds(
            RetentionRule,
            name=st.text(min_size=1, max_size=9),
            title_prefix=st.text(max_size=5),
            metadata=st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
            shape=st.sampled_from(["", "text"]),
            idle_ms_max=st.integers(1, 10**12),
            age_ms_max=st.one_of(st.none(), st.integers(1, 10**12)),
            contexts_max=st.one_of(st.none(), st.integers(1, 10**9)),
            bytes_max=st.one_of(st.none(), st.integers(1, 10**15)),
        ),
        max_size=3,
        unique_by=lambda rule: rule.name,
    ).map(tuple)
)
def test_rules_come_back_as_they_were_written(rules: tuple[RetentionRule, ...]) -> None:
    """Nothing of a rule is lost on its way through the file."""
    assert rules_of(document_of(rules)) == rules


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ([], "must be an object"),
        ({"rules": 1}, "must be an object"),
        ({"rules": [], "rule": []}, "there is no 'rule'"),
        ({"rules": [1]}, r"rules\[0\].*not int"),
        ({"rules": [{"idle_s_max": 1}]}, r"rules\[0\].name"),
        ({"rules": [{"name": "r", "idle_s": 1}]}, "no 'idle_s' here.*idle_s_max"),
        ({"rules": [{"name": "r", "idle_s_max": "30d"}]}, "number of seconds"),
        ({"rules": [{"name": "r", "idle_s_max": True}]}, "number of seconds"),
        ({"rules": [{"name": "r", "idle_s_max": 0}]}, "above 0"),
        ({"rules": [{"name": "r", "idle_s_max": float("nan")}]}, "above 0"),
        ({"rules": [{"name": "r", "contexts_max": 1.5}]}, "whole number"),
        ({"rules": [{"name": "r", "contexts_max": -1}]}, "above 0"),
        ({"rules": [{"name": "r", "action": 1, "idle_s_max": 1}]}, r"rules\[0\].action"),
        ({"rules": [{"name": "r", "match": 1}]}, "match"),
        ({"rules": [{"name": "r", "match": {"title": ""}}]}, "no 'title'"),
        ({"rules": [{"name": "r", "match": {"shape": 1}}]}, "shape"),
        ({"rules": [{"name": "r", "match": {"metadata": 1}}]}, "metadata"),
    ],
)
def test_a_malformed_file_is_refused_with_the_place(document: Any, problem: str) -> None:
    """A misspelled limit must not mean that there is none."""
    with pytest.raises(InvalidInputError, match=problem):
        rules_of(document)
