"""Answers to show, built without an engine."""

from typing import Any

from tierfold.context import (
    Answer,
    QualityReport,
    StageReport,
    StageTiming,
    StopReason,
    TextSource,
    Timing,
    Usage,
)


def an_answer(*stages: str, **changes: Any) -> Answer:
    """Return an answer in which every stage kept 1,000 of 20,000 tokens."""
    values: dict[str, Any] = {
        "sources": (TextSource(text="kept"),),
        "stop_reason": StopReason.LAST_STAGE,
        "query_free": False,
        "quality": QualityReport(expected=0.874, floor=None, p_floor=1.0, floor_met=True),
        "usage": Usage(
            prompt_tokens=1_000, original_prompt_tokens=20_000, usd_net=0.0, cost_usd=0.0
        ),
        "stages": tuple(StageReport(stage=s, quality=0.874, tokens=1_000) for s in stages),
        "left_out": (),
        "timing": Timing(
            total_ms=74.2,
            cpu_ms=70.0,
            stages=tuple(StageTiming(stage=s, predicted_ms=9.0, ms=7.41) for s in stages),
        ),
    }
    return Answer(**(values | changes))
