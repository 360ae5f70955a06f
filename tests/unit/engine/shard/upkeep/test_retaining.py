"""Retention as a shard's upkeep carries it out."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

import pytest

from tests.unit.engine.shard.upkeep.test_defragmenting import LONG
from tests.unit.engine.shard.upkeep.test_disk import stubs
from tests.unit.engine.shard.upkeep.worlds import TENANT, World, message
from tierfold.config import RetentionRule
from tierfold.context.identity import ContextKey
from tierfold.context.stored import about_segment
from tierfold.engine.shard.keys import head_key
from tierfold.engine.shard.upkeep.retaining import Retainer
from tierfold.engine.shard.upkeep.steps import Commits, DirectCommits
from tierfold.engine.shard.view import Stored
from tierfold.errors import SetupError
from tierfold.ports import Batch, Family

T = TypeVar("T")

HOUR_MS = 3_600_000
IDLE = RetentionRule(name="idle", idle_ms_max=HOUR_MS)
COLD = RetentionRule(name="cold", action="archive", idle_ms_max=HOUR_MS)


def ids(world: World, tenant: str = TENANT) -> set[str]:
    names = {"a", "b", "c", "d"}
    return {name for name in names if world.head(name, tenant) is not None}


def retainer(world: World, commits: Commits | None = None) -> Retainer:
    return Retainer(
        values=world.values,
        commits=commits or world.commits,
        bodies=world.bodies,
        wall=world.wall,
        remove=lambda tenant, head: partial(world.remove, tenant=tenant, head=head),
        archiver=None,
    )


def test_what_is_idle_for_too_long_goes_from_disk_and_object_store() -> None:
    """Head, references, bodies and objects; what was changed meanwhile stays, of every tenant."""
    world = World(rules=(IDLE,))
    world.put("a", LONG)
    world.put("b", [message("other")], tenant="other")
    world.upkeep.flush()
    world.idle(HOUR_MS)
    world.put("c", [message("young")])
    world.idle()
    world.upkeep.compact()

    assert ids(world) == {"c"}
    assert ids(world, "other") == set()
    assert world.audit() == []
    assert world.objects_with("other/manifests") == []


def test_only_so_many_contexts_of_a_tenant_are_kept() -> None:
    """Those idle longest go; another tenant's are counted for themselves."""
    world = World(rules=(RetentionRule(name="two", contexts_max=2),))
    for name in "abcd":
        world.put(name, [message(name)])
        world.wall.ms += 1000
    world.put("a", [message("again")])
    world.put("b", [message("x")], tenant="other")
    world.idle()

    assert ids(world) == {"a", "d"}
    assert ids(world, "other") == {"b"}


def test_a_rule_for_a_title_reads_it_once() -> None:
    """What the caller says of a context decides, and is remembered between two walks."""
    world = World(rules=(RetentionRule(name="t", title_prefix="tmp", idle_ms_max=HOUR_MS),))
    title = about_segment("tmp 1", {}, size_bytes_max=1000)
    other = about_segment("keep", {}, size_bytes_max=1000)
    world.put("a", [message("x")], about=title)
    world.put("b", [message("x")], about=other)
    world.put("c", [message("x")])
    world.idle(2 * HOUR_MS)
    world.idle()

    assert ids(world) == {"b", "c"}
    assert world.upkeep.problems == {}


def test_a_context_that_changes_while_it_is_judged_stays() -> None:
    """A deletion looks once more at its turn: an append that came first is not lost."""
    world = World(rules=(IDLE,))
    world.put("a", [message("old")])

    head = world.head("a")
    assert head is not None
    later = replace(head, version=head.version + 1)

    class Late(DirectCommits):
        """Lets an append come before the first step."""

        def run(self, step: Callable[[Stored, Batch], T]) -> T:
            super().run(
                lambda _, batch: batch.put(
                    Family.HEAD, head_key(TENANT, ContextKey(TENANT, "a").digest), later.encode()
                )
            )
            return super().run(step)

    world.wall.ms += 2 * HOUR_MS
    told: list[str] = []
    work = retainer(world, Late(world.values)).one_pass(
        (IDLE,), was_deleted=lambda tenant, _: told.append(tenant)
    )
    list(work)

    assert world.head("a") == later
    assert told == []


def test_what_is_archived_lies_in_the_object_store_alone_and_is_answered_from_there() -> None:
    """Blocks that nobody else needs leave the disk; nothing is lost, and it stays so."""
    world = World(rules=(COLD,))
    world.put("a", LONG)
    world.upkeep.flush()
    world.put("b", [message("young " + "x" * 500) for _ in range(3)])
    world.upkeep.flush()
    before = world.count(Family.BLOCK)
    world.wall.ms += 30 * 60_000
    world.put("b", [message("young " + "x" * 500) for _ in range(3)] + [message("more")])
    world.wall.ms += 31 * 60_000
    world.idle()
    left = stubs(world)
    world.idle()

    assert 0 < left < before
    assert stubs(world) == left
    assert world.read("a") == [each.segment.body for each in LONG]
    assert world.audit() == []
    assert world.upkeep.problems == {}


def test_a_block_that_somebody_young_needs_stays() -> None:
    """An archive makes nobody else slower."""
    world = World(rules=(COLD,))
    world.put("a", LONG)
    world.upkeep.flush()
    world.wall.ms += HOUR_MS
    world.put("b", LONG)
    world.idle()

    assert stubs(world) == 0


def test_an_archive_needs_an_object_store() -> None:
    """Without one nothing goes, and the report says why."""
    world = World(objects=None, rules=(COLD, IDLE))
    world.put("a", [message("x")])
    world.idle(2 * HOUR_MS)

    assert ids(world) == {"a"}
    assert "no object store" in world.upkeep.problems["retain"]


def test_rules_that_cannot_be_read_delete_nothing() -> None:
    """A broken file is a problem in the report, not a reason to guess."""

    def broken() -> tuple[RetentionRule, ...]:
        problem = "retention.json: it is no JSON"
        raise SetupError(problem)

    world = World(rules=broken)
    world.put("a", [message("x")])
    world.idle(2 * HOUR_MS)

    assert ids(world) == {"a"}
    assert "no JSON" in world.upkeep.problems["retain"]


def test_one_context_that_cannot_be_judged_holds_up_no_other() -> None:
    """A damaged head is the audit's; a title that cannot be read is tried again next time."""
    world = World(rules=(RetentionRule(name="t", title_prefix="tmp", idle_ms_max=HOUR_MS), IDLE))
    world.put("a", [message("x")], about=about_segment("tmp", {}, size_bytes_max=100))
    world.put("b", [message("y")])
    world.put("c", [message("z")])
    head = world.head("a")
    assert head is not None
    assert head.about is not None
    batch = Batch()
    for key, _ in world.values.scan(Family.BODY, b""):
        if key.find(head.about) >= 0:
            batch.delete(Family.BODY, key)
    batch.put(Family.HEAD, head_key(TENANT, ContextKey(TENANT, "c").digest), b"\x01torn")
    world.values.write(batch)
    world.idle(2 * HOUR_MS)

    assert world.head("b") is None
    assert "missing" in world.upkeep.problems["retain"]


@pytest.mark.parametrize("count", [1, 200])
def test_it_is_done_in_small_pieces(count: int) -> None:
    """No piece looks at more than some heads, so that others get their turn in between."""
    world = World()
    for number in range(count):
        world.put(f"c{number}", [message("x")])
    world.wall.ms += 2 * HOUR_MS
    pieces = list(retainer(world).one_pass((IDLE,), was_deleted=lambda _tenant, _digest: None))

    assert len(pieces) >= count
    assert world.count(Family.HEAD) == 0
