import math
import tracemalloc
from typing import Any

import orjson
import pytest

from tierfold.config import Limits, Settings
from tierfold.context import (
    Answer,
    Budget,
    MessagesSource,
    Request,
    StopReason,
    TextSource,
)
from tierfold.engine import Engine, FakeClock
from tierfold.errors import (
    BudgetTooSmallError,
    InvalidInputError,
    TooLargeError,
    UnknownStageError,
)
from tierfold.processing import Balanced, Fast, Stages
from tierfold.wire import answer_body, parse_messages

FILLER = "The harbour was quiet and the boats lay still. Nobody came by for hours. "
TEXT = FILLER * 20 + "The spare key is under the blue stone by the gate. " + FILLER * 20
SOURCE = TextSource(text=TEXT)
QUESTION = "Where is the spare key?"


def engine(*, step_ms: float = 0.0, settings: Settings | None = None) -> Engine:
    return Engine(settings=settings or Settings(), clock=FakeClock(step_ms=step_ms))


def ask(**fields: Any) -> Request:
    return Request(**({"sources": (SOURCE,), "ask": QUESTION} | fields))


def content(answer: Answer) -> bytes:
    body = answer_body(answer)
    del body["timing"]
    return orjson.dumps(body)


def test_the_passage_that_answers_is_kept() -> None:
    """The main job: a long text, a question, a small budget, the one sentence that matters."""
    answer = engine().answer(ask(budget=Budget(max_tokens=60)))

    assert "under the blue stone" in answer.text
    assert answer.tokens <= 60
    assert not answer.query_free
    assert answer.final


@pytest.mark.parametrize(
    ("fields", "reason", "stages"),
    [
        ({"budget": Budget(max_tokens=60)}, {StopReason.LAST_STAGE, StopReason.NO_GAIN}, 2),
        ({"budget": Budget(max_tokens=60), "stages": ("fast",)}, {StopReason.LAST_STAGE}, 1),
        ({"budget": Budget(max_tokens=100_000)}, {StopReason.FITS_ALREADY}, 0),
        ({}, {StopReason.FITS_ALREADY}, 0),
        ({"budget": Budget(max_tokens=60), "bypass": True}, {StopReason.BYPASS}, 0),
        ({"budget": Budget(min_quality=0.05)}, {StopReason.TARGET_QUALITY}, 2),
        ({"budget": Budget(min_quality=0.05, max_tokens=80)}, {StopReason.TARGET_QUALITY}, 1),
    ],
)
def test_every_answer_says_why_it_stopped(
    fields: dict[str, Any], reason: set[StopReason], stages: int
) -> None:
    """And how many stages it ran."""
    answer = engine().answer(ask(**fields))

    assert answer.stop_reason in reason
    assert stages == len(answer.stages) == len(answer.timing.stages)


def test_an_expired_deadline_still_gets_an_answer() -> None:
    """Pinned units and the newest that fit, without a score, and said so."""
    answer = engine(step_ms=5).answer(ask(budget=Budget(max_tokens=60, latency_ms=1)))

    assert StopReason.DEADLINE is answer.stop_reason
    assert answer.stages == ()
    assert 40 < answer.tokens <= 60
    assert TEXT.rstrip().endswith(answer.text.split("[…]")[-1].strip())


def test_a_deadline_between_stages_returns_the_best_so_far() -> None:
    """What the fast stage found is not thrown away."""
    slow = engine()
    slow.latency.observe("balanced", 1, took_ms=1e9)
    for _ in range(50):
        slow.latency.observe("balanced", 1000, took_ms=1e6)
    answer = slow.answer(ask(budget=Budget(max_tokens=60, latency_ms=12)))

    assert StopReason.DEADLINE is answer.stop_reason
    assert [stage.stage for stage in answer.stages] == ["fast"]
    assert "under the blue stone" in answer.text


def test_pinned_stages_run_whatever_they_take() -> None:
    """Content must not depend on the clock when the caller pins it."""
    request = ask(budget=Budget(max_tokens=60, latency_ms=1), stages=("fast", "balanced"))
    slow, quick = engine(step_ms=50).answer(request), engine().answer(request)

    assert content(slow) == content(quick)
    assert len(slow.stages) == 2


def test_content_is_a_function_of_the_input() -> None:
    """Two engines, two clocks, the same bytes."""
    request = ask(budget=Budget(max_tokens=80))

    assert content(engine().answer(request)) == content(engine(step_ms=0.001).answer(request))


def test_a_prepared_context_gives_the_same_answer() -> None:
    """Reading once and asking often changes nothing but the time."""
    here = engine()
    prepared = here.prepare((SOURCE,))
    request = ask(budget=Budget(max_tokens=60))

    assert content(here.answer(request)) == content(here.answer(request, prepared=prepared))


def test_a_floor_is_met_with_few_tokens_or_said_to_be_missed() -> None:
    """A floor that cannot be reached is an answer, not an error."""
    met = engine().answer(ask(budget=Budget(min_quality=0.3)))
    missed = engine().answer(ask(budget=Budget(max_tokens=12, min_quality=1.0)))

    assert met.quality.floor_met
    assert met.tokens < met.usage.original_prompt_tokens
    assert not missed.quality.floor_met
    assert missed.tokens <= 12


@pytest.mark.parametrize("floor", [0.3, 0.6, 0.9])
def test_with_a_floor_alone_the_smallest_answer_of_all_stages_is_kept(floor: float) -> None:
    """A stage that needs more tokens for the same floor never replaces one that needs fewer."""
    budget = Budget(min_quality=floor)
    each = [
        engine().answer(ask(budget=budget, stages=stages)) for stages in (("fast",), ("balanced",))
    ]
    met = [answer.tokens for answer in each if answer.quality.floor_met]
    both = engine().answer(ask(budget=budget))

    assert both.quality.floor_met
    assert both.tokens == min(met)


@pytest.mark.parametrize("question", ["", "   ", "\n"])
def test_no_question_is_query_free_and_said_so(question: str) -> None:
    """An empty or blank question is not an error."""
    answer = engine().answer(ask(ask=question, budget=Budget(max_tokens=60)))

    assert answer.query_free
    assert answer.tokens <= 60


def test_an_unknown_stage_is_refused_with_those_there_are() -> None:
    """Stages of later releases can be asked for by name without surprise."""
    with pytest.raises(UnknownStageError, match="fast, balanced"):
        engine().answer(ask(stages=("maximum",)))


def test_the_registry_takes_more_stages_without_change() -> None:
    """A stage is a name and a ranking."""

    class Slow(Fast):
        pass

    stages = Stages(in_order=(Fast(), Balanced(), Slow(name="thorough")))
    here = Engine(settings=Settings(), clock=FakeClock(), stages=stages)
    request = ask(budget=Budget(max_tokens=60), stages=("thorough",))

    assert [stage.stage for stage in here.answer(request).stages] == ["thorough"]


def test_what_must_be_kept_states_its_minimum() -> None:
    """The refusal carries the number that would work, and that number works."""
    text = f"<keep>{FILLER * 3}</keep>" + TEXT
    request = ask(sources=(TextSource(text=text),), budget=Budget(max_tokens=5))
    with pytest.raises(BudgetTooSmallError) as refused:
        engine().answer(request)
    minimum = int(refused.value.minimum)
    answer = engine().answer(
        ask(sources=(TextSource(text=text),), budget=Budget(max_tokens=minimum))
    )

    assert answer.tokens <= minimum


def test_bytes_are_limited() -> None:
    """A working set beyond the budget is refused before it is built."""
    with pytest.raises(BudgetTooSmallError, match="memory_bytes"):
        engine().answer(ask(budget=Budget(max_tokens=60, memory_bytes=100)))


def test_dollars_buy_tokens() -> None:
    """cost_usd binds like a token budget at the model's price, and the bill stays within it."""
    answer = engine().answer(ask(budget=Budget(cost_usd=0.001), model="large"))

    assert answer.usage.cost_usd <= 0.001
    assert answer.tokens <= 0.001 / 15 * 1e6
    assert answer.usage.usd_net > 0


def test_a_dollar_budget_that_is_too_small_is_refused_in_dollars() -> None:
    """Naming tokens that nobody asked for would send the caller the wrong way."""
    pinned = TextSource(text=f"<keep>{FILLER * 3}</keep>" + TEXT)
    with pytest.raises(BudgetTooSmallError, match="cost_usd") as refused:
        engine().answer(ask(sources=(pinned,), budget=Budget(cost_usd=1e-6), model="large"))
    enough = Budget(cost_usd=refused.value.minimum)

    assert engine().answer(ask(sources=(pinned,), budget=enough, model="large")).tokens > 0


def test_the_tighter_of_tokens_and_dollars_binds() -> None:
    """Each alone, and both together."""
    tokens, dollars = Budget(max_tokens=60), Budget(cost_usd=0.003)
    both = Budget(max_tokens=60, cost_usd=0.003)

    assert engine().answer(ask(budget=both, model="large")).tokens <= 60
    assert engine().answer(ask(budget=tokens, model="large")).tokens <= 60
    assert 60 < engine().answer(ask(budget=dollars, model="large")).tokens <= 200


def test_a_chat_without_text_is_folded_by_its_rows() -> None:
    """Nothing to choose from is not an error."""
    rows = parse_messages([{"role": "user", "content": ""}] * 8)
    answer = engine().answer(
        ask(sources=(MessagesSource(messages=rows),), budget=Budget(max_tokens=15))
    )

    assert answer.tokens <= 15


def test_markers_never_make_an_answer_larger_than_its_input() -> None:
    """Where they would, everything is kept, and the minimum is the input itself."""
    rows = [{"role": "system", "content": "a"}, {"role": "assistant", "content": ""}] * 20
    chat = MessagesSource(messages=parse_messages([*rows, {"role": "user", "content": "b"}]))
    whole = engine().answer(ask(sources=(chat,))).tokens
    small = engine().answer(ask(sources=(chat,), budget=Budget(min_quality=0.1)))

    assert small.tokens <= whole
    with pytest.raises(BudgetTooSmallError) as refused:
        engine().answer(ask(sources=(chat,), budget=Budget(max_tokens=10)))
    assert refused.value.minimum <= whole


def test_a_prepared_context_must_be_the_requests_own() -> None:
    """Another tokenizer's counts or another text would make the answer a lie."""
    here = engine()
    prepared = here.prepare((SOURCE,))
    for other in (ask(tokenizer="cl100k"), ask(sources=(TextSource(text="else"),))):
        with pytest.raises(InvalidInputError, match="prepared"):
            here.answer(other, prepared=prepared)


def test_the_predicted_bytes_are_not_below_the_real_ones() -> None:
    """memory_bytes is a promise: the estimate covers what tracemalloc sees."""
    request = ask(sources=(TextSource(text=TEXT * 30),), budget=Budget(max_tokens=60))
    engine().answer(request)  # loads what a process loads once
    tracemalloc.start()
    engine().answer(request)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    with pytest.raises(BudgetTooSmallError) as refused:
        engine().answer(ask(sources=request.sources, budget=Budget(max_tokens=60, memory_bytes=1)))

    assert peak <= refused.value.minimum <= 6 * peak


def test_a_model_without_a_price_is_refused() -> None:
    """A guessed price would be a false bill."""
    with pytest.raises(InvalidInputError, match="no price"):
        engine().answer(ask(budget=Budget(max_tokens=60), model="unheard-of"))


def test_a_bill_may_be_negative() -> None:
    """With free tokens folding only costs CPU."""
    assert engine().answer(ask(budget=Budget(max_tokens=60))).usage.usd_net < 0


def test_the_question_has_a_limit() -> None:
    """A question longer than the limit is refused by name."""
    small = Settings(limits=Limits(question_characters_max=3))
    with pytest.raises(TooLargeError, match="characters of ask"):
        engine(settings=small).answer(ask(budget=Budget(max_tokens=60)))


def test_a_stream_shows_each_stage_and_then_the_answer() -> None:
    """Same schema all along; only the last one is final, and it is what `answer` gives."""
    request = ask(budget=Budget(max_tokens=60))
    answers = list(engine().stream(request))

    assert [False] * (len(answers) - 1) + [True] == [answer.final for answer in answers]
    assert [len(answer.stages) for answer in answers] == [1, 2, 2]
    assert content(answers[-1]) == content(engine().answer(request))


def test_closing_a_stream_stops_the_work() -> None:
    """A client that leaves costs nothing more."""
    seen: list[str] = []

    class Watched(Fast):
        def rank(self, *given: Any) -> Any:
            seen.append(self.name)
            return super().rank(*given)

    stages = Stages(in_order=(Watched(name="one"), Watched(name="two")))
    here = Engine(settings=Settings(), clock=FakeClock(), stages=stages)
    stream = here.stream(ask(budget=Budget(max_tokens=60)))
    next(stream)
    stream.close()

    assert seen == ["one"]


def test_left_out_adds_up() -> None:
    """What is kept and what is left out are the whole input."""
    answer = engine().answer(ask(budget=Budget(max_tokens=60)))
    gone = sum(run.end - run.start for run in answer.left_out)
    kept = len(answer.text.replace("[…]", "").replace(" ", ""))

    assert len(TEXT.replace(" ", "")) - kept <= gone < len(TEXT)
    assert all(0 <= run.start < run.end <= len(TEXT) for run in answer.left_out)


def test_work_is_predicted_to_grow_with_the_body() -> None:
    """The gateway decides by this figure where a request runs."""
    assert engine().predict_cpu_ms(body_bytes=1_000) < engine().predict_cpu_ms(body_bytes=1_000_000)
    assert math.isfinite(engine().predict_cpu_ms(body_bytes=0))


def test_a_warm_question_is_predicted_to_cost_less_than_a_cold_one() -> None:
    """What is read and indexed already is not paid again."""
    tokens = 100_000

    assert 0 < engine().predict_warm_ms(tokens) < engine().predict_warm_ms(2 * tokens)
    assert engine().predict_warm_ms(tokens) < engine().predict_cpu_ms(body_bytes=4 * tokens)
