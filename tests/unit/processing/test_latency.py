from tierfold.processing import LatencyModel, nominal_ms


def test_predictions_follow_what_is_seen() -> None:
    """A machine twice as slow is known after a few requests."""
    model = LatencyModel()
    for _ in range(30):
        model.observe("fast", 100_000, took_ms=2 * nominal_ms("fast", 100_000))

    assert 1.9 < model.predict_ms("fast", 50_000) / nominal_ms("fast", 50_000) < 2.1


def test_a_stall_does_not_switch_a_step_off_for_ever() -> None:
    """A step that is refused cannot be observed, so refusals forget."""
    model = LatencyModel()
    for _ in range(12):
        model.observe("balanced", 100_000, took_ms=8 * nominal_ms("balanced", 100_000))
    room = 1.5 * nominal_ms("balanced", 100_000)
    tries = [model.is_worth_starting("balanced", 100_000, remaining_ms=room) for _ in range(100)]

    assert not tries[0]
    assert tries[-1]


def test_one_stalled_request_does_not_rule_the_next() -> None:
    """A single outlier moves the prediction by at most one step of its bounded ratio."""
    model = LatencyModel()
    model.observe("fast", 1000, took_ms=1e9)

    assert model.predict_ms("fast", 1000) < 2 * nominal_ms("fast", 1000)
