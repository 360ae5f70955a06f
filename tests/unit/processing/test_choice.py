import json
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierfold.context import (
    Document,
    DocumentSource,
    LeftOut,
    Markers,
    MessagesSource,
    Part,
    Source,
    TextSource,
)
from tierfold.processing import Assembler, Choice, Chooser, left_out
from tierfold.text import MARKER, Intake, read, token_counter
from tierfold.wire import parse_messages

words = st.sampled_from(
    ["alpha", "beta", "gamma.", "delta!", "\n", "\n\n", "- item", "x = 1", "日本語。"]
)
texts = st.lists(words, max_size=60).map(" ".join)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=120),
    lambda inner: (
        st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=9), inner, max_size=8)
    ),
    max_leaves=60,
)
seeds = st.integers(0, 2**32 - 1)


def choose(
    sources: tuple[Source, ...], budget: int, *, seed: int = 0, markers: Markers = "short"
) -> tuple[Intake, Assembler, Choice]:
    intake = read(sources, tokenizer="o200k")
    assembler = Assembler(sources, intake, token_counter("o200k"), markers=markers)
    value = np.random.default_rng(seed).random(len(intake.units)).astype(np.float32)
    return intake, assembler, Chooser(intake, assembler).choose(value, budget, exponent=1.0)


def folded(
    sources: tuple[Source, ...], budget: int, *, seed: int = 0, markers: Markers = "short"
) -> tuple[Source, ...]:
    _, assembler, choice = choose(sources, budget, seed=seed, markers=markers)
    return assembler.assemble(choice.shown)[0]


def pieces_left(text: str, runs: tuple[LeftOut, ...]) -> list[str]:
    """The caller's own text without the runs that an answer lists as left out."""
    pieces, place = [], 0
    for run in runs:
        pieces.append(text[place : run.start])
        place = run.end
    return [piece for piece in [*pieces, text[place:]] if piece.strip()]


@given(text=texts, budget=st.integers(1, 200), seed=seeds)
def test_an_answer_is_the_callers_own_characters_and_never_over_the_budget(
    text: str, budget: int, seed: int
) -> None:
    """What is not listed as left out stands in the answer, in order, to the letter."""
    source = TextSource(text=text)
    intake, assembler, choice = choose((source,), budget, seed=seed)
    (answer,), tokens = assembler.assemble(choice.shown)
    assert isinstance(answer, TextSource)

    assert token_counter("o200k").count(answer.text) == tokens == choice.tokens <= budget
    place = 0
    for piece in pieces_left(text, left_out(intake, choice.shown.units)):
        place = answer.text.index(piece.strip(), place) + len(piece.strip())


@given(text=texts, budget=st.integers(1, 200), seed=seeds)
def test_without_markers_nothing_is_added(text: str, budget: int, seed: int) -> None:
    """`markers: none` leaves a subsequence of the input's words."""
    (answer,) = folded((TextSource(text=text),), budget, seed=seed, markers="none")
    assert isinstance(answer, TextSource)
    rest = iter(text.split())

    assert all(word in rest for word in answer.text.split())


@given(
    value=json_values,
    budget=st.integers(2, 300),
    seed=seeds,
    markers=st.sampled_from(["short", "none"]),
)
def test_json_stays_json(value: Any, budget: int, seed: int, markers: Markers) -> None:
    """Whatever is left out of a JSON value, the rest parses, or nothing of it is there."""
    text = json.dumps({"value": value, "more": ["filler " * 40] * 4}, ensure_ascii=False)
    (answer,) = folded((TextSource(text=text),), budget, seed=seed, markers=markers)
    assert isinstance(answer, TextSource)

    if answer.text.strip() not in {"", MARKER}:
        orjson.loads(answer.text)


def test_gaps_in_json_are_marked_by_its_own_grammar() -> None:
    """An array gets an element, an object one member, whatever is gone from it."""
    text = json.dumps({"rows": [f"row {i} " + "word " * 30 for i in range(20)], "total": 20})
    (answer,) = folded((TextSource(text=text),), 150)
    assert isinstance(answer, TextSource)
    rows = orjson.loads(answer.text)["rows"]

    assert MARKER in rows
    assert all(row == MARKER or row.startswith("row ") for row in rows)


@pytest.mark.parametrize("count", [50, 400])
def test_the_budget_is_used(count: int) -> None:
    """Small units leave no room that one of them would still fit into."""
    text = " ".join(f"Sentence number {i} says little." for i in range(count))
    _, _, choice = choose((TextSource(text=text),), count * 3)

    assert choice.tokens > count * 3 - 12


def test_a_gap_is_marked_at_the_end_of_the_line_before_it() -> None:
    """One token and no line of its own: `first […]` and then the next line that is kept."""
    lines = "".join(f"line {i} with several words in it\n\n" for i in range(6))
    source = TextSource(text=lines)
    intake = read((source,), tokenizer="o200k")
    assembler = Assembler((source,), intake, token_counter("o200k"), markers="short")
    value = np.array([1, 0, 0, 0, 0, 1], np.float32)
    choice = Chooser(intake, assembler).choose(value, 20, exponent=1.0)
    (answer,), _ = assembler.assemble(choice.shown)
    assert isinstance(answer, TextSource)

    assert (
        f"line 0 with several words in it {MARKER}\n\nline 5 with several words in it\n\n"
        == answer.text
    )


def test_a_larger_budget_never_ends_in_an_empty_answer() -> None:
    """A unit that proves too long as text is passed by; the next ones in order are tried."""
    text = "".join(
        f"# Heading {i}\n\nSome words of paragraph {i} here.\n\n```\ncode {i}\nmore {i}\n```\n\n"
        for i in range(12)
    )
    smallest = None
    for budget in range(10, 160):
        _, _, choice = choose((TextSource(text=text),), budget, seed=budget)
        if choice.tokens:
            smallest = smallest or budget
        assert choice.tokens or smallest is None, budget


@pytest.mark.parametrize(
    "line", ["2026-01-01 10:00:{i:02d} INFO step {i} done", '{{"id": {i}, "v": "x"}}', "{i},Oslo,9"]
)
def test_a_gap_between_records_has_a_line_of_its_own(line: str) -> None:
    """A log's, a table's or a file's kept lines are the caller's own, to the letter."""
    lines = [line.format(i=i) for i in range(40)]
    (answer,) = folded((TextSource(text="\n".join(["id,city,n", *lines])),), 120)
    assert isinstance(answer, TextSource)
    kept = answer.text.splitlines()

    assert MARKER in kept
    assert set(kept) <= {"id,city,n", *lines, MARKER}


def test_a_document_in_parts_comes_back_in_parts() -> None:
    """Dropped parts are missing, kept ones keep their role."""
    parts = tuple(Part(text=f"part {i} has a few words\n", role="tool") for i in range(9))
    source = DocumentSource(document=Document(id="d", title="t", parts=parts))
    (answer,) = folded((source,), 30)
    assert isinstance(answer, DocumentSource)

    assert answer.document.parts
    assert len(answer.document.parts) < len(parts)
    assert {"tool"} == {part.role for part in answer.document.parts}
    assert (answer.document.id, answer.document.title) == ("d", "t")


def chat(count: int = 6) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [{"role": "system", "content": "Be brief."}]
    for i in range(count):
        call = {"id": f"c{i}", "type": "function", "function": {"name": "look", "arguments": "{}"}}
        result = json.dumps([{"id": j, "text": f"record {j} of {i} " * 6} for j in range(12)])
        rows += [
            {"role": "user", "content": f"Question {i}? It has some words. And some more."},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{i}", "content": result},
            {"role": "assistant", "content": f"Answer {i}. It is short. It ends here."},
        ]
    return [*rows, {"role": "user", "content": "The last question?"}]


@given(share=st.floats(0.05, 0.95), seed=seeds, markers=st.sampled_from(["short", "none"]))
def test_a_chat_keeps_its_grammar(share: float, seed: int, markers: Markers) -> None:
    """Verbatim rows stay, calls keep their results, tool JSON parses, dropped rows are marked."""
    rows = chat()
    source = MessagesSource(messages=parse_messages(rows))
    budget = int(60 + share * 3000)
    _, assembler, choice = choose((source,), budget, seed=seed, markers=markers)
    (answer,), tokens = assembler.assemble(choice.shown)
    assert isinstance(answer, MessagesSource)
    after = [message.to_dict() for message in answer.messages]

    assert tokens <= budget
    assert (rows[0], rows[-1]) == (after[0], after[-1])
    calls = [call["id"] for row in after for call in row.get("tool_calls") or ()]
    assert calls == [row["tool_call_id"] for row in after if row["role"] == "tool"]
    for row in after:
        if row["role"] == "tool" and row["content"] not in {"", MARKER}:
            orjson.loads(row["content"])
    marked = sum(row == {"role": "user", "content": MARKER} for row in after)
    assert (marked > 0) == (markers == "short" and len(after) - marked < len(rows))


def test_keep_marks_are_honoured() -> None:
    """What stands between <keep> and </keep> is in every answer."""
    text = "filler words here. " * 50 + "<keep>The code is 4711.</keep> " + "more filler. " * 50
    (answer,) = folded((TextSource(text=text),), 30)
    assert isinstance(answer, TextSource)

    assert "<keep>The code is 4711.</keep>" in answer.text


@given(seed=seeds, budget=st.integers(40, 400))
def test_a_gap_inside_a_long_json_string_is_marked_inside_its_quotes(
    seed: int, budget: int
) -> None:
    """A string of a thousand words can be folded, stays a string, and hides no gap."""
    story = " ".join(f"Sentence {i} says something.\n" for i in range(120))
    text = json.dumps({"id": 1, "story": story, "after": "x " * 300})
    (answer,) = folded((TextSource(text=text),), budget, seed=seed)
    assert isinstance(answer, TextSource)

    if "story" in answer.text:
        kept = orjson.loads(answer.text)["story"]
        assert MARKER in kept
        assert all(piece.strip() in story for piece in kept.split(MARKER))


def test_parts_that_are_json_still_parse_one_by_one() -> None:
    """No marker is glued to a part; a missing part is seen by its absence."""
    parts = tuple(Part(text=json.dumps({"id": i, "note": "word " * 9})) for i in range(40))
    (answer,) = folded((DocumentSource(document=Document(parts=parts)),), 150)
    assert isinstance(answer, DocumentSource)

    assert answer.document.parts
    assert len(answer.document.parts) < 40
    assert all(orjson.loads(part.text) for part in answer.document.parts)


def test_json_nested_a_thousand_deep_is_cut_in_linear_time() -> None:
    """Frames in frames have a depth limit; what lies below is one unit."""
    deep = "[" * 900 + "1" + "]" * 900
    text = json.dumps({"a": 1})[:-1] + f', "b": [{", ".join([deep] * 40)}]}}'
    intake, _, choice = choose((TextSource(text=text),), 100)

    assert len(intake.units.frames) < 2_000
    assert choice.tokens <= 100


def test_a_document_of_which_no_part_fits_still_has_parts() -> None:
    """The shape of an answer is that of its request."""
    part = Part(text="a part of more words than the budget has " * 9)
    (answer,) = folded((DocumentSource(document=Document(parts=(part, part))),), 5)
    assert isinstance(answer, DocumentSource)

    assert answer.document.parts == ()
