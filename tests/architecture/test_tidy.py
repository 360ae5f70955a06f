import ast
import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from statistics import median

FILE_LINES_MAX, FILE_LINES_MEDIAN_MAX = 500, 200
FUNCTION_LINES_MAX, FUNCTION_LINES_MEDIAN_BELOW = 60, 10
ARGUMENTS_MAX = 6

BANNED_MODULES = {
    *("common", "helper", "helpers", "lib", "manager", "managers", "misc", "shared", "stuff"),
    *("tools", "util", "utils"),
}
# Put together here, or this file would name what it forbids.
REGISTRIES = [
    "".join(parts)
    for parts in (
        ("files.python", "hosted"),
        ("pypi", ".org"),
        ("registry.npm", "js"),
        ("registry.yarn", "pkg"),
        ("deb.deb", "ian.org"),
        ("proxy.golang", ".org"),
        ("static.crates", ".io"),
    )
]
SOMEONES_FOLDER = re.compile(r"(?<![\w.$}/-])/(?:home|root|Users|work)/[\w.-]+")
OPEN_POINT = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")
LINK = re.compile(r"\]\((?![a-z]+:|#)([^)\s#]+)")
UNREASONED = re.compile(r"pragma: no (?:cover|branch)\s*$", re.MULTILINE)

Trees = dict[Path, ast.Module]
Texts = dict[Path, str]
Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(trees: Trees, *roots: str) -> Iterator[tuple[Path, Function]]:
    for path, tree in trees.items():
        if not roots or path.parts[0] in roots:
            for node in ast.walk(tree):
                if isinstance(node, Function):
                    yield path, node


def lines_of(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def arguments_of(function: Function) -> int:
    given = function.args
    named = [a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len(named) - (named[:1] in (["self"], ["cls"]))


def files_with_long_signatures(settings: str) -> list[str]:
    """Return the patterns of files where the linter was told, with a reason, to allow them."""
    ignored = tomllib.loads(settings)["tool"]["ruff"]["lint"]["per-file-ignores"]
    return [pattern for pattern, codes in ignored.items() if "PLR0913" in codes]


def test_files_stay_short(texts: Texts, trees: Trees) -> None:
    """A file over the limit holds two things; half of all files fit on a few screens."""
    sizes = {str(path): len(texts[path].splitlines()) for path in trees}

    assert {path: size for path, size in sizes.items() if size > FILE_LINES_MAX} == {}
    assert median(sizes.values()) <= FILE_LINES_MEDIAN_MAX


def test_functions_stay_short(trees: Trees) -> None:
    """No function is longer than a screen, and most of the product's are a few lines."""
    long = [
        f"{path}:{function.lineno} {function.name} has {lines_of(function)} lines"
        for path, function in functions(trees)
        if lines_of(function) > FUNCTION_LINES_MAX
    ]
    product = [lines_of(function) for _, function in functions(trees, "platform", "actors")]

    assert long == []
    assert median(product) < FUNCTION_LINES_MEDIAN_BELOW


def test_functions_take_few_arguments(texts: Texts, trees: Trees) -> None:
    """What needs more than six arguments wants a value that groups them."""
    allowed = files_with_long_signatures(texts[Path("pyproject.toml")])
    found = [
        f"{path}:{function.lineno} {function.name} takes {arguments_of(function)}"
        for path, function in functions(trees)
        if arguments_of(function) > ARGUMENTS_MAX
        and "noqa: PLR0913" not in texts[path].splitlines()[function.lineno - 1]
        and not any(fnmatch(str(path), pattern) for pattern in allowed)
    ]

    assert found == []


def test_modules_and_classes_are_named_after_the_domain(trees: Trees) -> None:
    """A catch-all name draws in whatever has no place of its own."""
    names = {part for path in trees for part in (*path.parts[:-1], path.stem)}
    managers = [
        f"{path}:{node.lineno} {node.name}"
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and "Manager" in node.name
    ]

    assert names & BANNED_MODULES == set()
    assert managers == []


def test_no_file_names_a_package_registry(texts: Texts) -> None:
    """Whoever installs brings an index; an address in a lock breaks behind every mirror."""
    found = [
        f"{path}: {host}" for path, text in texts.items() for host in REGISTRIES if host in text
    ]

    assert found == []


def test_no_file_names_a_folder_of_someones_machine(texts: Texts) -> None:
    """An absolute path of one machine is a path of no other."""
    found = [
        f"{path}: {match.group()}"
        for path, text in texts.items()
        for match in SOMEONES_FOLDER.finditer(text)
    ]

    assert found == []


def test_every_test_says_what_it_protects(trees: Trees) -> None:
    """A failing test shows its rule in a sentence."""
    found = [
        f"{path}:{function.lineno} {function.name}"
        for path, function in functions(trees, "tests")
        if path.name.startswith("test_")
        and function.name.startswith("test_")
        and not ast.get_docstring(function)
    ]

    assert found == []


def test_every_ignored_rule_has_its_reason(texts: Texts) -> None:
    """A rule is switched off with a reason beside it, for the linter and for coverage alike."""
    settings = texts[Path("pyproject.toml")]
    lint = settings[settings.index("[tool.ruff.lint]") : settings.index("[tool.importlinter]")]
    codes = re.findall(r'^\s+"[A-Z]+[0-9]*",.*$', lint, re.MULTILINE)
    unreasoned = [str(path) for path, text in texts.items() if UNREASONED.search(text)]

    assert len(codes) > 10
    assert [line for line in codes if "# " not in line] == []
    assert unreasoned == []


def test_links_in_documents_lead_somewhere(texts: Texts, root: Path) -> None:
    """A link to a file of the project leads to a file of the project."""
    found = [
        f"{path}: {target}"
        for path, text in texts.items()
        if path.suffix == ".md"
        for target in LINK.findall(text)
        if not (root / path.parent / target).exists()
    ]

    assert found == []


def test_no_open_point_is_left(texts: Texts) -> None:
    """Work that is left belongs into an issue, where it is seen."""
    found = [
        f"{path}: {match.group()}"
        for path, text in texts.items()
        for match in OPEN_POINT.finditer(text)
    ]

    assert found == []


def test_the_core_prints_nothing(trees: Trees) -> None:
    """Only the command line talks to a terminal."""
    found = [
        f"{path}:{node.lineno}"
        for path, tree in trees.items()
        if path.parts[0] == "platform" and path.parts[2] != "cli"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]

    assert found == []
