import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.needles import LANGUAGES, recall
from tests.unit.relevance.tables import table, tables, texts
from tierfold.relevance import WorkingSet, rank_balanced, rank_fast
from tierfold.text.table import Kind, Role, UnitTable


@given(tables(), texts)
def test_probabilities(units: UnitTable, question: str) -> None:
    """Both stages give each unit a probability, the same at every run."""
    working = WorkingSet.build(units)
    fast = rank_fast(working, question)
    balanced = rank_balanced(working, question, fast)

    for ranking in (fast, balanced):
        assert len(units) == len(ranking.probability)
        assert np.float32 == ranking.probability.dtype
        assert ((ranking.probability >= 0) & (ranking.probability <= 1)).all()
        assert ranking.density_exponent >= 0
    assert fast.probability.tobytes() == rank_fast(working, question).probability.tobytes()


@pytest.mark.parametrize("question", ["", "  \n", "?", "the of and"])
def test_without_a_question(question: str) -> None:
    """No question, or none that names anything: query-free, and the balanced stage adds nothing."""
    working = WorkingSet.build(table(["School budget. ", "A railway. "]))
    fast = rank_fast(working, question)

    assert fast.query_free
    assert fast is rank_balanced(working, question, fast)


def test_nothing_to_rank() -> None:
    """A table without units has no probabilities."""
    working = WorkingSet.build(table([]))
    fast = rank_fast(working, "budget")

    assert (len(fast.probability), fast.query_free) == (0, True)
    assert fast is rank_balanced(working, "budget", fast)


def test_asked_words_win() -> None:
    """The unit that holds the asked words comes first, also through other forms of them."""
    filler = [f"Sentence number {number} is about nothing in particular. " for number in range(30)]
    working = WorkingSet.build(table([*filler, "The committee rejected both budgets. ", *filler]))
    fast = rank_fast(working, "Which budget did committees reject?")

    assert int(fast.probability.argmax()) == 30
    assert not fast.query_free
    balanced = rank_balanced(working, "Which budget did committees reject?", fast)
    assert int(balanced.probability.argmax()) == 30


def test_unknown_words_still_rank() -> None:
    """A question none of whose words stand in the text ranks by meaning alone."""
    filler = ["Invoices are due on Friday. ", "The server was restarted. "] * 10
    units = table([*filler, "Her puppy barked. ", *filler], groups=[*range(21), *range(20, 40)])
    ranking = rank_fast(WorkingSet.build(units), "dogs")

    assert (int(ranking.probability.argmax()), ranking.query_free) == (20, False)


VERBS = ("read", "write", "check", "merge", "drop", "count", "close", "move")
NOUNS = ("row", "page", "frame", "lease", "key")
FUNCTIONS = [f"_{verb}_{noun}_name" for verb in VERBS for noun in NOUNS]


@pytest.mark.parametrize(("stage", "share"), [("fast", 0.9), ("balanced", 0.95)])
@pytest.mark.parametrize("question", ["What does {} do?", "Show me the function {} and explain it"])
def test_a_named_function_is_found(question: str, stage: str, share: float) -> None:
    """Of functions made of the same words the one asked by name stands in the best tenth."""
    code = [
        f"def {name}(self, row):\n    page = self.{FUNCTIONS[n - 1]}(row)\n    return page.key\n"
        for n, name in enumerate(FUNCTIONS)
    ]
    working = WorkingSet.build(table(code, kind=Kind.CODE))
    found = 0
    for place, name in enumerate(FUNCTIONS):
        asked = question.format(name)
        ranking = rank_fast(working, asked)
        if stage == "balanced":
            ranking = rank_balanced(working, asked, ranking)
        best = np.argsort(-ranking.probability, kind="stable")[: len(FUNCTIONS) // 10]
        found += place in best.tolist()

    assert found >= share * len(FUNCTIONS)


def test_a_missing_name_is_missed_once() -> None:
    """An identifier that stands nowhere asks no more than its parts."""
    working = WorkingSet.build(table(["The page is full. ", "A row of trees. ", "It rained. "]))

    assert np.array_equal(
        rank_fast(working, "page_row").probability, rank_fast(working, "page row").probability
    )


def test_related_words_help() -> None:
    """A unit that shares no word with the question is found by the meaning of its words."""
    filler = ["Invoices are due on Friday. ", "The server was restarted. "] * 10
    working = WorkingSet.build(table([*filler, "Her puppy barked at the cats. ", *filler]))

    assert int(rank_fast(working, "dog").probability.argmax()) == 20


def test_newer_results_win_in_traces() -> None:
    """In a trace of calls and results, without a question, the newest results are likelier."""
    texts_ = [f'{{"id": "res{number}", "price": {number}}}' for number in range(40)]
    units = table(texts_, groups=list(range(40)), roles=[int(Role.TOOL)] * 40)
    probability = rank_fast(WorkingSet.build(units), "").probability

    assert probability[30:].mean() > probability[:10].mean()


def chat_about(result: list[str], question: str) -> WorkingSet:
    """A question, a call, its one result, and the question again."""
    units = table(
        [question, "read(path)", *result, question],
        groups=[0, 0, *[1] * len(result), 2],
        roles=[Role.USER, Role.ASSISTANT, *[Role.TOOL] * len(result), Role.USER],
    )
    return WorkingSet.build(units)


def ranked_result(working: WorkingSet, question: str, stage: str) -> list[int]:
    """Units of the result, best first."""
    ranking = rank_fast(working, question)
    if stage == "balanced":
        ranking = rank_balanced(working, question, ranking)
    order: list[int] = np.argsort(-ranking.probability[2:-1], kind="stable").tolist()
    return order


@pytest.mark.parametrize("stage", ["fast", "balanced"])
@pytest.mark.parametrize("place", [40, 200, 360])
def test_the_error_beats_the_last_line(place: int, stage: str) -> None:
    """Inside one long result the line that matches comes first, wherever it stands."""
    lines = [
        f"10:{n // 60:02d}:{n % 60:02d} INFO worker-{n % 7} served {n * 37 % 1000}\n"
        for n in range(400)
    ]
    lines[place] = "10:03:20 ERROR worker-3 connection to db7 refused after 3 retries\n"
    question = "What error happened?"

    assert place == ranked_result(chat_about(lines, question), question, stage)[0]


@pytest.mark.parametrize("stage", ["fast", "balanced"])
@pytest.mark.parametrize("place", [5, 20, 45])
def test_the_record_beats_the_last_ones(place: int, stage: str) -> None:
    """Of fifty records in one result the one asked for is among the best, not the newest."""
    records = [
        f'{{"id": {n}, "user": "u-{n}", "state": "active", "sum": {n * 17 % 301}}}, '
        for n in range(50)
    ]
    question = f"What is the sum of user u-{place}?"

    assert place in ranked_result(chat_about(records, question), question, stage)[:3]


def test_a_copy_is_worth_less_than_its_original() -> None:
    """Of two equal units the balanced stage lowers the one it thinks less of."""
    fact = "The harbour crane was repaired by Bruno in Aarhus last winter. "
    filler = [f"Sentence {number} talks about bread and rain. " for number in range(20)]
    working = WorkingSet.build(table([fact, *filler, fact]))
    question = "Who repaired the harbour crane?"
    pair = rank_balanced(working, question, rank_fast(working, question)).probability[[0, -1]]

    assert pair.min() <= 0.6 * pair.max()


def test_definitions_cut_code_into_sections() -> None:
    """Units of code belong to the definition they follow."""
    code = ["import os\n", "def one():\n", "    return 1\n", "class Two:\n", "    x = 1\n"]
    sections = WorkingSet.build(table(code, kind=Kind.CODE)).signals.sections

    assert sections.owner.tolist() == [0, 1, 1, 2, 2]
    assert WorkingSet.build(table(code)).signals.sections.owner.tolist() == [0] * 5


@pytest.mark.parametrize("stage", ["fast", "balanced"])
@pytest.mark.parametrize("name", LANGUAGES)
def test_every_language_finds_its_needles(name: str, stage: str) -> None:
    """Recall of generated needles is at least .8 of that in English."""
    assert recall(LANGUAGES[name], stage=stage) >= 0.8 * recall(LANGUAGES["English"], stage=stage)


@given(tables(least=1), st.permutations(["school", "budget", "Wales"]))
def test_repeated_terms_count_once(units: UnitTable, words: list[str]) -> None:
    """Asking a word twice in a row changes no lexical score."""
    working = WorkingSet.build(units)
    once = " ".join(words)

    assert np.array_equal(
        rank_fast(working, once).probability,
        rank_fast(working, f"{once} {once}").probability,
    )
