"""Fit the coefficients of `tierfold.relevance` on the train split, without the dialogue kind.

    python -m benchmarks.fit --data ../shared/data

Prints cross-validated recall, reliability and the kind-only control; writes coefficients.json.
"""

import argparse
import json
import platform
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import rankdata
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from benchmarks.examples import FOLDS, Example, examples_of
from tierfold.relevance import quality as quality_room
from tierfold.relevance.duplicates import discount_duplicates
from tierfold.relevance.features import matrix
from tierfold.relevance.forest import NODES, Forest
from tierfold.relevance.model import (
    BALANCED,
    FAST,
    QUERY_FREE,
    Calibration,
    context_facts,
    sigmoid,
)

Array = NDArray[np.float64]

TARGET = Path(__file__).parents[1] / "platform/tierfold/relevance/coefficients.json"
RATIOS = (0.25, 0.10, 0.05)
QUALITY_RATIOS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.25, 0.4, 0.5, 0.7, 0.9)
FLOORS = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
KNOT = 0.99  # quantile of scores above which the calibration has a slope of its own
NEVER_FITTED = "dialogue"  # its licence is for evaluation only


def row_weights(examples: list[Example], *, balanced: bool) -> Array:
    """Weigh kinds alike and queries alike; balanced: also both labels of a query alike."""
    per_kind: dict[str, int] = defaultdict(int)
    for example in examples:
        per_kind[example.context.kind] += 1
    rows = []
    for example in examples:
        label, count = example.label, len(example.label)
        positive = label.sum()
        each = np.where(label, 0.5 / max(positive, 1), 0.5 / max(count - positive, 1))
        rows.append(
            (each if balanced else np.full(count, 1 / count)) / per_kind[example.context.kind]
        )
    weights = np.concatenate(rows)
    return np.asarray(weights / weights.mean(), dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Boosting:
    """How a stage's trees are grown: `forests` times, averaged; more trees cost time to ask."""

    forests: int
    trees: int
    rate: float
    column_share: float  # of the features a split may choose from


BOOSTING = {
    FAST: Boosting(forests=1, trees=24, rate=0.25, column_share=1.0),
    BALANCED: Boosting(forests=3, trees=80, rate=0.1, column_share=0.5),
    QUERY_FREE: Boosting(forests=1, trees=16, rate=0.25, column_share=1.0),
}

# More of these never makes a unit less likely: a forest that has learned otherwise has learned
# an accident, and stumbles on texts unlike those it was fitted on.
_RISING = """
lexical lexical_share coverage number_coverage cosine cosine_scaled fused total total_scaled
total_standard group_lexical group_cosine group_best section_lexical section_cosine
section_best feedback
"""
RISING = frozenset(_RISING.split())
FALLING = frozenset({"log_rank", "rank_share"})


def fit_forest(examples: list[Example], stage: str) -> dict[str, Any]:
    """Boost small trees on balanced labels; returns the stored form."""
    names = tuple(examples[0].features[stage])
    rows = np.concatenate([matrix(e.features[stage], names).T for e in examples])
    label = np.concatenate([e.label for e in examples])
    weight = row_weights(examples, balanced=True)
    plan = BOOSTING[stage]
    boosters = [_booster(plan, seed, names) for seed in range(plan.forests)]
    for booster in boosters:
        booster.fit(rows, label, sample_weight=weight)
    stored = {
        "names": names,
        "start": float(np.mean([b._baseline_prediction for b in boosters])),  # noqa: SLF001
        "trees": [
            _tree(step[0].nodes, plan.forests)
            for booster in boosters
            for step in booster._predictors  # noqa: SLF001
        ],
    }
    score = Forest.load(stored).score(np.ascontiguousarray(rows[:5000].T))
    asked = np.mean([booster.decision_function(rows[:5000]) for booster in boosters], axis=0)
    if not np.allclose(score, asked, atol=1e-3):
        raise AssertionError
    return _pruned(stored)


def _booster(plan: Boosting, seed: int, names: tuple[str, ...]) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        max_iter=plan.trees,
        learning_rate=plan.rate,
        max_features=plan.column_share,
        max_leaf_nodes=NODES + 1,
        min_samples_leaf=40,
        l2_regularization=1.0,
        monotonic_cst=[(name in RISING) - (name in FALLING) for name in names],
        early_stopping=False,
        random_state=seed,
    )


def _tree(nodes: NDArray[Any], forests: int) -> dict[str, Any]:
    """Return inner nodes and leaves, numbered apart; a child is a node, or ~leaf."""
    is_leaf = nodes["is_leaf"].astype(bool)
    number = np.where(is_leaf, ~(np.cumsum(is_leaf) - 1), np.cumsum(~is_leaf) - 1)
    inner = nodes[~is_leaf]
    return {
        "feature": inner["feature_idx"].tolist(),
        "threshold": [float(np.float32(x)) for x in inner["num_threshold"]],
        "left": number[inner["left"]].tolist(),
        "right": number[inner["right"]].tolist(),
        "value": [round(float(x) / forests, 6) for x in nodes[is_leaf]["value"]],
    }


def _pruned(stored: dict[str, Any]) -> dict[str, Any]:
    """Drop the features no tree asks for."""
    used = sorted({feature for tree in stored["trees"] for feature in tree["feature"]})
    place = {feature: index for index, feature in enumerate(used)}
    for tree in stored["trees"]:
        tree["feature"] = [place[feature] for feature in tree["feature"]]
    return stored | {"names": [stored["names"][feature] for feature in used]}


def score_of(stored: dict[str, Any], example: Example, stage: str) -> Array:
    """Score one example's units."""
    forest = Forest.load(stored)
    return forest.score(matrix(example.features[stage], forest.names))


def held_out_scores(examples: list[Example], stage: str) -> list[Array]:
    """Score each example by the forest of the other folds."""
    scores: list[Array] = [np.zeros(0)] * len(examples)
    for fold in range(FOLDS):
        forest = fit_forest([e for e in examples if e.fold != fold], stage)
        for index, example in enumerate(examples):
            if example.fold == fold:
                scores[index] = score_of(forest, example, stage)
    return scores


def fit_calibration(examples: list[Example], scores: list[Array], stage: str) -> dict[str, Any]:
    """Fit the logistic from held-out score to probability, every unit counted once."""
    knot = float(np.quantile(np.concatenate(scores), KNOT))
    facts = [context_facts(e.features[stage], s) for e, s in zip(examples, scores, strict=True)]
    rows = np.concatenate(
        [
            np.column_stack([s, np.maximum(s - knot, 0), np.broadcast_to(f, (len(s), len(f)))])
            for s, f in zip(scores, facts, strict=True)
        ],
    )
    center, scale = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    logistic = LogisticRegression(C=1.0, max_iter=1000)
    logistic.fit((rows - center) / scale, np.concatenate([e.label for e in examples]))
    weights = logistic.coef_[0] / scale
    if min(weights[0], weights[0] + weights[1]) <= 0:
        raise AssertionError
    return {
        "intercept": float(logistic.intercept_[0] - weights @ center),
        "slope": float(weights[0]),
        "knot": knot,
        "bend": float(weights[1]),
        "weights": [float(weight) for weight in weights[2:]],
    }


def calibrated(calibration: dict[str, Any], example: Example, score: Array, stage: str) -> Array:
    """Apply a calibration, and the stage's discount of copies."""
    probability = Calibration.load(calibration).probability(score, example.features[stage])
    if stage == BALANCED:
        return discount_duplicates(probability, example.working.postings)
    return probability


def selected(probability: Array, tokens: NDArray[np.int32], budget: int, exponent: float) -> Any:
    """Fill a budget by density, one token charged for each run of units left out."""
    order = np.argsort(-probability / np.maximum(tokens, 1) ** exponent, kind="stable")
    cost = tokens.tolist()
    kept = bytearray(len(tokens) + 2)
    kept[0] = kept[-1] = 1
    left = budget - 1
    for index in order.tolist():
        charge = cost[index] + 1 - kept[index] - kept[index + 2]
        if charge <= left:
            kept[index + 1] = 1
            left -= charge
            if left < 1:
                break
    return np.frombuffer(bytes(kept[1:-1]), dtype=np.uint8).astype(np.bool_)


def recall_table(
    examples: list[Example],
    probabilities: list[Array],
    exponent: float,
) -> dict[str, list[float]]:
    """Mean recall of each kind at each of RATIOS."""
    table: dict[str, list[list[float]]] = defaultdict(list)
    for example, probability in zip(examples, probabilities, strict=True):
        total = int(example.tokens.sum())
        table[example.context.kind].append(
            [
                example.query.recall(
                    set(
                        np.flatnonzero(
                            selected(probability, example.tokens, int(ratio * total), exponent),
                        ).tolist(),
                    ),
                )
                for ratio in RATIOS
            ],
        )
    return {kind: np.mean(rows, axis=0).tolist() for kind, rows in sorted(table.items())}


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityRows:
    """Selections of all examples at QUALITY_RATIOS, one a row."""

    measures: Array  # (r, m)
    recall: Array  # (r,)
    example: NDArray[np.int64]  # (r,)
    ratio: Array  # (r,) the ratio asked for
    weight: Array  # (r,)


def quality_rows(
    examples: list[Example], probabilities: list[Array], exponent: float
) -> QualityRows:
    """Measure what selections keep, and what they are worth in truth."""
    kinds = [e.context.kind for e in examples]
    measures, recall = [], []
    for example, probability in zip(examples, probabilities, strict=True):
        tokens = example.tokens
        facts = quality_room.facts_of(example.working, probability)
        for ratio in QUALITY_RATIOS:
            kept = selected(probability, tokens, int(ratio * int(tokens.sum())), exponent)
            order = np.argsort(~kept, kind="stable")
            selections = quality_room.prefixes(
                probability[order], tokens[order].astype(float), np.array([int(kept.sum())])
            )
            measures.append(quality_room.measures(selections, facts)[0])
            recall.append(example.query.recall(set(np.flatnonzero(kept).tolist())))
    each = np.repeat([kinds.count(kind) ** -0.5 for kind in kinds], len(QUALITY_RATIOS))
    return QualityRows(
        measures=np.array(measures),
        recall=np.array(recall),
        example=np.repeat(np.arange(len(examples)), len(QUALITY_RATIOS)),
        ratio=np.tile(QUALITY_RATIOS, len(examples)),
        weight=each / each.mean(),
    )


def bounded_logistic(
    rows: Array, target: Array, weight: Array, positive: NDArray[np.bool_]
) -> Array:
    """Fit a logistic on soft labels with some weights held at or above zero."""
    scale = rows.std(axis=0)
    scale[scale == 0] = 1.0
    scaled = rows / scale
    ridge = np.where(rows.std(axis=0) == 0, 0.0, 3.0)

    def loss(weights: Array) -> tuple[float, Array]:
        logit = scaled @ weights
        value = weight @ (np.logaddexp(0.0, logit) - target * logit) + 0.5 * ridge @ weights**2
        return float(value), scaled.T @ (weight * (sigmoid(logit) - target)) + ridge * weights

    bounds = [(0.0, None) if p else (None, None) for p in positive]
    solved = minimize(
        loss,
        np.zeros(rows.shape[1]),
        jac=True,
        bounds=bounds,
        method="L-BFGS-B",
        options={"maxiter": 3000, "maxfun": 6000},
    )
    return np.asarray(solved.x / scale, dtype=np.float64)


def fit_quality(rows: QualityRows, chosen: NDArray[np.bool_]) -> dict[str, list[float]]:
    """Fit both calibrators on some rows."""
    measures, recall, weight = rows.measures[chosen], rows.recall[chosen], rows.weight[chosen]
    positive = np.arange(measures.shape[1]) < quality_room.GROWING_COUNT
    expected = bounded_logistic(measures, recall, weight, positive)
    floors = np.concatenate(
        [
            np.column_stack(
                [measures, np.broadcast_to(-quality_room.floor_terms(floor), (len(recall), 3))]
            )
            for floor in FLOORS
        ],
    )
    reached = np.concatenate([recall >= floor - 1e-9 for floor in FLOORS]).astype(float)
    reach = bounded_logistic(
        floors, reached, np.tile(weight, len(FLOORS)), np.append(positive, [True] * 3)
    )
    return {
        "expected_weights": expected.tolist(),
        "floor_weights": reach[:-3].tolist(),
        "floor_terms": reach[-3:].tolist(),
    }


def report_quality(name: str, examples: list[Example], rows: QualityRows) -> None:
    """Print cross-validated figures of the estimate beside those of knowing the kind alone."""
    fold = np.array([e.fold for e in examples])[rows.example]
    kind = np.array([e.context.kind for e in examples])[rows.example]
    expected, control = np.zeros(len(fold)), np.zeros(len(fold))
    reach = np.zeros(len(fold))
    for held in range(FOLDS):
        out = fold == held
        fitted = quality_room.Calibrator.load(fit_quality(rows, ~out))
        expected[out] = fitted.expected(rows.measures[out])
        reach[out] = fitted.p_floor(rows.measures[out], 0.9)
        for key, ratio in {*zip(kind[out], rows.ratio[out], strict=True)}:
            cell = (kind == key) & (rows.ratio == ratio)
            seen = rows.recall[cell & ~out]
            control[cell & out] = seen.mean() if len(seen) else rows.recall[~out].mean()
    print(f"quality {name}: {figures(expected, rows, kind)}")
    print(f"  kind-only control: {figures(control, rows, kind)}")
    print(f"  expected/seen by tenth: {reliability(expected, rows.recall, 10)}")
    print(f"  P(share >= .9) by tenth: {reliability(reach, rows.recall >= 0.9 - 1e-9, 10)}")


def figures(estimate: Array, rows: QualityRows, kind: NDArray[np.str_]) -> str:
    """ECE in ten bins of equal count, mean absolute error, rank correlations."""
    order = np.array_split(np.argsort(estimate, kind="stable"), 10)
    gaps = [abs(estimate[part].mean() - rows.recall[part].mean()) for part in order]
    within = [
        rank_correlation(estimate[cell], rows.recall[cell])
        for key, ratio in sorted({*zip(kind, rows.ratio, strict=True)})
        if (cell := (kind == key) & (rows.ratio == ratio)).any()
    ]
    return (
        f"ECE {np.mean(gaps):.3f}  MAE {np.abs(estimate - rows.recall).mean():.3f}  "
        f"rho {rank_correlation(estimate, rows.recall):.2f}  "
        f"within kind and ratio {np.nanmean(within):.2f}"
    )


def rank_correlation(left: Array, right: Array) -> float:
    """Spearman's rho; not a number where one side is constant."""
    if np.ptp(left) == 0 or np.ptp(right) == 0:
        return float("nan")
    ranks = [rankdata(side) for side in (left, right)]
    return float(np.corrcoef(ranks)[0, 1])


def reliability(estimate: Array, truth: NDArray[Any], bins: int) -> str:
    """Mean estimate and truth in bins of equal count."""
    order = np.array_split(np.argsort(estimate, kind="stable"), bins)
    return " ".join(f"{estimate[part].mean():.3f}/{truth[part].mean():.3f}" for part in order)


def fit_stage(examples: list[Example], stage: str, exponent: float) -> dict[str, Any]:
    """Fit one stage's ranker, calibration and quality; print what cross-validation says."""
    scores = held_out_scores(examples, stage)
    calibration = fit_calibration(examples, scores, stage)
    pairs = list(zip(examples, scores, strict=True))
    probabilities = [calibrated(calibration, example, score, stage) for example, score in pairs]
    print_table(f"{stage}, train, held out", recall_table(examples, probabilities, exponent))
    everything = np.concatenate(probabilities)
    label = np.concatenate([e.label for e in examples])
    order = np.argsort(everything, kind="stable")
    edges = [0, *(len(order) - len(order) // 4**k for k in range(1, 7)), len(order)]
    for low, high in pairwise(edges):
        part = order[low:high]
        print(f"  p {everything[part].mean():.4f} seen {label[part].mean():.4f} of {len(part)}")
    rows = quality_rows(examples, probabilities, exponent)
    report_quality(stage, examples, rows)
    return {
        "model": {
            "forest": fit_forest(examples, stage),
            "calibration": calibration,
            "density_exponent": exponent,
        },
        "quality": fit_quality(rows, np.ones(len(rows.recall), dtype=np.bool_)),
    }


def print_table(title: str, table: dict[str, list[float]]) -> None:
    """Print recall by kind and its macro mean."""
    macro = np.mean(list(table.values()), axis=0)
    cells = "  ".join(f"{kind} {'/'.join(f'{x:.3f}' for x in row)}" for kind, row in table.items())
    print(f"{title}: macro {'/'.join(f'{x:.3f}' for x in macro)} | {cells}", flush=True)


def main() -> None:
    """Fit all stages and write the coefficients."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--exponent", type=float, default=0.0)
    arguments = parser.parse_args()
    read = examples_of(arguments.data / "compress", "train")
    examples = [e for e in read if e.context.kind != NEVER_FITTED]
    stages = (FAST, BALANCED, QUERY_FREE)
    fitted = {stage: fit_stage(examples, stage, arguments.exponent) for stage in stages}
    stored = {
        "provenance": {
            "command": "python -m benchmarks.fit --data ../shared/data",
            "data": "compress/train without the dialogue kind",
            "queries": len(examples),
            "rows": sum(len(e.label) for e in examples),
            "python": platform.python_version(),
            "scikit-learn": sklearn.__version__,
            "date": "2026-11-24",
        },
        "stages": {stage: fitted[stage]["model"] for stage in stages},
        "quality": {stage: fitted[stage]["quality"] for stage in stages},
    }
    TARGET.write_text(json.dumps(stored, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"wrote {TARGET.name}, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
