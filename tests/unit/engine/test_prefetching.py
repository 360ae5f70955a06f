"""The verb `prefetch` of a store: what it says, and what the next question finds."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tierfold
from tierfold.engine.prefetching import CONTEXTS_MAX
from tierfold.engine.store import Store
from tierfold.errors import InvalidInputError, TooLargeError, UnknownContextError
from tierfold.memory.prefetch import SkipReason

TEXT = "Parcels leave the house at noon. The ferry leaves at one. " * 50


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with tierfold.open(tmp_path / "store") as store:
        yield store


def test_a_store_brings_up_what_will_be_asked(store: Store) -> None:
    """Behind the caller's back: it is up a moment later, and a hint that is repeated says so."""
    store.create("a", text=TEXT)
    store.create("b", text=TEXT)
    assert store.prefetch("a").accepted == ("a",)
    until_s = time.monotonic() + 20
    while not store.prefetch("a").ready and time.monotonic() < until_s:
        time.sleep(0.02)

    said = store.prefetch(["a", "b", "a", "none"], hint="session_opened")
    assert said.accepted == ("a", "b")
    assert said.ready[:1] == ("a",)
    assert [(each.id, each.reason) for each in said.skipped] == [("none", SkipReason.UNKNOWN)]
    assert "ferry" in store.fold("a", ask="When does the ferry leave?").text


@pytest.mark.parametrize(
    ("ids", "fields", "problem"),
    [
        ([], {}, "at least one"),
        ("a b", {}, "id"),
        ("a", {"hint": "later"}, "asked, session_opened, tool_call_pending"),
        ("a", {"hint": "first_block"}, "hint"),
        ("a", {"tokenizer": "gpt2"}, "o200k, cl100k"),
        ("a", {"deadline_ms": 0}, "deadline_ms"),
        ("a", {"deadline_ms": float("nan")}, "deadline_ms"),
        ("a", {"deadline_ms": 1e9}, "600,000"),
    ],
)
def test_bad_hints_are_refused_by_name(
    store: Store, ids: Any, fields: dict[str, Any], problem: str
) -> None:
    """A sentence says which value is wrong and what would be right."""
    store.create("a", text=TEXT)
    with pytest.raises(InvalidInputError, match=problem):
        store.prefetch(ids, **fields)


def test_what_is_not_there_is_unknown_and_too_many_are_too_many(store: Store) -> None:
    """One id raises as every method does; the limit is said with what was asked."""
    with pytest.raises(UnknownContextError):
        store.prefetch("none")
    with pytest.raises(TooLargeError, match=f"limit of {CONTEXTS_MAX}"):
        store.prefetch([f"c{n}" for n in range(CONTEXTS_MAX + 1)])
