"""Bringing contexts back: as they were, whole, and nothing else touched."""

from typing import Any

import pytest

from tests.unit.engine.backup.worlds import START_MS, TENANT, Bench, done, key
from tierfold.engine import backup
from tierfold.engine.backup import RestoreOptions, restoring
from tierfold.engine.shard.keys import head_key
from tierfold.errors import (
    InvalidInputError,
    RestoreConflictError,
    StorageFullError,
    TierfoldError,
    UnknownBackupError,
)
from tierfold.ports import Family
from tierfold.storage.faults import FaultyKeyValues
from tierfold.storage.memory import MemoryKeyValues

DAY_MS = 86_400_000


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.create("chat", "hello", "again", title="Oslo")
    bench.create("empty")
    bench.create("short", "soon gone", ttl_ms=DAY_MS)
    bench.create("pinned", "stays", pinned_until_ms=START_MS + DAY_MS)
    bench.append("chat", "third")
    return bench


def other(bench: Bench) -> Bench:
    return Bench(bench.objects, wall=bench.wall)


def test_contexts_come_back_as_they_were(bench: Bench) -> None:
    """Items, title, times, life, pin and version; a moment later than they were backed up."""
    report = bench.back_up()
    bench.wall.ms += 1000
    found = other(bench)
    restored = found.restore(report.backup.id)

    assert (restored.restored, restored.items, restored.damaged) == (4, 5, ())
    assert restored.size_bytes == report.backup.size_bytes
    assert found.contents() == bench.contents()
    assert found.heads() == bench.heads()


def test_a_restored_context_goes_on_as_any_other(bench: Bench) -> None:
    """Its next version is the next, and its life begins with its last change."""
    report = bench.back_up()
    found = other(bench)
    found.restore(report.backup.id)
    changed = found.append("short", "more").head

    assert changed.version == 2
    assert changed.expires_ms == bench.wall.ms + DAY_MS


def test_again_it_does_nothing(bench: Bench) -> None:
    """So one that broke off goes on when it is begun again."""
    report = bench.back_up()
    found = other(bench)
    found.restore(report.backup.id, only=["chat"])
    again = found.restore(report.backup.id)
    assert (again.restored, again.identical) == (3, 1)

    heads = found.heads()
    last = found.restore(report.backup.id)
    assert (last.restored, last.identical, found.heads()) == (0, 4, heads)


def test_where_others_are_nothing_is_written(bench: Bench) -> None:
    """Unless told so; all that is in the way is counted before."""
    report = bench.back_up()
    found = other(bench)
    found.create("chat", "another one")
    found.create("short", "another one")
    with pytest.raises(RestoreConflictError, match="exist already: 2, one is 'chat'"):
        found.restore(report.backup.id)
    assert set(found.contents()) == {"chat", "short"}

    skipped = found.restore(report.backup.id, if_exists="skip")
    assert (skipped.restored, skipped.skipped) == (2, 2)
    assert len(found.bodies("chat")) == 1

    replaced = found.restore(report.backup.id, if_exists="replace")
    assert (replaced.replaced, replaced.identical) == (2, 2)
    assert found.contents() == bench.contents()
    assert found.info("chat").version == 2


def test_a_replaced_context_has_a_version_above_both() -> None:
    """Whoever knows the one or the other sees that it has changed."""
    bench = Bench()
    bench.create("chat", "a")
    report = bench.back_up()
    for at in range(3):
        bench.append("chat", f"more {at}")
    bench.restore(report.backup.id, if_exists="replace")

    assert bench.info("chat").version == 5
    assert len(bench.bodies("chat")) == 1


def test_a_context_of_another_shape_is_replaced_in_one_change(bench: Bench) -> None:
    """A chat in the place of a text."""
    from tierfold.engine.contents import text_contents  # noqa: PLC0415  # one test's own

    report = bench.back_up()
    found = other(bench)
    found.driver.run(found.verbs.create(key("chat"), text_contents("a text")))
    found.restore(report.backup.id, if_exists="replace")

    assert found.bodies("chat") == bench.bodies("chat")


def test_what_has_outlived_its_time_comes_back_when_asked(bench: Bench) -> None:
    """Its owner wanted it gone; with the flag its life begins anew."""
    report = bench.back_up()
    bench.wall.ms += 2 * DAY_MS
    found = other(bench)
    first = found.restore(report.backup.id)
    assert (first.restored, first.expired) == (3, 1)
    assert found.info("pinned").head.pinned_until_ms == 0, "the pin is over too"

    second = found.restore(report.backup.id, expired=True)
    assert (second.restored, second.identical) == (1, 3)
    assert found.info("short").head.expires_ms == bench.wall.ms + DAY_MS


def test_only_some_come_back(bench: Bench) -> None:
    """One that the backup does not have is said before anything is written."""
    report = bench.back_up()
    found = other(bench)
    with pytest.raises(InvalidInputError, match="no context 'nobody'; nothing was restored"):
        found.restore(report.backup.id, only=["chat", "nobody"], if_exists="skip")
    assert found.contents() == {}

    assert found.restore(report.backup.id, only=["chat", "short"]).restored == 2
    assert set(found.contents()) == {"chat", "short"}


def test_another_tenants_backup_has_to_be_named(bench: Bench) -> None:
    """Under its id alone it is unknown; with its tenant it goes into this store's own."""
    report = bench.back_up()
    bench.wall.ms += 1
    stranger = other(bench)
    with pytest.raises(UnknownBackupError, match="of tenant 'else'"):
        done(backup.restore(stranger.world_of("else"), report.backup.id, RestoreOptions()))
    done(backup.restore(stranger.world_of(TENANT), report.backup.id, RestoreOptions()))
    assert stranger.contents() == bench.contents()


@pytest.mark.parametrize("id_", ["", "nope", "../x", "bk_01m87g65vvg5h3d4mr"])
def test_an_unknown_backup_is_said(bench: Bench, id_: str) -> None:
    """Whatever was typed, it leads to no other key."""
    for verb in (bench.verify, bench.restore):
        with pytest.raises(UnknownBackupError):
            verb(id_)
    with pytest.raises(UnknownBackupError):
        backup.delete(bench.world, id_)


def test_a_policy_that_does_not_exist_is_refused(bench: Bench) -> None:
    """By name, with those that do."""
    report = bench.back_up()
    with pytest.raises(InvalidInputError, match="fail, skip, replace"):
        bench.restore(report.backup.id, if_exists="merge")


def test_a_disk_that_fills_up_leaves_whole_contexts() -> None:
    """What is restored stays; the rest is said with the disk's own error."""
    bench = Bench()
    for at in range(8):
        bench.create(f"c{at}", f"{at}" * 400)
    report = bench.back_up()
    disk = FaultyKeyValues(MemoryKeyValues(), room_bytes=2500)
    found = Bench(bench.objects, [disk])
    with pytest.raises(StorageFullError):
        found.restore(report.backup.id)
    for id_, bodies in found.contents().items():
        assert bodies == bench.bodies(id_)

    disk.room_bytes = None
    again = found.restore(report.backup.id)
    assert again.restored + again.identical == 8


def test_a_damaged_context_in_the_way_is_replaced_when_told(bench: Bench) -> None:
    """That is what many restores are for."""
    report = bench.back_up()
    values = MemoryKeyValues()
    found = Bench(bench.objects, [values], wall=bench.wall)
    found.create("chat", "broken")
    values.damage(Family.HEAD, head_key(TENANT, key("chat").digest))
    found = Bench(bench.objects, [values], wall=bench.wall)
    with pytest.raises(RestoreConflictError):
        found.restore(report.backup.id)
    assert found.restore(report.backup.id, if_exists="skip").skipped == 1
    assert found.restore(report.backup.id, if_exists="replace").replaced == 1
    assert found.contents() == bench.contents()


@pytest.mark.parametrize(
    ("policy", "restored", "replaced", "skipped"),
    [
        ("fail", 3, 0, 1),
        ("skip", 3, 0, 1),
        ("replace", 3, 1, 0),
    ],
)
def test_a_context_that_appears_meanwhile_is_met_by_the_same_rule(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    policy: str,
    restored: int,
    replaced: int,
    skipped: int,
) -> None:
    """Nothing is overwritten that was not to be, whenever it came."""
    report = bench.back_up()
    found = other(bench)
    restoration = backup.restore(
        found.world,
        report.backup.id,
        RestoreOptions(if_exists=policy),  # type: ignore[arg-type]
    )
    read = restoring._Restoration._read  # noqa: SLF001  # between looking and writing

    def reading(self: Any, record: Any) -> Any:
        if record.id == "chat":
            found.create("chat", "just now")
        return read(self, record)

    monkeypatch.setattr(restoring._Restoration, "_read", reading)  # noqa: SLF001  # as above
    result = done(restoration)

    assert (result.restored, result.replaced, result.skipped) == (restored, replaced, skipped)
    assert (found.bodies("chat") == bench.bodies("chat")) == bool(replaced)


def test_what_this_store_cannot_hold_is_named(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its limits may be lower than those of the store that was backed up."""
    report = bench.back_up()
    found = other(bench)
    restore = type(found.verbs).restore

    def limited(self: Any, key: Any, *rest: Any, **named: Any) -> Any:
        if key.id == "chat":
            raise TooManyError
        return (yield from restore(self, key, *rest, **named))

    monkeypatch.setattr(type(found.verbs), "restore", limited)
    result = found.restore(report.backup.id)

    assert result.restored == 3
    assert [(each.context, each.problem) for each in result.damaged] == [("chat", "too many rows")]


class TooManyError(InvalidInputError):
    def __init__(self) -> None:
        super().__init__("too many rows")


def test_errors_of_backups_travel_between_processes() -> None:
    """What they carry comes along."""
    import pickle  # noqa: PLC0415  # one test's own

    errors: list[TierfoldError] = [
        UnknownBackupError("b", tenant="t"),
        RestoreConflictError(contexts=2, example="x"),
    ]
    for error in errors:
        again = pickle.loads(pickle.dumps(error))  # noqa: S301  # as above
        assert (str(again), vars(again)) == (str(error), vars(error))
