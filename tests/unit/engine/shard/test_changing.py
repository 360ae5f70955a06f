from dataclasses import replace

import pytest

from tests.unit.engine.shard.worlds import (
    TENANT,
    World,
    body_of,
    key,
    keyed,
    message,
    replacing,
)
from tierfold.config import StoreLimits
from tierfold.context.manifest import CHANGES_KEPT, HEAD_BYTES_MAX, Shape
from tierfold.context.segment import SegmentKind, item
from tierfold.context.stored import about_segment
from tierfold.engine.shard.keys import (
    expiry_key,
    head_key,
    name_prefix,
    outbox_context_key,
    reference_key,
)
from tierfold.engine.shard.operations import (
    Append,
    Changed,
    Changing,
    Create,
    Delete,
    GetInfo,
    GetVersion,
    Need,
    Patch,
)
from tierfold.engine.shard.search import waiting_entry
from tierfold.errors import (
    ContextExistsError,
    CorruptError,
    InvalidInputError,
    KeyReusedError,
    TooLargeError,
    UnknownContextError,
    VersionConflictError,
)
from tierfold.ports import Batch, Family
from tierfold.storage.memory import MemoryKeyValues, MemoryObjects

CHAT = [message(f"sentence {n}") for n in range(300)]
LARGE = item(SegmentKind.MESSAGE, b'{"content":"' + bytes(range(32, 127)) * 2000 + b'"}')
ABOUT = about_segment("A trip", {"to": "Oslo"}, size_bytes_max=1000)


def test_every_change_makes_one_version() -> None:
    """The version is what callers compare: it goes up by one with each change and never else.

    A change that finds everything so already is none; a life that is given begins anew, so it is.
    """
    world = World()
    untitled = about_segment("", {}, size_bytes_max=99, is_kept=True)
    titled = about_segment("t", {}, size_bytes_max=99)
    changes = [
        Patch(context=key("a"), about=untitled, ttl_ms=0, pinned_until_ms=0),
        Patch(context=key("a"), ttl_ms=5),
        Patch(context=key("a"), ttl_ms=5),
        Patch(context=key("a")),
        Patch(context=key("a"), about=titled),
        Patch(context=key("a"), about=titled),
    ]
    versions = [
        world.create("a").info.version,
        world.append("a", CHAT[0]).info.version,
        world.append("a").info.version,
        world.replace("a", CHAT[:3]).info.version,
        *(world.get(change, Changed).info.version for change in changes),
    ]
    world.fails(Create(context=key("a"), shape=Shape.MESSAGES), ContextExistsError)

    assert versions == [1, 2, 2, 3, 3, 4, 5, 5, 6, 6]
    assert world.head("a") == world.get(GetInfo(context=key("a")), object).head  # type: ignore[attr-defined]


def test_a_change_meant_for_another_version_is_refused() -> None:
    """Lost updates cannot happen; the error carries the version to try again with."""
    world = World()
    world.create("a", CHAT[:2])
    at = {"context": key("a"), "if_version": 7}
    changes: list[Changing] = [
        Append(shape=Shape.MESSAGES, items=(CHAT[2],), **at),  # type: ignore[arg-type]
        replace(replacing("a", CHAT[:1]), if_version=7),
        Patch(ttl_ms=1, **at),  # type: ignore[arg-type]
        Delete(**at),  # type: ignore[arg-type]
    ]

    for change in changes:
        error = world.fails(change, VersionConflictError)
        assert (error.asked, error.current) == (7, 1)
    assert world.append("a", CHAT[2], if_version=1).info.version == 2


def test_a_repeated_key_changes_nothing_and_returns_its_version() -> None:
    """A caller that lost the answer can send the change again, whatever came after it."""
    world = World()
    world.create("a", CHAT[:1], keyed=keyed(b"make"))
    made = world.append("a", CHAT[1], keyed=keyed(b"first"), if_version=1)
    world.append("a", CHAT[2])
    again = world.append("a", CHAT[1], keyed=keyed(b"first"), if_version=1)

    assert (made.was_made_before, again.was_made_before) == (False, True)
    assert again.info.version == made.info.version == 2
    assert world.create("a", CHAT[:1], keyed=keyed(b"make")).info.version == 1
    assert len(world.read("a")) == 3
    operation = Append(context=key("a"), shape=Shape.MESSAGES, items=(CHAT[1],))
    world.fails(replace(operation, keyed=keyed(b"first", b"another!")), KeyReusedError)


def test_two_changes_of_one_round_see_each_other() -> None:
    """A key that comes twice in one call is made once: the second sees the first's version."""
    world = World()
    create = Create(context=key("a"), shape=Shape.MESSAGES, keyed=keyed(b"make"))
    append = Append(
        context=key("a"), shape=Shape.MESSAGES, items=(CHAT[0],), keyed=keyed(b"append")
    )
    first, second, third, fourth = world.shard.call([create, create, append, append])

    assert [each.was_made_before for each in (first, second, third, fourth)] == [  # type: ignore[union-attr]
        False,
        True,
        False,
        True,
    ]
    assert len(world.read("a")) == 1


def test_keys_are_remembered_for_so_many_changes_and_the_head_stays_small() -> None:
    """The memory of keys is part of the head, so it has an end, and the head a largest size."""
    world = World()
    long = "x" * 128
    world.create(long, CHAT[:40], about=ABOUT)
    for n in range(90):
        world.append(long, CHAT[n], keyed=keyed(b"%d" % n))
    head = world.head(long)

    assert head is not None
    assert len(head.encode()) <= HEAD_BYTES_MAX
    assert len(head.changes) == CHANGES_KEPT
    assert world.append(long, CHAT[89], keyed=keyed(b"89")).was_made_before
    assert not world.append(long, CHAT[0], keyed=keyed(b"0")).was_made_before


def test_a_body_is_stored_once_per_tenant_and_goes_with_its_last_reference() -> None:
    """What many contexts share takes the room of one; nobody's deletion takes it from another."""
    world = World()
    world.create("a", CHAT[:3])
    world.create("b", CHAT[:2])
    world.get(Create(context=key("a", "other"), shape=Shape.MESSAGES, items=(CHAT[0],)), Changed)
    rows = world.count(Family.BODY)
    world.delete("a")

    assert rows == 4
    assert world.count(Family.BODY, name_prefix(TENANT, CHAT[2].segment.name)) == 0
    assert world.read("b") == [body_of(each) for each in CHAT[:2]]
    world.delete("b")
    assert world.count(Family.BODY) == 1


def test_sealed_bodies_are_referred_to_where_they_are() -> None:
    """A body that lies in a block is not written again."""
    world = World()
    world.create("a", [*CHAT, LARGE])
    world.seal()
    world.create("b", [*CHAT[:50], LARGE])

    assert world.count(Family.BODY) == 0
    name = CHAT[0].segment.name
    places = [
        world.values.get(Family.REFERENCE, reference_key(TENANT, name, key(each).digest))
        for each in ("a", "b")
    ]
    assert places[0] == places[1] != b""
    world.delete("a")
    assert world.read("b") == [body_of(each) for each in [*CHAT[:50], LARGE]]
    assert world.findings() == []


def test_references_are_exactly_what_the_head_leads_to() -> None:
    """Pages, branches and spines that are left behind are let go in the same change."""
    world = World()
    world.create("a", about=ABOUT)
    for start in range(0, 300, 37):
        world.append("a", *CHAT[start : start + 37])
    world.append("a", LARGE)

    assert world.references("a") == world.reachable("a", [*CHAT, LARGE], ABOUT)
    world.replace("a", [LARGE, *CHAT[100:240]])
    assert world.references("a") == world.reachable("a", [*CHAT, LARGE], ABOUT)
    world.delete("a")
    assert world.count(Family.REFERENCE) == world.count(Family.BODY) == 0
    assert world.count(Family.HEAD) == world.count(Family.CATALOGUE) == 0


def test_a_longer_history_is_an_append() -> None:
    """Sending the whole history costs what is new in it: nothing of the old is looked at."""
    world = World()
    world.create("a", CHAT[:100])
    operation = replacing("a", CHAT[:103], sent=CHAT[100:103])
    changed = world.get(operation, Changed)

    assert changed.info.head.items == 103
    assert world.read("a") == [body_of(each) for each in CHAT[:103]]


def test_a_list_that_is_there_already_is_no_change() -> None:
    """Sending the same history again makes no version; conditions still count."""
    world = World()
    made = world.create("a", CHAT[:100], keyed=keyed(b"make"))
    world.wall.ms += 1000

    assert world.replace("a", CHAT[:100]) == made
    noted = world.replace("a", CHAT[:100], if_version=1, keyed=keyed(b"again"))
    assert replace(noted.info.head, changes=made.info.head.changes) == made.info.head
    assert world.head("a") == noted.info.head
    same = replacing("a", CHAT[:100])
    assert world.fails(replace(same, if_version=2), VersionConflictError).current == 1
    world.fails(replace(same, keyed=keyed(b"make", b"another!")), KeyReusedError)


@pytest.mark.parametrize(
    "change",
    [
        replacing("a", CHAT[:2]),
        Append(context=key("a"), shape=Shape.MESSAGES, items=()),
        Patch(context=key("a")),
    ],
)
def test_a_change_that_found_nothing_to_do_is_remembered(change: Changing) -> None:
    """Sent again after others changed the context, it must not undo what they did."""
    world = World()
    world.create("a", CHAT[:2], keyed=keyed(b"make"))
    change = replace(change, keyed=keyed(b"same"))  # type: ignore[arg-type]  # each of these has one
    first = world.get(change, Changed)
    world.append("a", CHAT[2])
    again = world.get(change, Changed)
    world.reopen()

    assert (first.info.version, first.was_made_before) == (1, False)
    assert (again.info.version, again.was_made_before) == (1, True)
    head = world.head("a")
    assert head is not None
    assert head.items == 3
    assert [each.was_made for each in head.changes] == [True, False]
    assert world.get(change, Changed).was_made_before


def test_a_chat_has_no_more_rows_than_a_question_reads() -> None:
    """It is said when they are written; parts and texts are not asked row by row."""
    world = World(store=StoreLimits(rows_max=3))
    world.create("a", CHAT[:3])
    added = Append(context=key("a"), shape=Shape.MESSAGES, items=(CHAT[3],))
    parts = [item(SegmentKind.PART, b"\x00%d" % number) for number in range(4)]

    assert "could not be asked" in str(world.fails(added, TooLargeError))
    assert world.fails(replacing("a", CHAT[:4]), TooLargeError).limit == 3
    assert world.replace("a", CHAT[1:4]).info.items == 3
    made = Create(context=key("b"), shape=Shape.PARTS, items=tuple(parts))
    assert world.get(made, Changed).info.items == 4


def test_replace_asks_for_the_bodies_it_lacks_and_leaves_nothing_behind() -> None:
    """What is here need not be sent; what is not is named, and until then nothing changes."""
    world = World()
    world.create("a", CHAT[:5])
    world.create("b", [CHAT[10], LARGE])
    wanted = [CHAT[3], CHAT[10], CHAT[20], LARGE, CHAT[3]]
    before = dict(world.values.scan(Family.REFERENCE, b""))
    need = world.get(replacing("a", wanted), Need)
    longer = world.get(replacing("a", [*CHAT[:5], CHAT[10], CHAT[21]]), Need)

    assert need.names == (CHAT[20].segment.name,)
    assert longer.names == (CHAT[21].segment.name,)
    assert dict(world.values.scan(Family.REFERENCE, b"")) == before
    world.replace("a", wanted)
    assert world.read("a") == [body_of(each) for each in wanted]
    world.delete("b")
    assert world.read("a") == [body_of(each) for each in wanted]
    assert world.references("a") == world.reachable("a", wanted)


def test_replace_stores_nothing_that_is_not_in_the_list() -> None:
    """A body that was sent but is not listed would be garbage from the start."""
    world = World()
    world.create("a", CHAT[:5])
    world.get(replacing("a", CHAT[5:7], sent=[*CHAT[5:9], LARGE]), Changed)

    assert world.count(Family.BODY) == 2


def test_an_ended_context_counts_as_absent() -> None:
    """Its time is over whether or not somebody has removed it yet; a new one can take its id."""
    world = World()
    world.create("a", [*CHAT[:200], LARGE], ttl_ms=1000)
    world.wall.ms += 999
    world.append("a", CHAT[200])
    world.wall.ms += 999
    world.get(GetVersion(context=key("a")), object)
    world.wall.ms += 1
    for operation in (
        GetVersion(context=key("a")),
        Append(context=key("a"), shape=Shape.MESSAGES, items=()),
        replacing("a", CHAT[:1]),
        Delete(context=key("a")),
    ):
        world.fails(operation, UnknownContextError)
    made = world.create("a", CHAT[199:202])

    assert made.info.version == 1
    assert world.read("a") == [body_of(each) for each in CHAT[199:202]]
    assert world.references("a") == world.reachable("a", CHAT)
    assert world.count(Family.BODY) == 3
    assert world.count(Family.EXPIRY) == 0


def test_the_expiry_key_moves_with_every_change() -> None:
    """The reaper finds a context at one time only: that at which it ends now."""
    world = World()
    world.create("a", ttl_ms=1000)
    world.wall.ms += 10
    world.append("a", CHAT[0])
    (found,) = [at for at, _ in world.values.scan(Family.EXPIRY, b"")]
    world.get(Patch(context=key("a"), ttl_ms=0), Changed)

    assert found == expiry_key(world.wall.ms + 1000, TENANT, key("a").digest)
    assert world.count(Family.EXPIRY) == 0


def test_patch_changes_what_is_named_and_nothing_else() -> None:
    """A field that is left out stays; what the caller says of a context replaces what it said."""
    world = World()
    other = about_segment("Another", {}, size_bytes_max=1000)
    world.create("a", CHAT[:2], about=ABOUT)
    pinned = world.get(Patch(context=key("a"), pinned_until_ms=77), Changed).info
    named = world.get(Patch(context=key("a"), about=other), Changed).info
    same = world.get(Patch(context=key("a"), about=other), Changed).info

    assert (pinned.head.pinned_until_ms, pinned.about.title) == (77, "A trip")
    assert (named.head.pinned_until_ms, named.about.title) == (77, "Another")
    assert same.about == named.about
    assert world.references("a") == world.reachable("a", CHAT, other)
    world.reopen()
    assert world.get(GetInfo(context=key("a")), object).about.title == "Another"  # type: ignore[attr-defined]


def test_a_context_holds_items_of_one_shape() -> None:
    """Rows of a chat in a text would make it unreadable."""
    world = World()
    world.create("a", CHAT[:1])
    operation = Append(context=key("a"), shape=Shape.TEXT, items=(CHAT[1],))

    assert "messages" in str(world.fails(operation, InvalidInputError))
    world.fails(replace(replacing("a", CHAT[:1]), shape=Shape.PARTS), InvalidInputError)


def test_a_context_has_a_largest_number_of_items() -> None:
    """Everything has a limit; what was stored before stays."""
    world = World(store=StoreLimits(items_max=10))
    world.create("a", CHAT[:10])
    operation = Append(context=key("a"), shape=Shape.MESSAGES, items=(CHAT[10],))

    assert world.fails(operation, TooLargeError).limit == 10
    assert len(world.read("a")) == 10


@pytest.mark.parametrize("has_l4", [True, False])
def test_l4_is_told_of_every_change_where_there_is_one(has_l4: bool) -> None:  # noqa: FBT001
    """The outbox key is in the change's own batch, its value another with each state."""
    world = World(objects=MemoryObjects() if has_l4 else None)
    told = []
    for change in (
        lambda: world.create("a"),
        lambda: world.append("a", CHAT[0]),
        lambda: world.delete("a"),
    ):
        change()
        told.append(world.values.get(Family.OUTBOX, outbox_context_key(TENANT, key("a").digest)))

    assert len(set(told)) == (3 if has_l4 else 1)
    assert (None not in told) is has_l4


def test_the_search_index_is_told_of_items_that_come_and_go() -> None:
    """A new item is told with its place, one whose last reference goes without."""
    world = World(has_search=True)
    world.create("a", CHAT[:2])
    world.append("a", CHAT[0], CHAT[2])
    waiting = dict(world.values.scan(Family.SEARCH, b"w"))

    assert waiting == dict(
        waiting_entry(TENANT, CHAT[n].segment.name, at) for n, at in ((0, 0), (1, 1), (2, 3))
    )
    world.replace("a", CHAT[:2])
    entry, value = waiting_entry(TENANT, CHAT[2].segment.name, -1)
    assert world.values.get(Family.SEARCH, entry) == value


def test_all_changes_honour_their_keys() -> None:
    """A list made twice or a life set twice under one key is one change."""
    world = World()
    world.create("a", CHAT[:2], about=ABOUT)
    world.reopen()
    made = world.replace("a", CHAT[2:4], keyed=keyed(b"list"))
    patch = Patch(context=key("a"), ttl_ms=9, keyed=keyed(b"life"))
    world.get(patch, Changed)

    assert made.info.about.title == "A trip"
    assert world.replace("a", CHAT[2:4], keyed=keyed(b"list")).was_made_before
    assert world.get(patch, Changed).was_made_before
    assert world.get(patch, Changed).info.version == 3


def test_a_removal_prepared_for_another_state_removes_what_is_there() -> None:
    """Upkeep prepares a deletion beforehand: by its turn the context may have changed, or gone."""
    world = World()
    world.create("a", CHAT[:3])
    old = world.head("a")
    assert old is not None
    removal = world.shard.core.remove(TENANT, old)
    world.replace("a", CHAT[5:9])
    commits = world.shard.core.parts.committer
    commits.run(removal)
    commits.run(removal)

    assert world.count(Family.REFERENCE) == world.count(Family.BODY) == 0
    assert world.head("a") is None


def test_a_change_that_cannot_be_prepared_is_its_own_error() -> None:
    """One damaged context hinders no other change of the same call."""
    world = World()
    world.create("a", CHAT[:3])
    world.create("b")
    assert isinstance(world.values, MemoryKeyValues)
    world.values.damage(Family.HEAD, head_key(TENANT, key("a").digest))
    operation = Append(context=key("b"), shape=Shape.MESSAGES, items=(CHAT[0],))
    results = world.shard.call([replace(operation, context=key("a")), operation])

    assert [type(each) for each in results] == [CorruptError, Changed]


@pytest.mark.parametrize("has_l4", [True, False])
def test_a_context_with_a_damaged_head_can_be_deleted_and_made_anew(has_l4: bool) -> None:  # noqa: FBT001
    """Its id is not lost for ever: all it referred to goes, as far as references tell."""
    world = World(objects=MemoryObjects() if has_l4 else None)
    world.create("a", [*CHAT[:100], LARGE], about=ABOUT, ttl_ms=1000)
    world.create("b", CHAT[:3])
    kept = world.references("b")
    assert isinstance(world.values, MemoryKeyValues)
    world.values.damage(Family.HEAD, head_key(TENANT, key("a").digest))
    create = Create(context=key("a"), shape=Shape.MESSAGES)
    refused = world.fails(create, CorruptError)
    world.fails(Delete(context=key("a"), if_version=1), CorruptError)
    world.delete("a")

    assert "delete context 'a' to make it anew" in str(refused)
    assert world.references("a") == set()
    assert world.references("b") == kept
    assert world.count(Family.HEAD) == world.count(Family.CATALOGUE) == 1
    world.create("a", CHAT[:2])
    assert world.read("a") == [body_of(each) for each in CHAT[:2]]
    world.wall.ms += 2000
    world.seal()
    assert world.read("a") == [body_of(each) for each in CHAT[:2]]
    assert world.count(Family.EXPIRY) == 0
    assert world.findings() == []


def test_a_head_that_cannot_be_decoded_is_damaged_too() -> None:
    """Its checksum may be right and its content wrong."""
    world = World()
    world.create("a", CHAT[:3])
    garbled = Batch()
    garbled.put(Family.HEAD, head_key(TENANT, key("a").digest), b"\x01garbled")
    world.values.write(garbled)
    world.fails(replacing("a", CHAT[:1]), CorruptError)
    world.delete("a")

    assert world.references("a") == set()
    assert world.count(Family.HEAD) == 0
