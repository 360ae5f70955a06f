import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def instructions(texts: dict[Path, str]) -> list[tuple[str, str]]:
    joined = re.sub(r"\\\n\s*", "", texts[Path("Dockerfile")])
    lines = [line for line in joined.splitlines() if line and not line.startswith("#")]
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines]


def test_the_image_installs_only_what_is_locked(instructions: list[tuple[str, str]]) -> None:
    """Every package in the image has a hash, our own wheel comes without an index."""
    runs = [text for name, text in instructions if name == "RUN"]
    installs = [part for text in runs for part in re.findall(r"pip (?:install|wheel)[^&}]*", text)]

    assert len(installs) == 4
    for command in installs:
        assert "--require-hashes -r" in command or "--no-deps" in command
        assert "requirements.lock" not in command, "development packages stay out of the image"


def test_the_image_copies_what_exists(
    instructions: list[tuple[str, str]], texts: dict[Path, str]
) -> None:
    """A build would find every file, and the ignore file lets every one through."""
    allowed = {line[1:] for line in texts[Path(".dockerignore")].splitlines() if line[:1] == "!"}
    copies = [t for name, t in instructions if name == "COPY" and not t.startswith("--from")]
    sources = {source for text in copies for source in text.split()[:-1]}

    assert sources == allowed
    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_the_image_runs_without_root(instructions: list[tuple[str, str]]) -> None:
    """The last word on the user is a number above the system's, as Kubernetes can check it."""
    users = [text for name, text in instructions if name == "USER"]

    assert users == ["10001:10001"]
