"""`tierfold backup` on a store that the command itself opens."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

import tierfold
from tierfold.cli import main
from tierfold.cli.backup_places import LocalBackups, is_inside
from tierfold.cli.backup_shown import BackupBar, progress_line, restored_lines, table
from tierfold.cli.screen import Screen
from tierfold.engine.store import Store

Output = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where TIERFOLD_STORE points, with a few contexts."""
    folder = tmp_path / "store"
    with tierfold.open(folder, objects=(folder / "objects").as_uri()) as store:
        for at in range(4):
            store.create(f"c{at}", messages=[{"role": "user", "content": f"row {at}"}])
    return folder


@pytest.fixture
def bucket(tmp_path: Path) -> str:
    return (tmp_path / "out").as_uri()


def made(capsys: Output, *words: str) -> str:
    """Make a backup and return its id."""
    assert main(["backup", "create", *words, "-q"]) == 0
    return capsys.readouterr().out.strip()


@pytest.mark.usefixtures("folder")
def test_a_backup_goes_into_another_store(bucket: str, tmp_path: Path, capsys: Output) -> None:
    """Made, listed, checked, restored where there was nothing, deleted."""
    assert main(["backup", "create", "--to", bucket, "--name", "before\x1b[2J the move"]) == 2
    capsys.readouterr()
    assert main(["backup", "create", "--to", bucket, "--name", "before the move"]) == 0
    out, err = capsys.readouterr()
    id_ = out.strip()
    assert "backed up 4 contexts, 4 items" in err
    assert f"  where    {bucket}" in err
    assert "same disk" not in err

    assert main(["backup", "list", "--from", bucket]) == 0
    out, err = capsys.readouterr()
    assert "before the move" in out
    assert f"object store {bucket}" in err
    assert main(["backup", "verify", id_, "--from", bucket]) == 0
    assert "read 4 contexts, 4 items" in capsys.readouterr().err

    new = str(tmp_path / "new")
    assert main(["backup", "restore", id_, "--from", bucket, "--store", new]) == 0
    assert "restored 4 contexts" in capsys.readouterr().err
    assert main(["get", "c2", "--store", new, "-q"]) == 0
    assert "row 2" in capsys.readouterr().out

    assert main(["backup", "delete", id_, "--from", bucket]) == 0
    assert f"deleted {id_}, and 3 objects" in capsys.readouterr().err
    assert main(["backup", "list", "--from", bucket]) == 0
    assert "there are no backups yet" in capsys.readouterr().err


def test_the_store_s_own_object_store_is_the_default(folder: Path, capsys: Output) -> None:
    """Where that is on the same disk, it is said what it is not good for."""
    assert main(["backup", "create"]) == 0
    out, err = capsys.readouterr()
    assert f"  where    {(folder / 'objects').as_uri()}" in err
    assert "on the same disk: --to URL survives its loss" in err
    assert main(["backup", "list", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)["data"]
    assert (listed["id"], listed["contexts"]) == (out.strip(), 4)


def test_what_is_in_the_way_is_said_with_the_options(
    folder: Path, bucket: str, capsys: Output
) -> None:
    """Nothing is written until it is said what becomes of it."""
    id_ = made(capsys, "--to", bucket)
    with tierfold.open(folder) as store:
        store.append("c1", messages=[{"role": "user", "content": "more"}])
        store.delete("c3")
    restore = ["backup", "restore", id_, "--from", bucket]
    assert main(restore) == 2
    assert "exist already: 1, one is 'c1'" in (err := capsys.readouterr().err)
    assert "--if-exists skip or replace, --only ID" in err

    assert main([*restore, "--if-exists", "skip"]) == 0
    err = capsys.readouterr().err
    assert "restored 1 context," in err
    assert "  2 there already" in err
    assert "  1 skipped: others have their ids" in err
    assert main([*restore, "--if-exists", "replace", "--only", "c1", "--json", "-q"]) == 0
    assert json.loads(capsys.readouterr().out)["replaced"] == 1
    assert main([*restore, "--only", "nobody"]) == 2
    assert "no context 'nobody'" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_damage_is_named_and_ends_with_1(bucket: str, tmp_path: Path, capsys: Output) -> None:
    """The exit code tells a script, the lines tell a person."""
    id_ = made(capsys, "--to", bucket)
    data = tmp_path / "out" / "local" / "backups" / "data"
    (pack,) = (each for each in data.iterdir() if each.read_bytes()[4] == 1)
    pack.chmod(0o600)
    pack.write_bytes(b"garbage")
    assert main(["backup", "verify", id_, "--from", bucket]) == 1
    err = capsys.readouterr().err
    assert "  damaged  4" in err
    assert "    c2: pack " in err
    assert main(["backup", "verify", id_, "--from", bucket, "--json", "-q"]) == 1
    assert len(json.loads(capsys.readouterr().out)["damaged"]) == 4
    new = ["--store", str(tmp_path / "new")]
    assert main(["backup", "restore", id_, "--from", bucket, *new]) == 1

    (manifest,) = (tmp_path / "out" / "local" / "backups" / "manifests").iterdir()
    manifest.chmod(0o600)
    manifest.write_bytes(b"garbage")
    assert main(["backup", "list", "--from", bucket]) == 0
    assert "damaged: backup" in capsys.readouterr().out
    assert main(["backup", "create", "--full", "--to", bucket, "-q"]) == 0
    mended = capsys.readouterr().out.strip()
    assert main(["backup", "verify", mended, "--from", bucket, "-q"]) == 0
    assert main(["backup", "delete", mended, "--from", bucket]) == 0
    assert "left to the next deletion" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["create", "--to", "/plain/path"], "did you mean file:///plain/path?"),
        (["create", "--to", "memory://"], "keeps nothing"),
        (["verify", "nope"], "there is no backup 'nope' of tenant 'local'"),
        (["restore", "nope", "--if-exists", "merge"], "invalid choice: 'merge'"),
        (["list", "--tenant", ""], "is no name of a tenant"),
        ([], "required: VERB"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_bad_input_is_refused_in_a_sentence(words: list[str], said: str, capsys: Output) -> None:
    """With what would be right."""
    assert main(["backup", *words]) == 2
    assert said in capsys.readouterr().err


def test_a_store_without_an_object_store_wants_to_be_told_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """Nothing is put where nobody asked for it."""
    tierfold.open(tmp_path / "store").close()
    monkeypatch.setenv("TIERFOLD_OBJECTS", "none")
    assert main(["backup", "create"]) == 2
    assert "say where backups are, as a URL" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["create", "restore"])
@pytest.mark.usefixtures("folder")
def test_ctrl_c_says_what_became_of_it(
    verb: str, bucket: str, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """And that the same command goes on."""
    id_ = made(capsys, "--to", bucket)

    def interrupted(*_: object, **__: object) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(LocalBackups, verb, interrupted)
    words = ["create", "--to", bucket] if verb == "create" else ["restore", id_, "--from", bucket]
    assert main(["backup", *words]) == 130
    err = capsys.readouterr().err
    assert ("there is no backup" if verb == "create" else "goes on from there") in err


@pytest.mark.usefixtures("folder")
def test_a_context_deleted_meanwhile_is_told(
    bucket: str, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """As what it is: no damage."""
    report = {
        "backup": {
            **dict.fromkeys(("contexts", "items", "size_bytes", "stored_bytes"), 1),
            "id": "bk",
            "url": "",
        },
        **dict.fromkeys(("new_packs", "reused_packs", "new_bytes", "read_bytes", "gone"), 1),
        "damaged": [{"context": f"c{at}", "problem": "gone"} for at in range(30)],
        "elapsed_ms": 0.0,
    }
    monkeypatch.setattr(LocalBackups, "create", lambda *_, **__: report)
    assert main(["backup", "create", "--to", bucket]) == 1
    err = capsys.readouterr().err
    assert "gone     1 context deleted meanwhile" in err
    assert "and 10 more (--json lists them)" in err


def test_progress_has_a_bar_where_the_end_is_known() -> None:
    """Else it counts."""
    told = {"contexts": 1500, "contexts_total": 3000, "size_bytes": 4_000_000}
    line = progress_line(told, 2.0)
    assert line.endswith(" 50 %, 1,500 of 3,000 contexts, 2.0 MB/s")
    assert progress_line(told | {"contexts_total": None}, 0.0) == "1,500 contexts, 0 B/s"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_is_gone_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a terminal that closes is no failure of the work."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr("tierfold.cli.backup_shown._S_BETWEEN", 0.0)
    told = {"contexts": 1, "contexts_total": 2, "size_bytes": 3}
    with BackupBar() as bar:
        bar.told(told)
    assert "1 of 2 contexts" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")
    with BackupBar() as bar:
        terminal.close()
        bar.told(told)
    with BackupBar(is_quiet=True) as bar:
        bar.told(told)


def test_a_damaged_backup_is_a_line_of_the_table() -> None:
    """Among the others, with what is wrong."""
    backup = {"id": "bk_1", "problem": "cut short"}
    lines = table([backup], now_s=0.0, width=80)
    assert lines[1].endswith("damaged: cut short")


def test_times_over_are_said_with_the_flag() -> None:
    """Whoever misses a context knows why."""
    report: dict[str, Any] = dict.fromkeys(
        ("restored", "replaced", "identical", "skipped", "items", "size_bytes"), 0
    )
    report |= {"expired": 2, "damaged": [], "elapsed_ms": 100_000.0}
    lines = list(restored_lines(report, Screen(None)))
    assert lines[0] == "restored 0 contexts, 0 items, 0 B in 2 min (0 contexts/s)"
    assert "  2 left out: their time is over (--expired)" in lines


def test_whether_it_lies_in_the_store_s_folder_is_told(tmp_path: Path) -> None:
    """Names with spaces too; a bucket never does."""
    inside = (tmp_path / "a b" / "objects").as_uri()
    assert is_inside(inside, tmp_path / "a b")
    assert not is_inside(inside, tmp_path / "other")
    assert not is_inside("s3://bucket/a", tmp_path)


def test_a_store_has_all_verbs(tmp_path: Path) -> None:
    """In Python as on the command line."""
    url = (tmp_path / "out").as_uri()
    told: list[object] = []
    with tierfold.open(":memory:") as store:
        assert isinstance(store, Store)
        store.create("a", text="hello")
        report = store.backup(url, name="n", progress=told.append)
        assert [info.name for info in store.backups(url)] == ["n"]
        assert store.verify_backup(report.backup.id, at=url).contexts == 1
        store.delete("a")
        assert store.restore(report.backup.id, at=url).restored == 1
        assert store.delete_backup(report.backup.id, at=url).removed == 3
    assert told
    with pytest.raises(tierfold.TierfoldError, match="is closed"):
        store.backup(url)
