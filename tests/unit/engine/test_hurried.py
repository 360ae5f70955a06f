"""Questions with a deadline on stored contexts that nobody has read yet."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.engine.shard.worlds import TENANT, World, key
from tierfold.config import Limits, Settings, StoreLimits
from tierfold.context import (
    Answer,
    Budget,
    DocumentSource,
    LeftOut,
    Message,
    MessagesSource,
    Part,
    Request,
    Source,
    StopReason,
    TextSource,
)
from tierfold.context.source import ContextSource
from tierfold.engine import Engine, FakeClock
from tierfold.engine.contents import Contents, chat_contents, part_contents, text_contents
from tierfold.engine.driving import run
from tierfold.engine.shard.newest import LEADING_ROWS_MAX
from tierfold.engine.shard.operations import Items, NewestItems, ReadNewest, ReadSince
from tierfold.engine.verbs import Ask, Hurry, Ready, Verbs
from tierfold.engine.working import WorkingSets, bring_back
from tierfold.errors import BudgetTooSmallError, InvalidInputError, TooLargeError
from tierfold.processing import tokens_of
from tierfold.replication import Placement
from tierfold.text import MARKER, token_counter
from tierfold.wire import parse_messages

QUESTION = "Which sentence tells of boat 96?"
HURRY = Budget(max_tokens=300, latency_ms=12)
SENTENCES = [f"Sentence number {i} tells of boat {i % 97} in the harbour." for i in range(6_000)]
LONG = " ".join(SENTENCES)


def chat(*rows: dict[str, Any]) -> tuple[Message, ...]:
    return parse_messages(list(rows))


def row(role: Any, text: str) -> Message:
    return Message(role=role, content=text, raw={"role": role, "content": text})


def long_chat() -> tuple[Message, ...]:
    rows: list[dict[str, Any]] = [{"role": "system", "content": "Be brief."}]
    for i, sentence in enumerate(SENTENCES[:3000]):
        call = {"id": f"c{i}", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        rows += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{i}", "content": sentence},
        ]
    rows[5] = {"role": "user", "content": QUESTION}
    return chat(*rows)


@dataclass
class Asking:
    """A process that asks in a hurry; time stands still, so only the predictions count."""

    world: World = field(default_factory=World)
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        clock = FakeClock()
        self.engine = Engine(settings=Settings(), clock=clock)
        self.verbs = Verbs(
            working_sets=WorkingSets(1 << 30),
            clock=clock,
            limits=self.limits,
            store_limits=StoreLimits(),
            wall=self.world.wall,
        )

    def store(self, contents: Contents, id_: str = "a") -> None:
        self.run(self.verbs.replace(key(id_), contents))

    def run(self, steps: Any) -> Any:
        return run(steps, [self.world.shard], Placement(["shard-00"]))

    def ready(self, *sources: Source | ContextSource, budget: Budget = HURRY) -> Ready:
        hurry = Hurry.of(
            budget,
            began_ms=0.0,
            stages=(),
            bypass=False,
            characters_in_time=self.engine.characters_in_time,
        )
        found: Ready = self.run(self.verbs.ready(TENANT, sources, tokenizer="o200k", hurry=hurry))
        return found

    def answer(
        self, *sources: Source | ContextSource, budget: Budget = HURRY, **fields: Any
    ) -> Answer:
        ready = self.ready(*(sources or (ContextSource(id="a"),)), budget=budget)
        request = Request(sources=ready.sources, ask=QUESTION, budget=budget, **fields)
        prepared = ready.working.prepared if ready.working else None
        return self.engine.answer(request, started_ms=0.0, prepared=prepared, part=ready.part)

    def brought_back(self, handle: str) -> str | list[dict[str, Any]]:
        items: Items = self.run(self.verbs.handle(TENANT, handle))
        return bring_back(handle, items.info, items.bodies)


def texts(source: Source) -> list[str]:
    match source:
        case TextSource(text=text):
            return [text]
        case DocumentSource(document=document) if document.parts is None:
            return [document.text]
        case DocumentSource(document=document):
            return [part.text for part in document.parts or ()]
        case MessagesSource(messages=messages):
            return [text for message in messages for text in message.texts()]


PARTS = tuple(Part(text=sentence + "\n") for sentence in SENTENCES)
STORED = [text_contents(LONG), part_contents(PARTS), chat_contents(long_chat())]


@pytest.mark.parametrize("contents", STORED)
def test_the_newest_part_is_read_and_ranked(contents: Contents) -> None:
    """No more is read of the store than there is time for, and the answer says so."""
    asking = Asking()
    asking.store(contents)
    answer = asking.answer()

    assert answer.stop_reason is StopReason.DEADLINE
    assert [stage.stage for stage in answer.stages][:1] == ["fast"]
    assert answer.usage.original_is_estimate
    assert answer.tokens == tokens_of(answer.sources, token_counter("o200k")) <= 300
    assert answer.quality.expected < 0.9
    assert len(asking.verbs.working_sets) == 0


@pytest.mark.parametrize("contents", STORED)
def test_unread_and_kept_are_the_whole_context(contents: Contents) -> None:
    """Places are those of the whole context, and every handle brings back what stands there."""
    asking = Asking()
    asking.store(contents)
    answer = asking.answer()
    whole = asking.answer(budget=Budget(max_tokens=10**9))
    (source,) = whole.sources

    assert all(run_.handle for run_ in answer.left_out)
    for run_ in (*answer.left_out[:4], *answer.left_out[4::40]):
        assert run_.handle is not None
        assert asking.brought_back(run_.handle) in stands_at(source, run_)
    listed = sum(run_.tokens for run_ in answer.left_out)
    assert 0.8 < listed / answer.usage.original_prompt_tokens < 1.2
    assert (answer.usage.original_prompt_tokens / whole.tokens) == pytest.approx(1, rel=0.2)
    gone = sum(len("".join(texts_at(source, run_))) for run_ in answer.left_out)
    kept = sum(len(text) for s in answer.sources for text in texts(s) if text != MARKER)
    assert gone + kept == pytest.approx(sum(map(len, texts(source))), rel=0.01)


def stands_at(source: Source, run_: LeftOut) -> list[Any]:
    """Return what may be brought back for a run: its text, and whole rows as rows."""
    joined = "".join(texts_at(source, run_))
    if not isinstance(source, MessagesSource):
        return [joined]
    first = run_.message or 0
    rows = source.messages[first : first + run_.count]
    return [joined, [row.to_dict() for row in rows]]


def texts_at(source: Source, run_: LeftOut) -> Sequence[str]:
    if isinstance(source, MessagesSource) and run_.count > 1:
        first = run_.message or 0
        rows = source.messages[first : first + run_.count]
        return [text for row in rows for text in row.texts()]
    every = texts(source)
    if isinstance(source, MessagesSource):
        every = ["".join(message.texts()) for message in source.messages]
        return [every[run_.message or 0][run_.start : run_.end]]
    if run_.count > 1:
        return every[run_.part or 0 : (run_.part or 0) + run_.count]
    return [every[run_.part or 0][run_.start : run_.end]]


def test_a_hurried_chat_keeps_what_is_verbatim_and_its_grammar() -> None:
    """System row and the last user row are read wherever they stand; no result lacks its call."""
    asking = Asking()
    asking.store(chat_contents(long_chat()))
    (source,) = asking.answer().sources
    assert isinstance(source, MessagesSource)
    rows = source.messages

    assert [rows[0].role, rows[0].content] == ["system", "Be brief."]
    assert rows[1].content == MARKER
    assert QUESTION in [row.content for row in rows]
    calls = [call.id for row in rows for call in row.tool_calls]
    assert calls == [row.tool_call_id for row in rows if row.role == "tool"]


@pytest.mark.parametrize("contents", STORED)
def test_handles_in_the_text_bring_back_the_unread(contents: Contents) -> None:
    """With `markers: handles` the marker in front names what was not read, within the tokens."""
    asking = Asking()
    asking.store(contents)
    answer = asking.answer(markers="handles")
    shown = "\n".join(text for source in answer.sources for text in texts(source))
    marked = [piece.partition("]")[0] for piece in shown.split("[\u2026 ")[1:]]

    assert answer.tokens == tokens_of(answer.sources, token_counter("o200k")) <= 300
    assert all(asking.brought_back(handle) for handle in marked)
    oldest = answer.left_out[0].handle
    assert contents.shape.name == "PARTS" or oldest in marked or len(marked) > 0


def test_with_time_enough_everything_is_read() -> None:
    """A deadline that leaves room changes nothing: the working set is made and held."""
    asking = Asking()
    asking.store(text_contents(LONG))
    answer = asking.answer(budget=Budget(max_tokens=300, latency_ms=60_000))

    assert not answer.usage.original_is_estimate
    assert len(asking.verbs.working_sets) == 1
    assert not asking.answer().usage.original_is_estimate


@pytest.mark.parametrize("contents", [text_contents(LONG), chat_contents(long_chat())])
def test_a_held_chat_is_brought_up_to_date_in_time(contents: Contents) -> None:
    """What is held needs only what is new, but for a text, which is cut anew whatever is added."""
    asking, there = Asking(), Asking()
    there.world = asking.world
    asking.store(contents)
    asking.answer(budget=Budget(max_tokens=300))
    is_text = contents.shape.name == "TEXT"
    added = (
        text_contents(" One more.")
        if is_text
        else chat_contents(chat({"role": "user", "content": "One more."}))
    )
    there.run(there.verbs.append(key("a"), added))
    ready = asking.ready(ContextSource(id="a"), budget=HURRY)
    assert ready.part is None
    asking.verbs._clock.advance(2_000)  # type: ignore[attr-defined]  # noqa: SLF001  # a session is a second old at most
    ready = asking.ready(ContextSource(id="a"), budget=Budget(max_tokens=300, latency_ms=2_012))

    assert (ready.part is not None) == is_text
    assert ready.accounts[0].version == 2


def test_several_sources_share_the_time() -> None:
    """Each stored one is read for its share; handles are of one context alone."""
    asking = Asking()
    asking.store(text_contents(LONG), "a")
    asking.store(part_contents(PARTS), "b")
    sources = (
        ContextSource(id="a"),
        TextSource(text=SENTENCES[0]),
        ContextSource(id="b", priority=2),
    )
    ready = asking.ready(*sources)
    answer = asking.answer(*sources)

    assert ready.part is not None
    assert ready.sources[2].priority == 2
    assert all(part.unread for part in (ready.part.parts[0], ready.part.parts[2]))
    assert {run_.source for run_ in answer.left_out} >= {0, 2}
    assert answer.tokens <= 300
    with pytest.raises(InvalidInputError, match="one stored context"):
        asking.answer(*sources, markers="handles")


def test_what_must_stay_and_does_not_fit_is_refused() -> None:
    """The refusal says how many tokens it takes, as it does where all is read."""
    asking = Asking()
    asking.store(chat_contents((*long_chat(), *chat({"role": "user", "content": "Why? " * 900}))))
    with pytest.raises(BudgetTooSmallError):
        asking.answer()


def test_more_items_than_can_ever_be_read_are_refused_at_once() -> None:
    """Nothing is read for a question that would be refused in the end."""
    asking = Asking(limits=Limits(messages_max=100))
    asking.store(part_contents(PARTS))
    with pytest.raises(TooLargeError, match="100"):
        asking.answer()


def test_without_a_deadline_or_with_pinned_stages_all_is_asked_for() -> None:
    """Only who would rather have less than later is served less."""
    asking = Asking()
    asking.store(text_contents(LONG))
    for budget in (Budget(max_tokens=9), Budget(latency_ms=5)):
        hurry = Hurry.of(
            budget, began_ms=0, stages=(), bypass=False, characters_in_time=lambda _: 1
        )
        assert hurry is None
    step = next(asking.verbs.ready(TENANT, [ContextSource(id="a")], tokenizer="o200k"))
    assert isinstance(step, Ask)
    assert isinstance(step.operation, ReadSince)


WORDS = st.text(st.sampled_from("aé漢 \n.b"), min_size=1, max_size=60)


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from(["system", "user", "assistant", "tool"]), WORDS),
        min_size=1,
        max_size=150,
    ),
    bytes_max=st.integers(1, 4_000),
)
def test_the_newest_rows_and_those_that_stay_are_read(
    rows: list[tuple[str, str]], bytes_max: int
) -> None:
    """A run at the end within the bytes, system rows in front and the last user row; in order."""
    asking = Asking()
    contents = chat_contents(tuple(row(role, text) for role, text in rows))
    asking.store(contents)
    operation = ReadNewest(context=key("a"), shared="o200k", bytes_max=bytes_max, items_max=1000)
    found = asking.world.ask(operation)
    if contents.size_bytes <= bytes_max:
        assert isinstance(found, Items)
        assert len(found.bodies) == len(rows)
        return
    assert isinstance(found, NewestItems)
    assert found.names == b"".join(contents.names)
    bodies = dict(zip(found.indexes, found.bodies, strict=True))
    assert all(body == contents.items[at].segment.body for at, body in bodies.items())
    leading = next((at for at, (role, _) in enumerate(rows) if role != "system"), len(rows))
    assert set(range(min(leading, LEADING_ROWS_MAX))) <= set(bodies)
    users = [at for at, (role, _) in enumerate(rows) if role == "user"]
    assert not users or users[-1] in bodies or bytes_max < 100


@settings(max_examples=30, deadline=None)
@given(
    count=st.integers(200, 1500),
    glyph=st.sampled_from(["", "é", "漢字"]),
    latency_ms=st.floats(2, 20),
    tokens=st.integers(60, 400),
    markers=st.sampled_from(["none", "short", "handles"]),
    shape=st.sampled_from(["text", "parts", "chat"]),
)
def test_a_hurried_answer_never_costs_more_and_its_handles_are_true(
    count: int, glyph: str, latency_ms: float, tokens: int, markers: Any, shape: str
) -> None:
    """Whatever the text, the time and the budget: exact tokens, and handles of what is missing."""
    asking = Asking()
    said = [f"{glyph}{piece} " for piece in SENTENCES[:count]]
    contents = {
        "text": lambda: text_contents("".join(said)),
        "parts": lambda: part_contents([Part(text=each) for each in said]),
        "chat": lambda: chat_contents(
            tuple(row("user" if at % 3 else "assistant", each) for at, each in enumerate(said))
        ),
    }[shape]()
    asking.store(contents)
    budget = Budget(max_tokens=tokens, latency_ms=latency_ms)
    try:
        answer = asking.answer(budget=budget, markers=markers)
    except BudgetTooSmallError:
        return
    whole = "".join(said)
    assert answer.tokens == tokens_of(answer.sources, token_counter("o200k")) <= tokens
    some = [*answer.left_out[:4], *answer.left_out[4::40]]
    found = [asking.brought_back(run_.handle or "") for run_ in some]
    pieces_of = ["".join(row["content"] for row in f) if isinstance(f, list) else f for f in found]
    at = 0
    for piece in pieces_of:
        at = whole.index(piece, at) + len(piece)
    if answer.usage.original_is_estimate and not glyph and shape == "text":
        assert pieces_of[0] == whole[: answer.left_out[0].end]
