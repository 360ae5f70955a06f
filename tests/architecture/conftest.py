import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Never committed (see .gitignore), so never ours to judge.
SKIPPED = {".venv", ".git", ".cache", "build", "dist", "__pycache__", ".hypothesis"}


def _files() -> Iterator[Path]:
    for folder, names, files in os.walk(ROOT):
        names[:] = [n for n in names if n not in SKIPPED and not n.endswith("_cache")]
        for name in files:
            path = Path(folder, name)
            if path.is_file() and not name.startswith(".coverage") and path.suffix != ".log":
                yield path


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def texts() -> dict[Path, str]:
    """Every text file of the project, by its path below the root."""
    found = {}
    for path in _files():
        try:
            found[path.relative_to(ROOT)] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    return found


@pytest.fixture(scope="session")
def trees(texts: dict[Path, str]) -> dict[Path, ast.Module]:
    """Every Python file of the project, parsed."""
    return {p: ast.parse(text, str(p)) for p, text in texts.items() if p.suffix == ".py"}
