"""Deleting backups: what others need stays, what nobody needs goes."""

import pytest

from tests.unit.engine.backup.worlds import TENANT, Bench
from tierfold.engine import backup
from tierfold.engine.backup import deleting
from tierfold.engine.backup.claims import CLAIM_MS, Claim
from tierfold.errors import UnknownBackupError


def filled() -> tuple[Bench, list[str]]:
    bench = Bench()
    bench.create("a", "first")
    ids = [bench.back_up().backup.id]
    bench.append("a", "second")
    ids.append(bench.back_up().backup.id)
    bench.create("b", "third")
    ids.append(bench.back_up().backup.id)
    return bench, ids


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_what_others_need_stays_whatever_goes_first(order: tuple[int, ...]) -> None:
    """Every backup is complete in itself; after the last nothing is left."""
    bench, ids = filled()
    left = list(ids)
    for at in order:
        report = backup.delete(bench.world, ids[at])
        left.remove(ids[at])
        assert report.removed > 0
        assert report.kept_because == ""
        assert [info.id for info in backup.listed(bench.world)] == left
        assert all(bench.verify(id_).damaged == () for id_ in left)
    assert bench.object_keys() == []
    with pytest.raises(UnknownBackupError):
        backup.delete(bench.world, ids[0])


def test_what_a_broken_off_backup_left_goes_with_the_next_deletion() -> None:
    """It belongs to nothing by then."""
    bench, ids = filled()
    making = backup.create(bench.world, full=True)
    bench.create("c", "lost")
    next(making)
    making.close()
    for id_ in ids:
        backup.delete(bench.world, id_)

    assert bench.object_keys() == []


def test_beside_a_backup_in_the_making_objects_are_left() -> None:
    """It may count on any of them; the next deletion takes what nobody needs."""
    bench, ids = filled()
    claim = Claim(bench.objects, TENANT, "create", bench.wall)
    claim.begin(bench.world.new_id())
    before = bench.object_keys("/data/")
    report = backup.delete(bench.world, ids[2])

    assert report.removed == 0
    assert "is being made" in report.kept_because
    assert bench.object_keys("/data/") == before
    bench.wall.ms += CLAIM_MS  # it was killed
    assert backup.delete(bench.world, ids[1]).removed > 0
    assert bench.verify(ids[0]).damaged == ()


def test_while_another_backup_is_damaged_objects_are_left() -> None:
    """Nobody can tell what it needs; it can itself be deleted."""
    bench, ids = filled()
    (manifest,) = bench.object_keys(ids[1])
    data = bench.objects.get(manifest)
    assert data is not None
    bench.objects.delete([manifest])
    bench.objects.put_new(manifest, data[:-1])
    report = backup.delete(bench.world, ids[0])
    assert report.removed == 0
    assert f"backup {ids[1]}" in report.kept_because

    assert backup.delete(bench.world, ids[1]).removed > 0
    assert bench.verify(ids[2]).damaged == ()


def test_a_long_deletion_looks_for_backups_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that began meanwhile has its objects left."""
    monkeypatch.setattr(deleting, "_AT_ONCE", 1)
    bench, ids = filled()
    objects, wall = bench.objects, bench.wall
    claim = Claim(objects, TENANT, "create", wall)
    delete = objects.delete

    def slow(keys: list[str]) -> None:
        delete(keys)
        if "/data/" in keys[0] and not claim.others("create"):
            wall.ms += 120_000
            claim.begin(bench.world.new_id())

    monkeypatch.setattr(objects, "delete", slow)
    backup.delete(bench.world, ids[0])
    report = backup.delete(bench.world, ids[1])
    assert "is being made" in report.kept_because
    assert bench.verify(ids[2]).damaged == ()
