import re
import tomllib
from pathlib import Path

import pytest

LOCKS = ["requirements.lock", "requirements-core.lock", "requirements-ray.lock"]
LOCKS += ["requirements-build.lock"]
PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", name)[0]).lower()


def pins(text: str) -> dict[str, str]:
    return {canonical(name): version for name, version in PIN.findall(text)}


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_has_hashes_and_none_an_address(texts: dict[Path, str], name: str) -> None:
    """What is installed is exactly what was resolved, from whatever index is at hand."""
    blocks = re.split(r"^(?=[A-Za-z0-9])", texts[Path(name)], flags=re.MULTILINE)[1:]

    assert blocks
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []
    assert "://" not in texts[Path(name)]


@pytest.mark.parametrize("name", LOCKS[1:])
def test_the_smaller_locks_are_cut_out_of_the_full_one(texts: dict[Path, str], name: str) -> None:
    """The demo and the image run the very versions that were tested."""
    full, part = pins(texts[Path(LOCKS[0])]), pins(texts[Path(name)])

    assert part == {package: full.get(package) for package in part}


def test_every_declared_dependency_is_locked(texts: dict[Path, str]) -> None:
    """A dependency without `make lock` would be missing from every install."""
    project = tomllib.loads(texts[Path("pyproject.toml")])
    groups = project["dependency-groups"]
    declared = [
        project["project"]["dependencies"],
        project["project"]["optional-dependencies"]["ray"],
        groups["build"],
        [entry for entry in groups["dev"] if isinstance(entry, str)],
    ]
    locks = ["requirements-core.lock", "requirements-ray.lock", "requirements-build.lock", LOCKS[0]]

    for dependencies, lock in zip(declared, locks, strict=True):
        assert {canonical(name) for name in dependencies} <= pins(texts[Path(lock)]).keys()
