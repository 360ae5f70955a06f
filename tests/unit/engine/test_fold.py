import asyncio
from typing import Any

import pytest

import tierfold
from tierfold import Budget, Document, afold, fold
from tierfold.errors import InvalidInputError

TEXT = "The boats lay still. " * 60 + "The spare key is under the blue stone. " + "It rained. " * 60


def test_text_is_folded_to_the_question() -> None:
    """README's first example."""
    answer = fold(TEXT, ask="Where is the spare key?", budget=Budget(max_tokens=40))

    assert "blue stone" in answer.text
    assert answer.tokens <= 40


def test_messages_come_back_as_messages() -> None:
    """In the caller's own shape, ready to send."""
    rows = [{"role": "user", "content": TEXT}, {"role": "user", "content": "Where is the key?"}]
    answer = fold(messages=rows, ask="Where is the spare key?", budget=Budget(max_tokens=80))

    assert rows[-1] == answer.messages[-1]
    assert "blue stone" in answer.messages[0]["content"]


@pytest.mark.parametrize(
    "document",
    [
        TEXT,
        {"text": TEXT, "title": "Notes"},
        {"parts": [{"text": sentence + ". "} for sentence in TEXT.split(". ")]},
        Document(text=TEXT, title="Notes"),
    ],
)
def test_documents_come_in_four_shapes(document: Any) -> None:
    """A str, a mapping with a text or with parts, a value."""
    answer = fold(
        documents=[document, "Nothing here."],
        ask="Where is the spare key?",
        budget=Budget(max_tokens=40),
    )

    assert "blue stone" in answer.text
    assert len(answer.sources) == 2


def test_afold_is_fold_off_the_event_loop() -> None:
    """The same answer."""
    budget = Budget(max_tokens=40)
    answer = asyncio.run(afold(TEXT, ask="Where is the spare key?", budget=budget))

    assert answer.text == fold(TEXT, ask="Where is the spare key?", budget=budget).text


@pytest.mark.parametrize(
    "given",
    [{}, {"text": "a", "messages": []}, {"text": 3}, {"documents": [3]}, {"messages": [{}]}],
)
def test_what_is_no_source_is_refused(given: dict[str, Any]) -> None:
    """One source, of a kind that is known."""
    with pytest.raises(InvalidInputError):
        fold(**given)


@pytest.mark.parametrize(
    "text", ["", "\x00", "\u202eabc", "👩‍👩‍👧‍👦" * 50, "字" * 500, "a" * 100_000]
)
def test_odd_texts_are_folded_like_any_other(text: str) -> None:
    """NUL bytes, right-to-left, emoji, CJK, one endless word: no error, no overshoot."""
    answer = fold(text, ask="what?", budget=Budget(max_tokens=20))

    assert answer.tokens <= 20


def test_a_lone_surrogate_is_refused_with_its_place() -> None:
    """It is no character, and no tokenizer counts it."""
    with pytest.raises(InvalidInputError, match="surrogate"):
        fold("a\ud800", budget=Budget(max_tokens=5))


def test_the_package_offers_what_it_lists() -> None:
    """Names are imported when they are first used."""
    assert all(getattr(tierfold, name) for name in tierfold.__all__)
    with pytest.raises(AttributeError):
        tierfold.nonsense  # noqa: B018  # the access is the test


def test_threads_may_fold_at_once() -> None:
    """The process-wide tables of words serve all of them."""
    texts = [f"{TEXT} The {chr(97 + i)}{'xyz' * i} boat number {i} sank." for i in range(16)]

    async def all_at_once() -> list[str]:
        budget = Budget(max_tokens=40)
        answers = await asyncio.gather(
            *(afold(text, ask="Which boat sank?", budget=budget) for text in texts)
        )
        return [answer.text for answer in answers]

    together = asyncio.run(all_at_once())
    alone = [fold(t, ask="Which boat sank?", budget=Budget(max_tokens=40)).text for t in texts]

    assert together == alone
