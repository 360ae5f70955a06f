from dataclasses import replace
from typing import Any

import pytest

from benchmarks.exactness import broken_parts, broken_results, split_exchanges, split_parts
from tierfold.config import Settings
from tierfold.context import Answer, Budget, Document, DocumentSource, Part, Request
from tierfold.engine import Engine, FakeClock

SOURCE = DocumentSource(
    document=Document(
        parts=(
            Part(text='{"town": "Cork", "year": 1987}\n'),
            Part(text="It rained most of the week, so the yard stayed closed.\n"),
            Part(text="Nobody wrote anything down about the violin.\n"),
        )
    )
)


def called(*ids: str) -> dict[str, Any]:
    return {"role": "assistant", "tool_calls": [{"id": each} for each in ids]}


def result(id_: str, content: str = "") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id_, "content": content}


@pytest.mark.parametrize(
    ("rows", "faults"),
    [
        ([called("a"), result("a")], 0),
        ([called("a", "b"), result("b"), result("a")], 0),
        ([called("a"), result("a"), called("a")], 0),  # at the end, its result is still to come
        ([called("a", "b"), result("a")], 0),  # likewise
        ([called("a"), {"role": "user"}], 1),
        ([result("a"), {"role": "user"}], 1),
        ([called("a"), called("a"), result("a"), {"role": "user"}], 1),  # an id used twice
        ([called("a"), result("a"), result("a"), {"role": "user"}], 1),
        ([result("b"), called("a")], 1),
    ],
)
def test_calls_and_results_are_counted_one_by_one(rows: list[dict[str, Any]], faults: int) -> None:
    """An id that stands twice must not hide the half that is missing."""
    assert split_exchanges(rows) == faults


def test_a_result_that_no_longer_parses_is_found() -> None:
    """Only a result that was JSON before is judged, and an emptied one is not broken."""
    before = [result("a", "[1, 2]"), result("b", "[1, 2]"), result("c", "plain")]
    after = [result("a", "[1,"), result("b", "[…]"), result("c", "pl")]

    assert broken_results(before, after) == 1


@pytest.fixture
def answer() -> Answer:
    engine = Engine(settings=Settings(), clock=FakeClock())
    request = Request(sources=(SOURCE,), ask="Which town and year?", budget=Budget(max_tokens=18))
    return engine.answer(request)


def with_part(answer: Answer, text: str) -> Answer:
    document = Document(parts=(Part(text=text),))
    return replace(answer, sources=(DocumentSource(document=document),))


def test_a_folded_document_has_no_faults(answer: Answer) -> None:
    """The check finds nothing where there is nothing, with parts dropped beside JSON."""
    assert answer.text.startswith('{"town"')
    assert len(answer.left_out) == 2
    assert broken_parts((SOURCE,), answer) == 0
    assert split_parts((SOURCE,), answer) == 0


def test_a_part_that_no_longer_parses_is_found(answer: Answer) -> None:
    """What was JSON before must parse after, without a marker in it."""
    assert broken_parts((SOURCE,), with_part(answer, '{"town": "Cork"')) == 1
    assert broken_parts((SOURCE,), with_part(answer, '{"town": "Cork"} […]')) == 1


def test_a_part_cut_in_two_is_found(answer: Answer) -> None:
    """Parts are kept whole or dropped."""
    cut = replace(answer.left_out[0], end=answer.left_out[0].end - 4)

    assert split_parts((SOURCE,), replace(answer, left_out=(cut, *answer.left_out[1:]))) == 1
