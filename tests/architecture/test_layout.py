import ast
import platform
import tomllib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

# Design, section 1, from the ground up; a room in a set shares its line.
LINES = [
    {"errors", "config", "ports"},
    {"context", "text"},
    {"wire"},
    {"relevance", "attention"},
    {"optimizer"},
    {"compression"},
    {"memory", "replication", "scaling"},
    {"processing"},
    {"storage"},
    {"engine"},
    {"sim"},
    {"client", "integrations", "cli"},
]
FACES = LINES[-1]
SHELL = FACES | {"storage", "engine", "sim"}
# On its own line a room imports none, except these.
ALLOWED = {
    ("config", "errors"),
    ("ports", "errors"),
    ("text", "context"),
    ("integrations", "client"),
    ("cli", "client"),
}


def contracts() -> dict[str, dict[str, Any]]:
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    return {contract["name"]: contract for contract in linter["contracts"]}


def rooms_of_contract() -> list[set[str]]:
    layers = contracts()["rooms import only rooms below them"]["layers"]
    return [{room.strip(" ()") for room in layer.split("|")} for layer in reversed(layers)]


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_platform_folder_never_shadows_the_stdlib() -> None:
    """An __init__.py in a source root would break `import uuid` from the repository root."""
    assert Path(platform.__file__ or "").parent == Path(uuid.__file__).parent
    for source_root in ("platform", "actors"):
        assert not (ROOT / source_root / "__init__.py").exists()


def test_the_contract_has_the_rooms_of_the_design_in_its_order() -> None:
    """A layer holds the rooms of one line; a line is split only where the design allows it."""
    height = {room: at for at, layer in enumerate(rooms_of_contract()) for room in layer}
    line = {room: at for at, rooms in enumerate(LINES) for room in rooms}

    assert height.keys() == line.keys()
    for upper, upper_line in line.items():
        for lower, lower_line in line.items():
            below = lower_line < upper_line or (upper, lower) in ALLOWED
            assert not below or height[lower] < height[upper], f"{lower} belongs below {upper}"
            if lower_line == upper_line and height[lower] < height[upper]:
                assert (upper, lower) in ALLOWED, f"{upper} may not import {lower}"


def test_every_room_of_the_functional_core_is_held_to_its_contract() -> None:
    """A core room that appears in the tree is named in the contract that keeps it pure."""
    named = contracts()["the functional core reads no clock, dice, disk or network"]
    core = set().union(*LINES) - SHELL
    present = {p.stem for p in (ROOT / "platform/tierfold").iterdir() if has_code(p)} & core

    assert {f"tierfold.{room}" for room in present} == set(named["source_modules"])


def has_code(path: Path) -> bool:
    return path.suffix == ".py" or (path / "__init__.py").exists()


def test_rooms_never_import_through_the_front_of_the_package(
    trees: dict[Path, ast.Module],
) -> None:
    """`from tierfold import fold` inside a lower room would be an upward import no layer sees."""
    package = Path("platform/tierfold")
    rooms = set().union(*LINES)
    found = [
        f"{path}: {name}"
        for path, tree in trees.items()
        if package in path.parents
        and path.parent != package
        and path.relative_to(package).parts[0] not in FACES
        for name in imported(tree)
        if name.split(".")[0] == "tierfold" and [*name.split("."), ""][1] not in rooms
    ]

    assert found == []


def test_load_tests_import_nothing_of_ours(trees: dict[Path, ast.Module]) -> None:
    """A load test that shares code with the server would share its mistakes."""
    ours = {"tierfold", "tierfold_actors", "benchmarks", "tests"}
    found = [
        f"{path}: {name}"
        for path, tree in trees.items()
        if path.parts[0] == "loadtests"
        for name in imported(tree)
        if name.split(".")[0] in ours
    ]

    assert found == []
