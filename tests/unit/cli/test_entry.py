import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint

import pytest

from tierfold.cli import entry, extra, main
from tierfold.errors import (
    BudgetTooSmallError,
    CallerError,
    InvalidInputError,
    SetupError,
    TierfoldError,
    UnknownStageError,
)


def failing(error: BaseException) -> Callable[[str], entry.Command]:
    def command(_argv: list[str]) -> int:
        raise error

    return lambda _name: command


def ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException
) -> tuple[int, str]:
    monkeypatch.setattr(entry, "_command", failing(error))
    return main(["any"]), capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (CallerError("no such thing"), 2, "tierfold: no such thing"),
        (UnknownStageError("x", known=("fast",)), 2, "pin one of: fast"),
        (
            BudgetTooSmallError(resource="max_tokens", asked=5, minimum=12),
            2,
            "at least --tokens 12,",
        ),
        (
            BudgetTooSmallError(resource="memory_bytes", asked=1e6, minimum=3_019_853),
            2,
            "--memory is 1000000, but what must be kept needs more: give at least --memory 3019853",
        ),
        (InvalidInputError("too much", path="budget.cost_usd"), 2, "--usd: too much"),
        (SetupError("install it"), 1, "tierfold: install it"),
        (TierfoldError("we failed"), 1, "tierfold: we failed"),
        (KeyboardInterrupt(), 130, "tierfold: interrupted"),
        (SystemExit(7), 7, ""),
        (SystemExit(None), 0, ""),
    ],
)
def test_every_failure_is_a_code_and_a_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    said: str,
) -> None:
    """The code says whose fault it was, the line says what, in the words of the options."""
    assert (code, True) == (
        (found := ended(monkeypatch, capsys, error))[0],
        said in found[1] and found[1].count("\n") <= 1,
    )


def test_a_bug_is_a_line_and_a_way_to_the_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Users see no traceback; who wants one sets a variable."""
    monkeypatch.delenv("TIERFOLD_DEBUG", raising=False)
    code, said = ended(monkeypatch, capsys, ZeroDivisionError("by zero\nand more"))

    assert code == 1
    assert "tierfold: unexpected ZeroDivisionError: by zero\n" in said
    assert "TIERFOLD_DEBUG=1" in said

    monkeypatch.setenv("TIERFOLD_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        main(["any"])


def test_help_is_asked_for_or_the_answer_to_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` is a result on stdout; a call without a command is usage on stderr."""
    assert main(["--help"]) == 0
    assert "tierfold compress" in capsys.readouterr().out

    assert main([]) == 2
    assert "exit codes" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["help", "compress"], ["compress", "--help"]])
def test_a_command_explains_itself(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Both ways of asking lead to the options, and exit codes stand there."""
    assert main(words) == 0

    said = capsys.readouterr().out
    assert "--min-quality" in said
    assert "exit codes" in said


@pytest.mark.parametrize("words", [["version"], ["--version"]])
def test_the_version_is_one_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A bug report needs ours and Python's."""
    assert main(words) == 0
    assert capsys.readouterr().out.startswith("tierfold 0.")


def test_without_arguments_the_process_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The installed script passes nothing; the words are those of the process."""
    monkeypatch.setattr(sys, "argv", ["tierfold", "--help"])

    assert main() == 0
    assert capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "said"),
    [("compres", "did you mean `tierfold compress`?"), ("qqq", "see `tierfold --help`")],
)
def test_an_unknown_command_is_refused_with_a_way_on(
    name: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A typing mistake is met with the nearest name."""
    assert main([name]) == 2
    assert said in capsys.readouterr().err


def test_commands_of_others_come_by_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registered command is imported when called, with the rest of the words."""
    seen: list[list[str]] = []

    def command(argv: list[str]) -> int:
        seen.append(argv)
        return 5

    point = EntryPoint(name="up", value="tests.none:command", group=extra.GROUP)
    monkeypatch.setattr(extra, "entry_points", lambda **_: [point])
    monkeypatch.setattr(EntryPoint, "load", lambda _: command)

    assert main(["up", "--port", "1"]) == 5
    assert seen == [["--port", "1"]]


def test_a_missing_extra_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without Ray the command is a sentence; without its metadata too."""
    point = EntryPoint(name="up", value="a_package_that_is_not_there:command", group=extra.GROUP)
    monkeypatch.setattr(extra, "entry_points", lambda **_: [point])
    assert main(["up"]) == 1
    assert (
        "needs a_package_that_is_not_there: pip install 'tierfold[ray]'" in capsys.readouterr().err
    )

    monkeypatch.setattr(extra, "entry_points", lambda **_: [])
    assert main(["up"]) == 1
    assert "pip install 'tierfold[ray]'" in capsys.readouterr().err


def test_a_module_of_ours_that_is_missing_is_a_bug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No user is told to install an extra for our own mistake."""
    point = EntryPoint(name="up", value="tierfold.not_there:command", group=extra.GROUP)
    monkeypatch.setattr(extra, "entry_points", lambda **_: [point])

    assert main(["up"]) == 1
    assert "unexpected ModuleNotFoundError" in capsys.readouterr().err


def test_doctor_is_imported_only_when_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Ray part's check of the machine is behind its name and nowhere else."""
    module = type(sys)("tierfold.cli.doctor")
    module.command = len  # type: ignore[attr-defined]  # a stand-in
    monkeypatch.setitem(sys.modules, "tierfold.cli.doctor", module)
    monkeypatch.setattr(sys.modules["tierfold.cli"], "doctor", module, raising=False)

    assert main(["doctor", "--store"]) == 1


def test_a_reader_who_is_gone_hears_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """With stderr closed a failure is still its code."""
    monkeypatch.setattr(entry, "_command", failing(CallerError("x")))
    monkeypatch.setattr(sys, "stderr", None)

    assert main(["any"]) == 2
