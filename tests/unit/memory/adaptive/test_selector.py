import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierfold.memory.adaptive.selector import Reason, Selector, SelectorSettings, Window

LOSSES = st.fixed_dictionaries({"lru": st.floats(0, 1), "a": st.floats(0, 1), "b": st.floats(0, 1)})


def window(own: float = 0.5, price: float = 100.0, **losses: float) -> Window:
    return Window(accesses=1000, losses=losses, own_loss=own, price=price)


def test_it_starts_with_lru_and_stays_while_all_are_equal() -> None:
    """Without a reason nothing changes, for ever."""
    selector = Selector()
    for _ in range(100):
        assert selector.window(window(lru=0.5, a=0.5, b=0.5)) == "lru"

    assert (selector.reason, selector.since_window) == (Reason.START, 0)


def test_a_change_waits_until_it_is_paid_for() -> None:
    """What is better by little takes over late, what is better by much at once."""
    settings = SelectorSettings(first=1.0, lead=0.0)
    slow, quick = Selector(settings), Selector(settings)

    assert [slow.window(window(lru=0.5, a=0.47)) for _ in range(4)] == ["lru"] * 3 + ["a"]
    assert quick.window(window(lru=0.5, a=0.3)) == "a"
    assert (quick.reason, quick.since_window) == (Reason.SAVING, 1)


def test_a_lead_within_the_margin_saves_nothing() -> None:
    """A quarter of a percent is chance, however long it lasts."""
    selector = Selector(SelectorSettings(lead=0.005))
    for _ in range(1000):
        selector.window(window(lru=0.4, a=0.399))

    assert selector.chosen == "lru"


def test_the_first_change_is_cheap_and_each_further_one_dearer() -> None:
    """Nothing spoke for the start; who changed lately has to be surer, for a while."""
    selector = Selector(SelectorSettings(lead=0.0))
    assert selector.window(window(lru=0.5, a=0.47, b=0.5)) == "a"  # 30 saved; the price is 25
    to_b = [selector.window(window(lru=0.5, a=0.5, b=0.47)) for _ in range(4)]
    to_a = [selector.window(window(lru=0.5, a=0.47, b=0.5)) for _ in range(7)]

    assert to_b == ["a"] * 3 + ["b"]  # 120 saved; the price is 100
    assert to_a == ["b"] * 6 + ["a"]  # 210 saved; the price has nearly doubled


def test_lru_takes_over_when_the_cache_does_worse_than_it_would() -> None:
    """Shadows may err: what the cache itself loses counts, and LRU then rests some windows."""
    selector = Selector(SelectorSettings(rest_windows=2))
    selector.window(window(lru=0.5, a=0.3))
    turns = [selector.window(window(lru=0.5, a=0.3, own=0.56)) for _ in range(6)]

    assert turns == ["a", "lru", "lru", "lru", "a", "a"]
    assert selector.reason is Reason.SAVING


def test_an_excess_within_the_margin_is_let_pass() -> None:
    """One percent over LRU is no reason to give up what is better on the whole."""
    selector = Selector()
    selector.window(window(lru=0.5, a=0.3))
    for _ in range(1000):
        selector.window(window(lru=0.5, a=0.4, own=0.504))

    assert selector.chosen == "a"


def test_an_expert_that_failed_is_out() -> None:
    """If it decides, LRU takes over; if not, nothing changes."""
    selector = Selector()
    selector.window(window(lru=0.5, a=0.3, b=0.4))
    assert selector.failed("b") == "a"
    assert selector.failed("a") == "lru"
    assert selector.reason is Reason.FAILED
    assert set(selector.losses) == {"lru"}
    assert selector.window(window(lru=0.5)) == "lru"


@given(st.lists(LOSSES, max_size=40), st.floats(0, 1))
def test_it_never_chooses_what_nothing_speaks_for(
    windows: list[dict[str, float]], own: float
) -> None:
    """Every change but a fallback goes to one that has saved the price."""
    selector = Selector()
    for losses in windows:
        before, savings = selector.chosen, dict(selector.savings)
        now = selector.window(window(own=own, **losses))
        assert all(saved >= 0 for saved in selector.savings.values())
        if now != before and selector.reason is Reason.SAVING:
            saved = savings.get(now, 0.0) + 1000 * (losses[before] - losses[now])
            assert saved > 24.9
        assert set(selector.losses) == set(losses)


def test_losses_shown_are_means_in_which_older_windows_count_less() -> None:
    """The explanation is computed from what was measured."""
    selector = Selector(SelectorSettings(decay=0.5))
    selector.window(window(lru=0.4))
    selector.window(window(lru=0.8))

    assert selector.losses == {"lru": pytest.approx(0.6)}
