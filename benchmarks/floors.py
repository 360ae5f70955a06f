"""What a quality floor costs in tokens, against a control that knows only the kind."""

from collections import defaultdict

import numpy as np

from benchmarks.data import EvaluationSet
from benchmarks.evidence import EvidenceMeter, macro
from benchmarks.meter import say, table
from tierfold.context import Budget, Markers

_FLOOR = 0.9
_GRID = (0.05, 0.10, 0.15, 0.25, 0.35, 0.50, 0.70)


def floor_tokens(
    train: EvaluationSet, dev: EvaluationSet, *, stage: str, markers: Markers
) -> float:
    """Return tokens kept at floor .9 over those the kind-only control keeps for the same recall.

    The control gives each kind one ratio: the smallest of a grid at which its mean recall on train
    reaches the level. Its level is raised until its recall on dev is no lower than ours.
    """
    ours = _ours(dev, stage, markers)
    curve = _curves(train, stage, markers)
    held_out = EvidenceMeter(dev, stage=stage, markers=markers).outcomes(_GRID)
    recall = {
        (o.kind, o.ratio): macro([p for p in held_out if (p.kind, p.ratio) == (o.kind, o.ratio)])
        for o in held_out
    }
    kinds = sorted({o.kind for o in held_out})
    ratios, reached = dict.fromkeys(kinds, 1.0), 1.0
    for level in np.arange(0.5, 1.0, 0.005):
        ratios = {kind: _ratio_for(curve[kind], float(level)) for kind in kinds}
        reached = float(np.mean([recall.get((k, r), 1.0) for k, r in ratios.items()]))
        if reached >= ours[1]:
            break
    control = float(np.mean(list(ratios.values())))
    say(f"floor {_FLOOR}: tokens kept and recall reached, macro over kinds")
    table(
        ["", "tokens", "recall"],
        [["per answer", ours[0], ours[1]], ["kind only", control, reached]],
    )
    return ours[0] / control


def _ours(dev: EvaluationSet, stage: str, markers: Markers) -> tuple[float, float]:
    meter = EvidenceMeter(dev, stage=stage, markers=markers)
    shares: dict[str, list[float]] = defaultdict(list)
    recalls: dict[str, list[float]] = defaultdict(list)
    for query in dev.queries:
        context = meter.context(query)
        answer = meter.answer(query, Budget(min_quality=_FLOOR))
        shares[context.kind].append(answer.tokens / answer.usage.original_prompt_tokens)
        recalls[context.kind].append(query.recall(meter.kept(context, answer)))
    return (
        float(np.mean([np.mean(values) for values in shares.values()])),
        float(np.mean([np.mean(values) for values in recalls.values()])),
    )


def _curves(train: EvaluationSet, stage: str, markers: Markers) -> dict[str, dict[float, float]]:
    outcomes = EvidenceMeter(train, stage=stage, markers=markers).outcomes(_GRID)
    cells: dict[str, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    for outcome in outcomes:
        cells[outcome.kind][outcome.ratio].append(outcome.recall)
    return {
        kind: {ratio: float(np.mean(values)) for ratio, values in by_ratio.items()}
        for kind, by_ratio in cells.items()
    }


def _ratio_for(curve: dict[float, float], level: float) -> float:
    return next((ratio for ratio in _GRID if curve[ratio] >= level), 1.0)
