from hypothesis import given
from hypothesis import strategies as st

from tierfold.processing.latency import nominal_ms
from tierfold_actors.warm_cost import WarmCost

FAST = ("fast",)


def test_before_the_first_question_the_cost_is_nominal() -> None:
    """Of all stages together."""
    both = WarmCost().predict_ms(8_000, ("fast", "balanced"))

    assert both == nominal_ms("fast", 8_000) + nominal_ms("balanced", 8_000)


@given(st.floats(0.2, 10), st.integers(100, 200_000))
def test_the_cost_of_this_machine_is_learned(ratio: float, tokens: int) -> None:
    """For every size, from one."""
    cost = WarmCost()
    for _ in range(100):
        cost.observe(8_000, FAST, cpu_ms=ratio * nominal_ms("fast", 8_000))

    learned = cost.predict_ms(tokens, FAST) / nominal_ms("fast", tokens)
    assert abs(learned / ratio - 1) < 0.05


@given(st.floats(0, 1e9))
def test_one_odd_measurement_teaches_little(cpu_ms: float) -> None:
    """A stop of the machine would send the next questions to the thread."""
    cost = WarmCost()
    cost.observe(8_000, FAST, cpu_ms=cpu_ms)

    assert 0.9 <= cost.predict_ms(8_000, FAST) / nominal_ms("fast", 8_000) <= 3
