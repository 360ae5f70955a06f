import json
import os
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path
from pydoc_data.topics import topics

import pytest

HERE = Path(__file__).parent
SCRIPTS = Path(sysconfig.get_path("scripts"))

Run = Callable[..., subprocess.CompletedProcess[bytes]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """What a person's shell has: our command on the path, no colours, no debugging."""
    ours = {"PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}
    dropped = {"TIERFOLD_DEBUG", "FORCE_COLOR"}
    return {name: value for name, value in os.environ.items() if name not in dropped} | ours


@pytest.fixture(scope="session")
def tierfold(environment: dict[str, str]) -> Run:
    """Run the installed command."""

    def run(*words: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [SCRIPTS / "tierfold", *words],
            input=stdin,
            capture_output=True,
            env=environment,
            check=False,
            timeout=50,
        )

    return run


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python language reference as one text: over 100,000 tokens."""
    path = tmp_path_factory.mktemp("reference") / "reference.txt"
    path.write_text("\n\n\n".join(topics.values()), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def rows() -> list[dict[str, str]]:
    """A chat with one row that answers and many that do not."""
    chat = [{"role": "system", "content": "Be brief."}]
    for number in range(60):
        chat += [
            {"role": "user", "content": f"Tell me about item {number}. Is it in stock this week?"},
            {"role": "assistant", "content": f"Item {number} is in stock; {number + 3} are left."},
        ]
    chat[41]["content"] = "My new phone number is 0117 496 0990, please note it."
    return chat


@pytest.fixture
def chat(tmp_path: Path, rows: list[dict[str, str]]) -> Path:
    """The chat as a file."""
    path = tmp_path / "chat.json"
    path.write_text(json.dumps(rows))
    return path
