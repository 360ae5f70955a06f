from dataclasses import replace
from typing import Any

import pytest

from tests.unit.actors.test_reports import L0, report
from tierfold.engine.shard.operations import GetTiers, Operation, Result
from tierfold.errors import CorruptError
from tierfold.memory.adaptive import Explanation, Reason
from tierfold.memory.prefetch import PrefetchFigures
from tierfold_actors import gauges
from tierfold_actors.reports import tiers_body

SHARD = {"shard": "shard-00"}


class Panic(BaseException):
    """What a library written in another language raises when it gives up."""


class NotedGauge:
    """A gauge that notes what it shows."""

    shown: dict[tuple[str, str], float]

    def __init__(self, name: str, *, description: str, tag_keys: tuple[str, ...]) -> None:
        assert description
        assert tag_keys[0] == "shard"
        self.name = name

    def set(self, value: float, tags: dict[str, str]) -> None:
        assert tags["shard"] == "shard-00"
        (at,) = [value for name, value in tags.items() if name != "shard"] or [""]
        self.shown[self.name, at] = value


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], float]:
    """What the gauges show."""
    NotedGauge.shown = {}
    monkeypatch.setattr(gauges, "Gauge", NotedGauge)
    monkeypatch.setattr(gauges, "_INTERVAL_S", 0.001)
    return NotedGauge.shown


def test_what_a_shard_reports_is_shown(shown: dict[tuple[str, str], float]) -> None:
    """Backlogs of the shard, bytes and hits of each tier; nothing of tenants."""
    gauges.TierGauges("shard-00").set(report(1.0))

    assert shown["tierfold_unsealed_bytes", ""] == 5
    assert shown["tierfold_backlog_blocks", ""] == 3
    assert shown["tierfold_backlog_contexts", ""] == 4
    assert {tier for name, tier in shown if name == "tierfold_tier_bytes"} == {
        *("L1", "L2", "L3", "L4")
    }


def test_who_decides_and_what_reading_ahead_brings_is_shown(
    shown: dict[tuple[str, str], float],
) -> None:
    """The order that decides is 1, the others 0; no accuracy before anything is known of it."""
    choice = Explanation(
        expert="context",
        reason=Reason.SAVING,
        since_window=1,
        windows=2,
        changes=1,
        losses={"lru": 3.0, "context": 2.0},
        own_loss=2.1,
        sampling=1,
        problem="",
    )
    counted = {"batches": 1, "keys": 3, "size_bytes": 9, "used_keys": 1, "used_bytes": 3}
    known = PrefetchFigures(is_on=True, **counted, wasted_keys=1, wasted_bytes=3)
    unknown = replace(known, used_keys=0, wasted_keys=0, wasted_bytes=0)
    found = replace(
        report(1.0), choice=choice, prefetch={"asked": known, "session_opened": unknown}
    )
    gauges.TierGauges("shard-00").set(found)

    orders = {at: value for (name, at), value in shown.items() if name == "tierfold_tier_order"}
    assert orders == {"lru": 0.0, "context": 1.0}
    assert shown["tierfold_tier_order_cost_ms", "context"] == 2.0
    assert shown["tierfold_prefetch_accuracy", "asked"] == 0.5
    assert shown["tierfold_prefetch_wasted_bytes", "asked"] == 3
    assert ("tierfold_prefetch_accuracy", "session_opened") not in shown
    shards = tiers_body([found], L0, [], is_open=True)["shards"]
    assert shards[0]["choice"]["cost_ms"] == {"lru": 3.0, "context": 2.0}
    assert shards[0]["prefetch"]["evidence"]["asked"]["accuracy"] == 0.5


def test_a_shard_is_asked_again_and_again_until_it_closes(
    shown: dict[tuple[str, str], float],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A report that failed is no end, and neither is what nobody foresaw."""
    answers: list[Any] = [CorruptError(what="a value", problem="damaged"), report(None)]
    failures = [ZeroDivisionError("a user's text"), Panic()]
    monkeypatch.setattr(gauges, "pause_ms", float)
    asked: list[Operation] = []

    def ask(operations: tuple[Operation, ...]) -> list[Result]:
        asked.extend(operations)
        if failures:
            raise failures.pop(0)
        return [answers.pop(0) if answers else report(None)]

    thread = gauges.GaugeThread(ask, "shard-00")
    while len(asked) < 6:
        thread.is_alive()
    thread.close()

    assert set(asked) == {GetTiers()}
    assert shown["tierfold_backlog_blocks", ""] == 3
    assert not thread.is_alive()
    assert (thread.failures, thread.problem) == (2, "")
    assert "Panic" in caplog.text
    assert "user" not in caplog.text
