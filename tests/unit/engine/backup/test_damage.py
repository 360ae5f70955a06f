"""Damage in a backup: never taken for content, named, and the rest is saved."""

import contextlib

import pytest

from tests.unit.engine.backup.worlds import Bench
from tierfold.engine import backup
from tierfold.engine.backup.envelope import ObjectKind
from tierfold.errors import CorruptError, FormatTooNewError
from tierfold.storage.memory import MemoryObjects


def filled() -> tuple[Bench, str]:
    bench = Bench()
    bench.create("a", "hello", "there", title="T")
    bench.create("b", "hello", "again", "and again")
    return bench, bench.back_up().backup.id


def replaced(objects: MemoryObjects, key: str, data: bytes | None) -> MemoryObjects:
    """Return an object store that has other bytes under one key, or none."""
    other = MemoryObjects()
    for each in objects.keys(""):
        value = objects.get(each)
        assert value is not None
        if each != key:
            other.put_new(each, value)
        elif data is not None:
            other.put_new(each, data)
    return other


def test_every_flipped_byte_is_found_and_nothing_wrong_is_restored() -> None:
    """In packs, lists and the manifest: a context comes back as it was, or not at all."""
    bench, id_ = filled()
    objects = bench.objects
    assert isinstance(objects, MemoryObjects)
    whole = bench.contents()
    for key in bench.object_keys():
        data = objects.get(key)
        assert data is not None
        for at in range(len(data)):
            damaged = data[:at] + bytes((data[at] ^ 0x41,)) + data[at + 1 :]
            found = Bench(replaced(objects, key, damaged))
            assert found.verify_fails(id_)
            with contextlib.suppress(CorruptError):
                found.restore(id_, if_exists="skip")
            assert all(whole[name] == bodies for name, bodies in found.contents().items())


def test_a_missing_object_is_named() -> None:
    """With what it means: contexts by their ids, where they are known."""
    bench, id_ = filled()
    objects = bench.objects
    assert isinstance(objects, MemoryObjects)
    problems = set()
    for key in bench.object_keys("/data/"):
        found = Bench(replaced(objects, key, None))
        data = objects.get(key)
        assert data is not None
        if data[4] == ObjectKind.PACKS:
            with pytest.raises(CorruptError, match="does not have it; `tierfold backup verify`"):
                found.verify(id_)
            continue
        report = found.verify(id_)
        problems |= {each.context for each in report.damaged}
        assert all("does not have it" in each.problem for each in report.damaged)
        assert found.restore(id_).restored == 0

    assert problems == {"a", "b", ""}


def test_the_sound_contexts_of_a_damaged_backup_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those in another pack than the damaged one."""
    monkeypatch.setattr("tierfold.engine.backup.packs.PACK_BYTES_MIN", 1)
    monkeypatch.setattr("tierfold.engine.backup.packs.PACK_BYTES_MAX", 300)
    bench = Bench()
    for at in range(10):
        bench.create(f"c{at}", f"{at} " * 100, f"{at} more")
    report = bench.back_up()
    objects = bench.objects
    assert isinstance(objects, MemoryObjects)
    counts = set()
    for key in bench.object_keys("/data/"):
        data = objects.get(key)
        assert data is not None
        if data[4] != ObjectKind.BODIES:  # no pack of bodies
            continue
        found = Bench(replaced(objects, key, b"x" + data))
        restored = found.restore(report.backup.id)
        assert restored.restored + len(restored.damaged) == 10
        assert 0 < len(restored.damaged) < 10
        assert {each.context for each in restored.damaged} == {f"c{n}" for n in range(10)} - set(
            found.contents()
        )
        counts.add(restored.restored)

    assert counts


def test_a_damaged_page_of_the_list_costs_what_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other pages are read, and how much cannot be named is said."""
    monkeypatch.setattr("tierfold.engine.backup.packs.PACK_ENTRIES_MAX", 6)
    bench = Bench()
    for at in range(12):
        bench.create(f"c{at:02}", f"row {at}")
    report = bench.back_up()
    objects = bench.objects
    assert isinstance(objects, MemoryObjects)
    pages = [
        key
        for key in bench.object_keys("/data/")
        if (objects.get(key) or b"")[4] == ObjectKind.RECORDS
    ]
    assert len(pages) == 4
    for key in pages:
        found = Bench(replaced(objects, key, b"tfbk"))
        restored = found.restore(report.backup.id)
        assert restored.restored == 9
        assert [each.context for each in restored.damaged] == [""]
        assert "up to 4 contexts cannot be named" in restored.damaged[0].problem


def test_a_manifest_in_another_place_is_refused() -> None:
    """A copied file does not make one tenant's contexts another's."""
    bench, id_ = filled()
    (key,) = bench.object_keys("/manifests/")
    data = bench.objects.get(key)
    assert data is not None
    bench.objects.put_new(key.replace("acme", "else"), data)
    found = Bench(bench.objects)
    (info,) = backup.listed(found.world_of("else"))

    assert f"it is backup {id_} of tenant 'acme', put in another place" in info.problem


def test_a_backup_of_a_newer_format_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its list entry says so too, and the next backup goes on without it."""
    monkeypatch.setattr("tierfold.engine.backup.envelope.FORMAT", 2)
    bench, id_ = filled()
    monkeypatch.undo()

    for verb in (bench.verify, bench.restore):
        with pytest.raises(FormatTooNewError, match=f"backup {id_} has format 2"):
            verb(id_)
    assert "install a newer one" in next(iter(backup.listed(bench.world))).problem
    assert bench.back_up().read_bytes > 0


def test_other_objects_beside_backups_are_left_alone() -> None:
    """What nobody of us has put is nobody's backup."""
    bench, id_ = filled()
    bench.objects.put_new("acme/backups/manifests/readme", b"x")
    bench.objects.put_new("acme/backups/data/notes", b"x")
    bench.objects.put_new("acme/backups/claims/x-y", b"x")

    assert [info.id for info in backup.listed(bench.world)] == [id_]
    bench.back_up()
    backup.delete(bench.world, id_)
    assert bench.objects.get("acme/backups/data/notes") == b"x"
