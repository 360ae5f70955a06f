from typing import Any

import pytest

from tests.unit.actors.test_reports import report
from tierfold.engine.shard.operations import GetTiers, Operation, Result
from tierfold.errors import CorruptError
from tierfold_actors import gauges

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
        self.shown[self.name, tags.get("tier", "")] = value


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
