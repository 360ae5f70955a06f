"""Making backups: complete, at one version each, and no byte put twice."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.unit.engine.backup.worlds import START_MS, TENANT, Bench, done, key
from tests.unit.engine.shard.worlds import message
from tierfold.context.manifest import Shape
from tierfold.context.segment import SegmentKind, item
from tierfold.engine import backup
from tierfold.engine.backup import creating, packs
from tierfold.engine.backup.claims import CLAIM_MS, Claim
from tierfold.engine.contents import Contents
from tierfold.engine.shard.keys import head_key
from tierfold.errors import BackupBusyError, ObjectStoreError
from tierfold.ports import Family
from tierfold.storage.faults import FaultyObjects
from tierfold.storage.memory import MemoryKeyValues, MemoryObjects


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut packs after some hundred bytes, so that a few contexts fill several."""
    monkeypatch.setattr(packs, "PACK_BYTES_MIN", 200)
    monkeypatch.setattr(packs, "PACK_BYTES_MAX", 800)
    monkeypatch.setattr(packs, "_CUT_BYTES", 200)


def filled(bench: Bench, count: int = 10) -> Bench:
    for at in range(count):
        bench.create(f"c{at:02}", *(f"row {at} {row}" for row in range(3)), title=f"T{at}")
    return bench


def test_a_tenant_without_contexts_has_a_backup_too(bench: Bench) -> None:
    """Nothing is a state like others."""
    report = bench.back_up()

    assert (report.backup.contexts, report.new_packs, report.damaged) == (0, 0, ())
    assert bench.restore(report.backup.id).restored == 0


def test_what_is_unchanged_is_neither_read_nor_put_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second backup costs its manifest."""
    first = filled(bench).back_up()
    asked: list[Any] = []
    monkeypatch.setattr(bench.driver, "run_all", noted(bench.driver.run_all, asked))
    second = bench.back_up()

    assert first.read_bytes == first.backup.size_bytes
    assert (second.read_bytes, second.new_packs, second.reused_packs) == (0, 0, 1)
    assert second.new_bytes < 500
    assert second.backup.stored_bytes == first.backup.stored_bytes
    assert asked == []


def noted(run_all: Callable[[Any], Any], asked: list[Any]) -> Callable[[Any], Any]:
    def run(verbs: Any) -> Any:
        asked.extend(verbs)
        return run_all(verbs)

    return run


def test_of_a_context_that_has_grown_what_is_new_is_read(bench: Bench) -> None:
    """The rest is where it was."""
    filled(bench).back_up()
    added = bench.append("c03", "one more")
    report = bench.back_up()

    assert report.read_bytes == message("one more").size_bytes
    assert report.backup.size_bytes == sum(
        bench.info(f"c{at:02}").head.size_bytes for at in range(10)
    )
    assert added.version == 2


def test_a_context_that_is_written_anew_is_read_whole(bench: Bench) -> None:
    """Its items that were there before are not packed again."""
    filled(bench).back_up()
    bench.replace("c03", "row 3 1", "other")
    report = bench.back_up()

    assert report.backup.items == 29
    assert (report.new_packs, report.reused_packs) == (1, 1)
    assert bench.verify(report.backup.id).damaged == ()


def test_an_item_of_several_contexts_is_stored_once(bench: Bench) -> None:
    """Branches of one history are most of what agents keep."""
    long = "x" * 5000
    for at in range(5):
        bench.create(f"c{at}", long, f"own {at}")
    report = bench.back_up()
    bench.create("c9", long, "own 9")

    assert report.backup.stored_bytes < 2 * 5000
    assert bench.back_up().new_bytes < 5000


def test_items_of_all_sizes_come_back(bench: Bench) -> None:
    """One that is split lies in its pack with its pieces."""
    large = [
        item(SegmentKind.MESSAGE, b'{"x":"' + b"y" * size + b'"}') for size in (65_000, 9 << 20)
    ]
    bench.create("large", "small", items=large)
    before = bench.contents()
    report = bench.back_up()
    bench.delete("large")
    bench.restore(report.backup.id)

    assert bench.contents() == before


@pytest.mark.usefixtures("small_packs")
@pytest.mark.parametrize("steps", range(5))
def test_a_backup_that_was_broken_off_is_not_there_and_nothing_of_it_is_lost(
    bench: Bench, steps: int
) -> None:
    """The next one puts what is missing."""
    making = backup.create(filled(bench, 12).world)
    for _ in range(steps):
        next(making)
    making.close()
    arrived = set(bench.object_keys("/data/"))

    assert list(backup.listed(bench.world)) == []
    assert bench.object_keys("/claims/") == []
    report = bench.back_up()
    put = [*(set(bench.object_keys("/data/")) - arrived), *bench.object_keys("/manifests/")]
    assert report.new_bytes == sum(len(bench.objects.get(each) or b"") for each in put)
    assert bench.verify(report.backup.id).damaged == ()


def test_an_object_store_that_vanishes_leaves_nothing_torn() -> None:
    """The failure is said, the list is empty, and it goes on when it is back."""
    objects = FaultyObjects(MemoryObjects())
    bench = filled(Bench(objects))
    making = backup.create(bench.world)
    next(making)
    objects.is_down = True
    with pytest.raises(ObjectStoreError, match="it is down"):
        done(making)

    objects.is_down = False
    assert list(backup.listed(bench.world)) == []
    bench.wall.ms += CLAIM_MS
    assert bench.verify(bench.back_up().backup.id).contexts == 10


def test_a_context_deleted_while_it_is_read_is_counted(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup has what is there when it comes by."""
    filled(bench)
    run_all = bench.driver.run_all

    def deleting(verbs: Any) -> Any:
        if "c04" in bench.contents():
            bench.delete("c04")
        return run_all(verbs)

    monkeypatch.setattr(bench.driver, "run_all", deleting)
    bench.page_max = 100
    report = bench.back_up()

    assert (report.gone, report.backup.contexts) == (1, 9)


@pytest.mark.parametrize("changes", [1, 3])
def test_a_context_that_changes_while_it_is_read_is_at_one_version(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, changes: int
) -> None:
    """Never half of the one and half of the other."""
    filled(bench, 3)
    left = list(range(changes))
    run, run_all = bench.driver.run, bench.driver.run_all

    def changing(do: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def doing(verbs: Any) -> Any:
            if left and verbs is not None:
                n = left.pop()
                run(bench.verbs.replace(key("c01"), contents(f"anew {n}", f"and {n}")))
            return do(verbs)

        return doing

    listing = list(bench.contents())
    monkeypatch.setattr(bench.driver, "run_all", changing(run_all))
    report = bench.back_up()
    monkeypatch.undo()
    found = bench.verify(report.backup.id)

    assert listing == ["c00", "c01", "c02"]
    assert (found.damaged, found.contexts) == ((), 3)


def contents(*texts: str) -> Contents:
    return Contents(shape=Shape.MESSAGES, items=tuple(map(message, texts)))


def test_a_context_that_never_stands_still_is_named(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not in a backup is said."""
    filled(bench, 3)
    at = iter(range(100))
    run, run_all = bench.driver.run, bench.driver.run_all

    def changed(do: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def doing(verbs: Any) -> Any:
            if getattr(verbs, "__name__", "items") == "items":
                n = next(at)
                run(bench.verbs.replace(key("c01"), contents(f"anew {n}", f"a {n}", f"b {n}")))
            return do(verbs)

        return doing

    monkeypatch.setattr(bench.driver, "run_all", changed(run_all))
    monkeypatch.setattr(bench.driver, "run", changed(run))
    report = bench.back_up()

    assert [each.context for each in report.damaged] == ["c01"]
    assert "written anew" in report.damaged[0].problem
    assert report.backup.contexts == 2


def test_a_context_that_cannot_be_read_is_named_and_kept_as_it_was_backed_up() -> None:
    """A backup is the last place that has it."""
    values = MemoryKeyValues()
    bench = filled(Bench(values=[values]), 5)
    before = bench.back_up()
    kept = bench.bodies("c02")
    bench.append("c02", "lost")
    values.damage(Family.HEAD, head_key(TENANT, key("c02").digest))
    values.damage(Family.HEAD, head_key(TENANT, key("c04").digest))
    bench = Bench(bench.objects, [values], wall=bench.wall)
    report = bench.back_up()

    assert [each.context for each in report.damaged] == ["c02", "c04"]
    assert all("version 1 of the backup before is kept" in e.problem for e in report.damaged)
    assert report.backup.contexts == before.backup.contexts
    other = Bench(bench.objects)
    assert other.restore(report.backup.id).restored == 5
    assert other.bodies("c02") == kept


def test_damaged_items_are_named_too() -> None:
    """Without a backup before, the context is missing in it."""
    values = MemoryKeyValues()
    bench = filled(Bench(values=[values]), 3)
    name = message("row 1 1").segment.name
    row = next(k for k, _ in values.scan(Family.BODY, b"") if bytes(name) in k)
    values.damage(Family.BODY, row)
    report = Bench(bench.objects, [values], wall=bench.wall).back_up()

    assert [each.context for each in report.damaged] == ["c01"]
    assert report.backup.contexts == 2


def test_a_pack_that_went_missing_is_put_again(bench: Bench) -> None:
    """What the backup before says is there is looked for."""
    filled(bench).back_up()
    bench.objects.delete(bench.object_keys("/data/"))
    report = bench.back_up()

    assert (report.new_packs, report.read_bytes) == (1, report.backup.size_bytes)
    assert bench.verify(report.backup.id).damaged == ()


def test_a_full_backup_mends_what_is_damaged() -> None:
    """Else a flipped bit would be in all later backups too."""
    objects = MemoryObjects()
    bench = filled(Bench(objects))
    first = bench.back_up()
    for each in bench.object_keys("/data/"):
        data = objects.get(each)
        assert data is not None
        objects.delete([each])
        objects.put_new(each, data[:-1] + bytes((data[-1] ^ 1,)))
    assert bench.verify_fails(first.backup.id)
    report = bench.back_up(full=True)

    assert report.read_bytes == report.backup.size_bytes
    assert bench.verify(report.backup.id).damaged == ()
    assert bench.verify(first.backup.id).damaged == ()


def test_a_damaged_backup_before_is_passed_over() -> None:
    """The one before that is as good, and none is too."""
    bench = filled(Bench())
    first, second = bench.back_up(), bench.back_up()
    (manifest,) = bench.object_keys(second.backup.id)
    bench.objects.delete([manifest])
    bench.objects.put_new(manifest, b"garbage")
    third = bench.back_up()

    assert third.read_bytes == 0
    ids = [first.backup.id, second.backup.id, third.backup.id]
    assert [(info.id, bool(info.problem)) for info in backup.listed(bench.world)] == list(
        zip(ids, (False, True, False), strict=True)
    )


def test_ids_go_on_behind_a_clock_that_was_set_back(bench: Bench) -> None:
    """The newest backup is the one that was made last."""
    first = filled(bench).back_up()
    bench.wall.ms = START_MS - 86_400_000
    second = bench.back_up()

    assert second.backup.id > first.backup.id
    assert second.read_bytes == 0
    assert second.backup.created_ms < START_MS


def test_a_backup_is_not_begun_while_one_is_deleted(bench: Bench) -> None:
    """The deletion might remove what the new one counts on."""
    claim = Claim(bench.objects, TENANT, "delete", bench.wall)
    claim.begin(bench.world.new_id())
    with pytest.raises(BackupBusyError, match="being deleted"):
        bench.back_up()
    assert len(bench.object_keys("/claims/")) == 1

    bench.wall.ms += CLAIM_MS  # it was killed
    assert bench.back_up().backup.contexts == 0
    assert bench.object_keys("/claims/") == []


def test_a_backup_that_slept_for_too_long_gives_up(bench: Bench) -> None:
    """Meanwhile a deletion took it for dead."""
    making = backup.create(filled(bench).world)
    next(making)
    bench.wall.ms += CLAIM_MS
    with pytest.raises(BackupBusyError, match="stopped for too long"):
        done(making)
    assert list(backup.listed(bench.world)) == []


def test_a_long_backup_renews_its_claim(bench: Bench) -> None:
    """However long it takes, nobody takes it for dead."""
    making = backup.create(filled(bench).world)
    claims = set()
    for _ in slowly(bench, making):
        claims |= set(bench.object_keys("/claims/"))

    assert len(claims) > 1
    assert bench.object_keys("/claims/") == []
    assert len(list(backup.listed(bench.world))) == 1


def slowly(bench: Bench, steps: Iterator[Any]) -> Iterator[Any]:
    for step in steps:
        bench.wall.ms += 120_000
        yield step


def test_contexts_of_several_shards_are_in_one_backup() -> None:
    """The list is in the order of ids, whichever shard has them."""
    bench = filled(Bench(values=[MemoryKeyValues(), MemoryKeyValues(), MemoryKeyValues()]), 20)
    first = bench.back_up()

    assert bench.back_up().read_bytes == 0
    other = Bench(bench.objects)
    other.restore(first.backup.id)
    assert other.contents() == bench.contents()


def test_a_large_context_is_read_in_parts(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than a few megabytes are in memory at once."""
    monkeypatch.setattr(creating, "_TOGETHER_BYTES_MAX", 100)
    monkeypatch.setattr(creating, "_READ_BYTES_MAX", 300)
    bench.create("long", *(f"row number {at}" for at in range(100)))
    told = list(backup.create(bench.world))

    assert len(told) >= 2
    (info,) = backup.listed(bench.world)
    assert bench.verify(info.id).items == 100
