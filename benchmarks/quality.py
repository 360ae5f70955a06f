"""How much of the evidence is kept: recall against stemmed BM25, calibration, exactness.

`python -m benchmarks.quality [--data DIR] [--quick] [--stage balanced] [--markers short]`
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from benchmarks.data import EvaluationSet, read_compress
from benchmarks.evidence import (
    RATIOS,
    EvidenceMeter,
    Outcome,
    by_kind,
    macro,
    macro_gain_interval,
)
from benchmarks.exactness import Faults, check_evaluation, check_generated, check_sessions
from benchmarks.floors import floor_tokens
from benchmarks.generated import generated_set
from benchmarks.meter import finish, joined, null, parse, parser, say, table
from benchmarks.pictures import draw
from tierfold.context import Markers

_HANDBOOK_BM25 = {0.25: 0.731, 0.10: 0.550, 0.05: 0.488}
_HANDBOOK_TOLERANCE = 0.005
_PREDICTIONS_MIN = 2000
_BINS = 10


def main() -> None:
    """Measure and print."""
    arguments = parser(__doc__)
    arguments.add_argument("--stage", default="balanced", choices=["fast", "balanced"])
    arguments.add_argument("--markers", default="short", choices=["short", "none"])
    arguments.add_argument("--neural", action="store_true", help="not built yet: null and why")
    options = parse(arguments)
    stage, markers = options.rest.stage, options.rest.markers

    generated = _measure(generated_set(seed=1), stage, markers)
    _show("generated", generated)
    faults = check_generated(markers=markers)
    if options.data is None:
        figures = joined(
            _figures(generated, faults),
            null("needs --data, for a training set", "floor90_tokens_vs_kind_only"),
        )
        _draw(generated)
    else:
        figures = _on_data(options.data, stage, markers, faults, is_quick=options.quick)
        figures["generated"] = _short(generated)
    if options.rest.neural:
        figures = joined(figures, null("not built yet, the others are without it", "neural"))
    finish(figures)


def _on_data(
    folder: Path, stage: str, markers: Markers, faults: Faults, *, is_quick: bool
) -> dict[str, Any]:
    evaluation = _thinned(read_compress(folder / "compress", "dev"), 4 if is_quick else 1)
    outcomes = _measure(evaluation, stage, markers)
    _show(f"dev{' (every fourth query)' if is_quick else ''}", outcomes)
    _draw(outcomes)
    meter = EvidenceMeter(evaluation, stage=stage, markers=markers)
    faults += check_evaluation(meter, evaluation.queries, every=4 if is_quick else 1)
    faults += check_sessions(folder / "sessions", every=10 if is_quick else 2)
    figures = _figures(outcomes, faults)
    if is_quick:
        return joined(figures, null("needs all of train", "floor90_tokens_vs_kind_only"))
    train = read_compress(folder / "compress", "train")
    figures["floor90_tokens_vs_kind_only"] = floor_tokens(
        train, evaluation, stage=stage, markers=markers
    )
    return joined(figures, _unless_baseline_holds(figures))


def _short(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for ratio in RATIOS:
        at, percent = _at(outcomes, ratio), _percent(ratio)
        figures[f"recall_{percent}"] = macro(at)
        figures[f"gain_{percent}"] = macro(at) - macro(at, "baseline")
        figures[f"gain_low_{percent}"] = macro_gain_interval(at)[0]
    return figures


def _thinned(evaluation: EvaluationSet, every: int) -> EvaluationSet:
    return EvaluationSet(
        name=evaluation.name,
        contexts=evaluation.contexts,
        queries=evaluation.queries[::every],
    )


def _measure(evaluation: EvaluationSet, stage: str, markers: Markers) -> list[Outcome]:
    return EvidenceMeter(evaluation, stage=stage, markers=markers).outcomes()


def _at(outcomes: Sequence[Outcome], ratio: float) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.ratio == ratio]


def _percent(ratio: float) -> str:
    return f"{round(ratio * 100):02d}"


def _show(name: str, outcomes: Sequence[Outcome]) -> None:
    say(f"evidence recall, {name}: {len(outcomes) // len(RATIOS)} queries")
    kinds = list(by_kind(outcomes))
    rows: list[list[object]] = []
    for ratio in RATIOS:
        at = _at(outcomes, ratio)
        for value in ("recall", "baseline"):
            label = "tierfold" if value == "recall" else "BM25 stem"
            each = by_kind(at, value)
            rows.append([f"{ratio:.0%}", label, macro(at, value), *(each[k] for k in kinds)])
    table(["of tokens", "method", "macro", *kinds], rows)


def _figures(outcomes: Sequence[Outcome], faults: Faults) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    baseline = {}
    for ratio in RATIOS:
        at, percent = _at(outcomes, ratio), _percent(ratio)
        figures[f"recall_{percent}"] = macro(at)
        figures[f"gain_{percent}"] = macro(at) - macro(at, "baseline")
        figures[f"gain_low_{percent}"], figures[f"gain_high_{percent}"] = macro_gain_interval(at)
        baseline[percent.lstrip("0")] = macro(at, "baseline")
    figures["baselines"] = {"bm25_stem": baseline}
    figures["recall_10_by_kind"] = by_kind(_at(outcomes, 0.10))
    figures["baseline_10_by_kind"] = by_kind(_at(outcomes, 0.10), "baseline")
    figures["overshoots"] = faults.overshoots + sum(o.tokens > o.budget for o in outcomes)
    figures["split_atoms"] = faults.split_atoms
    figures["invalid_json"] = faults.invalid_json
    figures["nondeterministic"] = faults.nondeterministic
    figures["checked_answers"] = faults.checked + len(outcomes)
    figures["unused_budget_share"] = float(
        np.mean([1 - o.tokens / o.budget for o in outcomes if o.budget < o.context_tokens])
    )
    return joined(figures, _calibration(outcomes))


def _calibration(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    if len(outcomes) < _PREDICTIONS_MIN:
        why = f"{len(outcomes)} predictions are fewer than {_PREDICTIONS_MIN}"
        return null(why, "ece_excess", "within_kind_rho")
    expected = np.array([o.expected for o in outcomes])
    seen = np.array([o.recall for o in outcomes])
    error, noise = _calibration_error(expected, seen)
    return {
        "ece": error,
        "ece_excess": max(0.0, error - noise),
        "within_kind_rho": _within_kind(outcomes),
    }


def _calibration_error(
    expected: "np.ndarray[Any, Any]", seen: "np.ndarray[Any, Any]"
) -> tuple[float, float]:
    """Return the error over ten equal bins, and what chance alone would show."""
    error = noise = 0.0
    rows: list[list[object]] = []
    for bin_ in np.array_split(np.argsort(expected, kind="stable"), _BINS):
        share = len(bin_) / len(expected)
        error += share * abs(expected[bin_].mean() - seen[bin_].mean())
        noise += share * np.sqrt(2 / np.pi) * seen[bin_].std() / np.sqrt(len(bin_))
        rows.append([float(expected[bin_].mean()), float(seen[bin_].mean()), len(bin_)])
    say("quality, predicted against seen")
    table(["predicted", "seen", "answers"], rows)
    return error, noise


def _within_kind(outcomes: Sequence[Outcome]) -> float:
    cells: dict[tuple[str, float], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        cells[outcome.kind, outcome.ratio].append(outcome)
    correlations = []
    for cell in cells.values():
        expected, seen = [o.expected for o in cell], [o.recall for o in cell]
        if len(set(seen)) > 1 and len(set(expected)) > 1:
            correlations.append(spearmanr(expected, seen).statistic)
    return float(np.mean(correlations))


def _unless_baseline_holds(figures: dict[str, Any]) -> dict[str, Any]:
    """Return null gains when BM25 does not reach the handbook's figures in this run."""
    known = figures["baselines"]["bm25_stem"]
    off = [
        ratio
        for ratio, value in _HANDBOOK_BM25.items()
        if abs(known[_percent(ratio).lstrip("0")] - value) > _HANDBOOK_TOLERANCE
    ]
    if not off:
        return {}
    gains = [key for key in figures if key.startswith("gain_")]
    return null(f"the BM25 baseline is off the handbook at {off}", *gains)


def _draw(outcomes: Sequence[Outcome]) -> None:
    percents = [100 * ratio for ratio in RATIOS]
    lines = {
        label: (percents, [macro(_at(outcomes, ratio), value) for ratio in RATIOS])
        for value, label in (("recall", "tierfold"), ("baseline", "stemmed BM25"))
    }
    draw("quality", lines, x_label="% of tokens kept", y_label="evidence recall, macro")


if __name__ == "__main__":
    main()
