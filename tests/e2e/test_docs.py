"""The examples in the documents run as they stand."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tierfold.config import Limits
from tierfold.wire import parse_process

ROOT = Path(__file__).parents[2]
DOCUMENTS = (
    "README.md",
    "docs/quickstart.md",
    "docs/how-to/agent-history.md",
    "docs/how-to/backup.md",
    "docs/how-to/lifecycle.md",
    "docs/how-to/prefetch.md",
    "docs/reference/cli.md",
    "docs/reference/folding.md",
    "docs/reference/python.md",
)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[tuple[str, str]]:
    """Return document and text of every block in that language."""
    return [
        (name, body)
        for name in DOCUMENTS
        for kind, body in BLOCK.findall((ROOT / name).read_text("utf-8"))
        if kind == language
    ]


def command_lines() -> list[str]:
    """Return the lines that fold something; servers, installs and other targets run elsewhere."""
    shell = (line for _, body in blocks("sh") for line in body.splitlines())
    return sorted({line for line in shell if "tierfold compress" in line})


def store_blocks() -> list[tuple[str, str]]:
    """Return document and text of every shell block that speaks to a store."""
    return [(name, body) for name, body in blocks("sh") if body.startswith("tierfold put")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that the documents speak of."""
    facts = "".join(f"Paragraph {i} speaks of the weather.\n\n" for i in range(300))
    (tmp_path / "report.txt").write_text(facts + "Ada Okafor signed the contract on Tuesday.\n")
    chat = ROOT / "actors/tierfold_actors/demo/chat.json"
    rows = json.loads(chat.read_text("utf-8"))["messages"]
    (tmp_path / "chat.json").write_text(json.dumps(rows))
    return tmp_path


@pytest.mark.parametrize(("name", "code"), blocks("python"))
def test_python_examples_run(
    environment: dict[str, str], folder: Path, name: str, code: str
) -> None:
    """A reader can paste every Python block, in any order."""
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        check=False,
        timeout=50,
    )

    assert ended.returncode == 0, f"{name}: {ended.stderr.decode()}"


@pytest.mark.parametrize("line", command_lines())
def test_shell_examples_run(environment: dict[str, str], folder: Path, line: str) -> None:
    """A reader can paste every fold, and gets an answer."""
    ended = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=environment,
        capture_output=True,
        check=False,
        timeout=50,
    )

    assert ended.returncode == 0, ended.stderr.decode()
    assert b"->" in ended.stderr
    assert ended.stdout


@pytest.mark.parametrize(("name", "code"), store_blocks())
def test_store_examples_run(
    environment: dict[str, str], folder: Path, name: str, code: str
) -> None:
    """A reader can paste every block on a store, and no line of it is refused."""
    ended = subprocess.run(
        ["bash", "-ec", code],
        cwd=folder,
        env=environment | {"TIERFOLD_STORE": str(folder / "store")},
        capture_output=True,
        check=False,
        timeout=50,
    )

    assert ended.returncode == 0, f"{name}: {ended.stderr.decode()}"
    assert ended.stdout


@pytest.mark.parametrize(("name", "code"), [b for b in blocks("sh") if "/v1/process" in b[1]])
def test_requests_in_the_documents_are_valid(name: str, code: str) -> None:
    """The body of every curl example is a request that the server understands in full."""
    body = re.search(r"-d '(.*?)'", code, re.DOTALL)

    assert body is not None, name
    assert parse_process(body[1].encode(), Limits()).ignored_fields == ()


def test_every_document_has_examples() -> None:
    """The patterns above find what they look for."""
    assert {name for name, _ in blocks("python")} == {*DOCUMENTS} - {"docs/reference/cli.md"}
    assert len(command_lines()) >= 4
    assert {name for name, _ in store_blocks()} == {
        *DOCUMENTS,
    } - {"docs/reference/folding.md", "docs/reference/python.md"}
