"""What a quality floor costs in tokens, against a control that knows only the kind."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import EvaluationSet
from benchmarks.evidence import EvidenceMeter, Outcome
from benchmarks.meter import say, table
from tierfold.context import Budget, Markers

_FLOOR = 0.9
_GRID = (0.05, 0.10, 0.15, 0.25, 0.35, 0.50, 0.70)
_BISECTIONS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Means of one kind at growing ratios, linear between them; nothing at 0, everything at 1."""

    ratios: NDArray[np.float64]
    recalls: NDArray[np.float64]
    tokens: NDArray[np.float64]  # share of the input that was kept

    def recall(self, ratio: float) -> float:
        """Return the mean recall at a ratio."""
        return float(np.interp(ratio, self.ratios, self.recalls))

    def kept(self, ratio: float) -> float:
        """Return the mean share of tokens kept at a ratio."""
        return float(np.interp(ratio, self.ratios, self.tokens))

    def ratio_for(self, recall: float) -> float:
        """Return the smallest ratio at which the mean recall reaches the level."""
        rising = np.maximum.accumulate(self.recalls)
        past = int(np.searchsorted(rising, recall, side="left"))
        if past == 0:
            return 0.0
        low, high = rising[past - 1], rising[past]
        share = (recall - low) / (high - low)
        return float(self.ratios[past - 1] + share * (self.ratios[past] - self.ratios[past - 1]))


def floor_tokens(
    train: EvaluationSet, dev: EvaluationSet, *, stage: str, markers: Markers
) -> float:
    """Return tokens kept at floor .9 over those the kind-only control keeps for the same recall.

    The control gives each kind one ratio: the one at which its mean recall on train reaches a
    level, the same for all kinds. The level is that at which its recall on dev equals ours.
    """
    ours = _ours(dev, stage, markers)
    control = same_recall(
        curves(EvidenceMeter(train, stage=stage, markers=markers).outcomes(_GRID)),
        curves(EvidenceMeter(dev, stage=stage, markers=markers).outcomes(_GRID)),
        ours[1],
    )
    say(f"floor {_FLOOR}: tokens kept and recall reached, macro over kinds")
    table(["", "tokens", "recall"], [["per answer", *ours], ["kind only", *control]])
    return ours[0] / control[0]


def same_recall(
    fitted: Mapping[str, Curve], held_out: Mapping[str, Curve], recall: float
) -> tuple[float, float]:
    """Return tokens and recall of the control where it reaches this recall on what is held out."""

    def at(level: float) -> tuple[float, float]:
        ratios = {kind: fitted[kind].ratio_for(level) for kind in held_out}
        tokens = [held_out[kind].kept(ratio) for kind, ratio in ratios.items()]
        recalls = [held_out[kind].recall(ratio) for kind, ratio in ratios.items()]
        return float(np.mean(tokens)), float(np.mean(recalls))

    low, high = 0.0, 1.0  # at level 1 every kind keeps what its best ratio keeps
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if at(middle)[1] < recall else (low, middle)
    return at(high)


def curves(outcomes: Sequence[Outcome]) -> dict[str, Curve]:
    """Return the curve of every kind."""
    cells: dict[str, dict[float, list[Outcome]]] = defaultdict(lambda: defaultdict(list))
    for outcome in outcomes:
        cells[outcome.kind][outcome.ratio].append(outcome)
    return {kind: _curve(by_ratio) for kind, by_ratio in sorted(cells.items())}


def _curve(by_ratio: Mapping[float, Sequence[Outcome]]) -> Curve:
    ratios = sorted(by_ratio)
    recalls = [float(np.mean([o.recall for o in by_ratio[r]])) for r in ratios]
    tokens = [float(np.mean([o.tokens / o.context_tokens for o in by_ratio[r]])) for r in ratios]
    return Curve(
        ratios=np.array([0.0, *ratios, 1.0]),
        recalls=np.array([0.0, *recalls, 1.0]),
        tokens=np.array([0.0, *tokens, 1.0]),
    )


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
