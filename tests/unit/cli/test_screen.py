import io

import pytest

from tierfold.cli.screen import Screen, stderr, wants_colour


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Gone(io.StringIO):
    def write(self, _text: str) -> int:
        raise BrokenPipeError


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_a_terminal_has_colour_and_a_file_has_none() -> None:
    """Escape codes never end up in a file."""
    assert Screen(Terminal()).paint("x", "bold") == "\x1b[1mx\x1b[0m"
    assert Screen(io.StringIO()).paint("x", "bold") == "x"
    assert not Screen(Terminal()).paint("", "bold")


@pytest.mark.parametrize(
    ("name", "value", "on_terminal", "on_file"),
    [
        ("NO_COLOR", "1", False, False),
        ("TERM", "dumb", False, False),
        ("FORCE_COLOR", "1", True, True),
    ],
)
def test_the_environment_decides_about_colour(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, *, on_terminal: bool, on_file: bool
) -> None:
    """NO_COLOR, TERM=dumb and FORCE_COLOR mean what they mean elsewhere."""
    monkeypatch.setenv(name, value)

    assert on_terminal == wants_colour(Terminal())
    assert on_file == wants_colour(io.StringIO())


@pytest.mark.parametrize(
    "screen", [Screen(None), Screen(Gone()), Screen(io.StringIO(), quiet=True)]
)
def test_a_line_nobody_can_read_is_no_failure(screen: Screen) -> None:
    """Progress may go into nothing; the work goes on."""
    screen.line("one")
    screen.line("two")


def test_lines_are_not_wider_than_the_eye_likes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The width follows the terminal up to a limit."""
    monkeypatch.setenv("COLUMNS", "60")
    assert stderr().width == 60

    monkeypatch.setenv("COLUMNS", "400")

    assert stderr().width == 100
