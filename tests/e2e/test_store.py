"""Stored contexts as a person uses them: one process after another, on one folder."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import SCRIPTS, Run

ROOT = Path(__file__).parents[2]
ASK = "What is my phone number?"

Ended = subprocess.CompletedProcess[bytes]
Store = Callable[..., Ended]


@pytest.fixture
def shell(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """A shell that has a store of its own, and no server."""
    ours = {name: value for name, value in environment.items() if name != "TIERFOLD_URL"}
    return ours | {"TIERFOLD_STORE": str(tmp_path / "store")}


@pytest.fixture
def store(shell: dict[str, str]) -> Store:
    """Run the installed command on that store."""

    def run(*words: str | Path, stdin: bytes = b"") -> Ended:
        return subprocess.run(
            [SCRIPTS / "tierfold", *words],
            input=stdin,
            capture_output=True,
            env=shell,
            check=False,
            timeout=50,
        )

    return run


def test_a_chat_outlives_the_process(store: Store, chat: Path, rows: list[dict[str, str]]) -> None:
    """Put by one process, folded by a second, and whole in a third."""
    put = store("put", chat, "--id", "trip")
    asked = store("ask", "trip", ASK, "--tokens", "300")
    got = store("get", "trip", "--json", "-q")

    assert (put.returncode, put.stdout) == (0, b"trip\n"), put.stderr
    assert b"(opened here)" in put.stderr
    assert "0117 496 0990" in asked.stdout.decode()
    assert len(json.loads(asked.stdout)) < 60
    assert json.loads(got.stdout)["data"] == rows
    assert got.stderr == b""


def test_a_fold_of_what_is_stored_is_the_fold_of_the_file(
    store: Store, tierfold: Run, reference: Path
) -> None:
    """Storing changes no answer."""
    words = ("When are default parameter values evaluated?", "--tokens", "500", "-q")
    assert store("put", reference, "--id", "reference", "-q").returncode == 0

    asked = store("ask", "reference", *words)

    assert asked.stdout == tierfold("compress", reference, "--ask", *words).stdout
    assert store("get", "reference", "-q").stdout == reference.read_bytes()


def test_text_goes_through_pipes(store: Store) -> None:
    """stdin in, stdout out, byte for byte, without a line end that was not there."""
    text = "Zeile eins \u2026\n\nno end".encode()
    name = store("put", "-", "-q", stdin=text).stdout.decode().strip()

    assert store("get", name, "-q").stdout == text


def test_the_examples_of_the_reference_run(shell: dict[str, str], chat: Path) -> None:
    """A reader can paste the block on stored contexts as it stands."""
    page = (ROOT / "docs/reference/cli.md").read_text("utf-8")
    block = page.partition("## Stored contexts")[2].partition("```sh\n")[2].partition("```")[0]
    ended = subprocess.run(
        ["bash", "-e", "-c", block], cwd=chat.parent, env=shell, capture_output=True, check=False
    )

    assert ended.returncode == 0, ended.stderr.decode()
    assert (chat.parent / "all.parquet").stat().st_size > 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("get", "nobody"), 2, "there is no context 'nobody'"),
        (("put", "nowhere.txt"), 2, "cannot read nowhere.txt: no such file"),
        (("put", "-"), 2, "it is empty"),
        (("import", "nowhere.parquet"), 2, "cannot read nowhere.parquet"),
        (("import", "other.txt"), 2, "no Parquet file"),
        (("ls", "--url", "http://127.0.0.1:9"), 1, "no server answers at http://127.0.0.1:9"),
        (("inspect", "../up"), 2, "is no id"),
    ],
)
def test_bad_calls_end_with_a_sentence(
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    """A code, a line, nothing on stdout."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.txt").write_text("no table")
    assert store("put", "-", "--id", "there", stdin=b"text").returncode == 0

    ended = store(*words)

    assert (ended.returncode, ended.stdout) == (code, b"")
    assert said in ended.stderr.decode().splitlines()[-1]
    assert b"Traceback" not in ended.stderr


def test_a_reader_that_leaves_is_no_failure(
    shell: dict[str, str], store: Store, reference: Path
) -> None:
    """`| head` ends with 141 and without a word, and the store is let go."""
    assert store("put", reference, "--id", "reference").returncode == 0
    command = f"{SCRIPTS}/tierfold get reference -q | head -c 10; echo ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", command], env=shell, capture_output=True, check=True)

    assert ended.stdout.endswith(b"141\n")
    assert ended.stderr == b""
    assert store("ls").returncode == 0


def test_ctrl_c_in_an_import_keeps_what_is_in(
    shell: dict[str, str], store: Store, tmp_path: Path
) -> None:
    """What is imported stays, the message says how to go on, and going on works."""
    chats = {f"c{number:03}": f"text {number} " * 50 for number in range(60)}
    path = tmp_path / "all.parquet"
    code = (
        "import sys, tierfold\n"
        f"with tierfold.open({shell['TIERFOLD_STORE']!r}) as store:\n"
        f"    for name, text in {chats!r}.items():\n"
        "        store.put(name, text=text)\n"
    )
    subprocess.run([sys.executable, "-c", code], env=shell, check=True, timeout=50)
    assert store("export", path).returncode == 0

    elsewhere = tmp_path / "elsewhere"
    words: list[str | Path] = [SCRIPTS / "tierfold", "import", path, "--store", elsewhere]
    with subprocess.Popen(words, env=shell, stderr=subprocess.PIPE) as importing:
        deadline = time.monotonic() + 20
        while not any(elsewhere.rglob("*.log")) and time.monotonic() < deadline:
            time.sleep(0.01)
        importing.send_signal(signal.SIGINT)
        _, said = importing.communicate(timeout=20)

    assert importing.returncode in {0, 130}, said
    assert importing.returncode == 0 or b"interrupted" in said
    assert store("import", path, "--store", elsewhere).returncode == 0
    listed = json.loads(store("ls", "--store", elsewhere, "--json").stdout)["data"]
    assert [context["id"] for context in listed] == sorted(chats)


def test_two_processes_do_not_share_a_store(shell: dict[str, str], store: Store) -> None:
    """The second one is told who has it; afterwards it is free again."""
    code = (
        "import sys, tierfold\n"
        f"with tierfold.open({shell['TIERFOLD_STORE']!r}):\n"
        "    print('open', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env=shell,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        ended = store("ls")
        other.communicate(timeout=20)

    assert ended.returncode == 1
    assert f"is open in process {other.pid}" in ended.stderr.decode()
    assert store("ls").returncode == 0


HEAVY = {"fastapi", "httpx", "ray", "rich", "starlette", "torch", "typer", "uvicorn"}


def test_a_listing_loads_little(shell: dict[str, str], store: Store) -> None:
    """A local command needs no HTTP, a remote one no database."""
    assert store("put", "-", "--id", "c", stdin=b"text").returncode == 0
    code = (
        "import sys; from tierfold.cli import main;"
        "main(['ls', *sys.argv[1:]]); sys.stderr.write('\\n' + ' '.join(sys.modules))"
    )

    def imported(*words: str) -> set[str]:
        ended = subprocess.run(
            [sys.executable, "-c", code, *words],
            env=shell | {"PYTHONWARNINGS": "ignore"},
            capture_output=True,
            check=True,
            timeout=50,
        )
        return {name.partition(".")[0] for name in ended.stderr.decode().splitlines()[-1].split()}

    assert imported() & HEAVY == set()
    assert imported("--url", "http://127.0.0.1:9") & {"numpy", "pyarrow", "rocksdict"} == set()
