"""Which contexts go by rule."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierfold.config import RetentionRule
from tierfold.context.stored import About
from tierfold.errors import InvalidInputError
from tierfold.memory.lifecycle.retention import (
    Candidate,
    Census,
    Verdict,
    matches,
    require_consistent,
)

NOW_MS = 1_000_000
NO_ABOUT = About()


def context(
    id: str = "a",  # noqa: A002  # the word callers know
    *,
    idle_ms: int = 0,
    age_ms: int = 0,
    pinned_ms: int = 0,
    about: About = NO_ABOUT,
    **fields: Any,
) -> Candidate:
    defaults: dict[str, Any] = {
        "tenant": "acme",
        "version": 1,
        "shape": "messages",
        "size_bytes": 10,
    }
    return Candidate(
        id=id,
        created_ms=NOW_MS - max(age_ms, idle_ms),
        updated_ms=NOW_MS - idle_ms,
        pinned_until_ms=NOW_MS + pinned_ms,
        about=lambda: about,
        **(defaults | fields),
    )


def judged(
    rules: list[RetentionRule], candidates: list[Candidate], surplus_max: int = 1000
) -> list[Verdict]:
    census = Census(rules, NOW_MS, surplus_max=surplus_max)
    timely = [census.look(candidate) for candidate in candidates]
    return [each for each in timely if each is not None] + list(census.surplus())


def said(verdicts: list[Verdict]) -> list[tuple[str, str, str]]:
    return [(each.candidate.id, each.rule.name, each.reason) for each in verdicts]


CANDIDATES = st.lists(
    st.builds(
        context,
        idle_ms=st.integers(0, 100),
        age_ms=st.integers(0, 200),
        size_bytes=st.integers(0, 50),
        pinned_ms=st.sampled_from([0, 0, 5]),
        shape=st.sampled_from(["messages", "text"]),
        about=st.sampled_from([NO_ABOUT, About(metadata={"kind": "chat"})]),
    ),
    max_size=20,
).map(lambda found: [replace(each, id=f"c{at}") for at, each in enumerate(found)])
LIMITS = st.one_of(st.none(), st.integers(1, 120))
RULES = st.lists(
    st.builds(
        RetentionRule,
        name=st.just("rule"),
        action=st.sampled_from(["delete", "archive"]),
        shape=st.sampled_from(["", "text"]),
        metadata=st.sampled_from([{}, {"kind": "chat"}]),
        idle_ms_max=st.integers(1, 120),
        age_ms_max=LIMITS,
        contexts_max=st.one_of(st.none(), st.integers(1, 20)),
        bytes_max=LIMITS,
    ),
    max_size=4,
).map(lambda found: [replace(each, name=f"rule {at}") for at, each in enumerate(found)])


@given(rules=RULES, candidates=CANDIDATES)
def test_only_what_a_rule_is_for_goes_and_never_before_its_pin_ends(
    rules: list[RetentionRule], candidates: list[Candidate]
) -> None:
    """Each verdict names a rule that matches, and a limit that was passed."""
    verdicts = judged(rules, candidates)

    for verdict in verdicts:
        candidate, rule = verdict.candidate, verdict.rule
        assert matches(rule, candidate)
        assert candidate.pinned_until_ms <= NOW_MS
        if verdict.reason == "idle":
            assert NOW_MS - candidate.updated_ms > (rule.idle_ms_max or 0)
        if verdict.reason == "age":
            assert NOW_MS - candidate.created_ms > (rule.age_ms_max or 0)
    deleted = [each.candidate.id for each in verdicts if each.rule.action == "delete"]
    assert len(deleted) == len(set(deleted))


@given(rules=RULES, candidates=CANDIDATES)
def test_after_it_all_limits_hold_as_far_as_pins_allow(
    rules: list[RetentionRule], candidates: list[Candidate]
) -> None:
    """What is left is within every rule that deletes, or pinned: a second walk deletes nothing."""
    deletions = [rule for rule in rules if rule.action == "delete"]
    gone = {verdict.candidate.id for verdict in judged(deletions, candidates)}
    left = [candidate for candidate in candidates if candidate.id not in gone]

    assert judged(deletions, left) == []


@given(rules=RULES, candidates=CANDIDATES)
def test_a_walk_that_finds_a_few_at_a_time_comes_to_the_same_end(
    rules: list[RetentionRule], candidates: list[Candidate]
) -> None:
    """Memory is bounded: what one walk could not hold, the next ones find."""
    deletions = [rule for rule in rules if rule.action == "delete"]
    at_once = {each.candidate.id for each in judged(deletions, candidates)}
    left, gone = candidates, set[str]()
    while found := {each.candidate.id for each in judged(deletions, left, surplus_max=1)}:
        gone |= found
        left = [candidate for candidate in left if candidate.id not in found]

    assert len(gone) >= len(at_once)
    assert judged(deletions, left) == []


def test_those_idle_longest_go_first() -> None:
    """A number is kept by letting go what nobody has changed for longest; pins only count."""
    rule = RetentionRule(name="ten", contexts_max=2)
    candidates = [
        context("new", idle_ms=1),
        context("old", idle_ms=9),
        context("pinned", idle_ms=99, pinned_ms=1),
        context("older", idle_ms=10),
    ]

    assert said(judged([rule], candidates)) == [
        ("older", "ten", "contexts"),
        ("old", "ten", "contexts"),
    ]


def test_bytes_are_kept_below_their_limit() -> None:
    """The size is that of the contexts as they were sent."""
    rule = RetentionRule(name="small", bytes_max=100)
    candidates = [context(str(age), idle_ms=age, size_bytes=40) for age in range(5)]

    assert said(judged([rule], candidates)) == [
        ("4", "small", "bytes"),
        ("3", "small", "bytes"),
        ("2", "small", "bytes"),
    ]


def test_deleting_comes_before_archiving() -> None:
    """A context that both rules are for is deleted, and takes no room of the second."""
    rules = [
        RetentionRule(name="cold", action="archive", idle_ms_max=10),
        RetentionRule(name="gone", idle_ms_max=50),
        RetentionRule(name="few", action="archive", contexts_max=1),
    ]
    candidates = [context("x", idle_ms=60), context("y", idle_ms=20), context("z", idle_ms=5)]

    assert said(judged(rules, candidates)) == [("x", "gone", "idle"), ("y", "cold", "idle")]


def test_metadata_is_compared_as_json() -> None:
    """All names given must be there with these very values; true is not 1."""
    rule = RetentionRule(name="r", metadata={"kind": "chat", "n": 1}, idle_ms_max=1)

    assert matches(rule, context(about=About(metadata={"kind": "chat", "n": 1, "more": 2})))
    assert not matches(rule, context(about=About(metadata={"kind": "chat", "n": True})))
    assert not matches(rule, context(about=About(metadata={"kind": "chat"})))


def test_a_rule_may_be_for_a_title_a_shape_or_a_tenant() -> None:
    """What is left out matches everything."""
    titled = RetentionRule(name="r", title_prefix="tmp ", idle_ms_max=1)

    assert matches(titled, context(about=About(title="tmp x")))
    assert not matches(titled, context(about=About(title="x")))
    assert not matches(replace(titled, title_prefix="", shape="text"), context())
    assert matches(replace(titled, title_prefix="", tenant="acme"), context())
    assert not matches(replace(titled, title_prefix="", tenant="other"), context())


def test_what_a_caller_says_is_read_only_where_a_rule_asks() -> None:
    """It may lie in the object store: a context that is young enough does not need it."""

    def unreadable() -> About:
        raise AssertionError

    rule = RetentionRule(name="r", title_prefix="tmp", idle_ms_max=100)
    young = replace(context(idle_ms=50), about=unreadable)

    assert judged([rule], [young]) == []


@pytest.mark.parametrize(
    ("archive", "deletion", "is_dead"),
    [
        ({"idle_ms_max": 30}, {"idle_ms_max": 7}, True),
        ({"idle_ms_max": 30}, {"age_ms_max": 30}, True),
        ({"age_ms_max": 30}, {"idle_ms_max": 7}, False),
        ({"idle_ms_max": 30, "age_ms_max": 9}, {"idle_ms_max": 7}, False),
        ({"idle_ms_max": 7}, {"idle_ms_max": 30}, False),
        ({"idle_ms_max": 30, "shape": "text"}, {"idle_ms_max": 7}, True),
        ({"idle_ms_max": 30}, {"idle_ms_max": 7, "shape": "text"}, False),
        ({"idle_ms_max": 30}, {"idle_ms_max": 7, "metadata": {"a": 1}}, False),
        ({"idle_ms_max": 30, "title_prefix": "ab"}, {"idle_ms_max": 7, "title_prefix": "a"}, True),
        ({"contexts_max": 10}, {"contexts_max": 5}, True),
        ({"contexts_max": 10, "shape": "text"}, {"contexts_max": 5}, False),
        ({"bytes_max": 10}, {"bytes_max": 50}, False),
    ],
)
def test_an_archive_that_never_happens_is_refused_by_name(
    archive: dict[str, Any], deletion: dict[str, Any], *, is_dead: bool
) -> None:
    """Where another rule deletes the same contexts sooner, somebody has confused the two."""
    rules = [
        RetentionRule(name="cold", action="archive", **archive),
        RetentionRule(name="gone", **deletion),
    ]
    if not is_dead:
        require_consistent(rules)
        return
    with pytest.raises(InvalidInputError, match=r"'cold'.*'gone'"):
        require_consistent(rules)


def test_rules_have_names_of_their_own_and_an_end() -> None:
    """A plan names the rule; and nobody writes a hundred by hand."""
    rule = RetentionRule(name="r", idle_ms_max=1)
    with pytest.raises(InvalidInputError, match="two rules"):
        require_consistent([rule, rule])
    with pytest.raises(InvalidInputError, match="at most 100"):
        require_consistent([rule] * 101)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"name": "", "idle_ms_max": 1}, "needs a name"),
        ({"name": "r"}, "at least one limit"),
        ({"name": "r", "idle_ms_max": 0}, "above 0"),
        ({"name": "r", "action": "shred", "idle_ms_max": 1}, "delete or archive"),
        ({"name": "r", "shape": "chat", "idle_ms_max": 1}, "shape must be"),
    ],
)
def test_nonsense_is_no_rule(fields: dict[str, Any], problem: str) -> None:
    """It is refused where it is made, with what would do."""
    with pytest.raises(InvalidInputError, match=problem):
        RetentionRule(**fields)
