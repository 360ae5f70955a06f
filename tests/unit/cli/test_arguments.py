import pytest

from tierfold.cli.arguments import parse
from tierfold.config import Limits
from tierfold.context import Budget
from tierfold.errors import InvalidInputError, TooLargeError

LIMITS = Limits(question_characters_max=50)


def test_every_budget_option_reaches_its_limit() -> None:
    """The options carry the budget's names, and each sets exactly its own field."""
    words = "f --tokens 2000 --deadline .2s --memory 64MiB --usd 0.01 --min-quality .9"
    expected = Budget(
        max_tokens=2_000,
        latency_ms=200.0,
        memory_bytes=64 << 20,
        cost_usd=0.01,
        min_quality=0.9,
    )

    assert expected == parse(words.split(), LIMITS).budget


def test_without_options_everything_is_open() -> None:
    """A bare call limits nothing and guesses the format."""
    found = parse(["-"], LIMITS)

    assert Budget() == found.budget
    assert (
        found.file,
        found.ask,
        found.format,
        found.markers,
        found.tokenizer,
        found.model,
        found.stages,
        found.show,
        found.output,
    ) == ("-", "", "auto", "short", "o200k", "none", (), "result", None)


@pytest.mark.parametrize("words", [["--deadline", "-5ms"], ["--deadline=-5ms"]])
def test_a_negative_quantity_is_a_value_and_no_option(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Both forms say what a duration looks like, not that one is missing."""
    with pytest.raises(SystemExit):
        parse(["f", *words], LIMITS)

    assert "say a number and its unit, as 200ms or 1.5s, not '-5ms'" in capsys.readouterr().err


def test_a_floor_may_be_in_percent() -> None:
    """90% is .9."""
    assert parse(["f", "--min-quality", "90%"], LIMITS).budget.min_quality == pytest.approx(0.9)


def test_stages_are_a_list_with_commas() -> None:
    """Spaces and empty places between commas mean nothing."""
    assert parse(["f", "--stages", "fast, balanced,"], LIMITS).stages == ("fast", "balanced")


@pytest.mark.parametrize(
    "words",
    [
        "",
        "f --tokens nan",
        "f --tokens 1e99",
        "f --deadline 5",
        "f --memory 5x",
        "f --usd nan",
        "f --markers long",
        "f --format xml",
        "f --json --diff",
        "f --tok 5",
        "f g",
    ],
)
def test_a_call_that_means_nothing_is_a_usage_error(
    words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Usage errors end with 2 and name what is wrong; options are never guessed."""
    with pytest.raises(SystemExit) as stop:
        parse(words.split(), LIMITS)

    assert stop.value.code == 2
    assert "tierfold compress: error:" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    ["f --tokens -1", "f --tokens 0", "f --usd 1e29", "f --min-quality 1.1", "f --tokens 9e9"],
)
def test_absurd_budgets_are_refused(words: str) -> None:
    """A number that no request can mean never reaches the engine."""
    with pytest.raises((InvalidInputError, SystemExit)):
        parse(words.split(), LIMITS)


def test_a_question_that_is_no_text_is_refused() -> None:
    """The shell may hand over bytes that are no UTF-8; Python shows them as lone surrogates."""
    with pytest.raises(InvalidInputError, match="--ask: the question is not valid UTF-8"):
        parse(["f", "--ask", "caf\udce9"], LIMITS)


def test_a_question_has_its_limit() -> None:
    """A book is no question."""
    with pytest.raises(TooLargeError, match="characters in --ask: 51"):
        parse(["f", "--ask", "x" * 51], LIMITS)
