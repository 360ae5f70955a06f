import numpy as np
import pytest

from benchmarks.baselines import StemmedBm25
from benchmarks.data import EvaluationSet
from benchmarks.generated import generated_set


@pytest.fixture(scope="module")
def shipped() -> EvaluationSet:
    return generated_set(seed=1)  # the seed of `python -m benchmarks.quality`


def baseline_recalls(evaluation: EvaluationSet, share: float) -> dict[str, float]:
    baselines = {name: StemmedBm25(each) for name, each in evaluation.contexts.items()}
    recalls: dict[str, list[float]] = {}
    for query in evaluation.queries:
        context = evaluation.contexts[query.context_id]
        kept = baselines[context.id].kept(query.question, int(share * sum(context.tokens)))
        recalls.setdefault(context.kind, []).append(query.recall(kept))
    return {kind: float(np.mean(values)) for kind, values in recalls.items()}


def test_word_overlap_neither_solves_the_generated_contexts_nor_fails_them(
    shipped: EvaluationSet,
) -> None:
    """A set on which the baseline reaches everything or nothing can show no gain."""
    by_kind = baseline_recalls(shipped, 0.10)

    assert 0.2 < np.mean(list(by_kind.values())) < 0.8
    assert all(0.4 <= recall <= 0.8 for recall in by_kind.values())


def test_evidence_is_what_was_written(shipped: EvaluationSet) -> None:
    """Every question's evidence is in its context, half of it over neighbouring segments."""
    spread = [len(query.evidence) > 1 for query in shipped.queries]

    assert 0.3 < np.mean(spread) < 0.7
    for query in shipped.queries:
        places = [place for group in query.evidence for place in group]
        assert max(places) < len(shipped.contexts[query.context_id].segments)
        assert max(places) - min(places) <= 2


def test_equal_seeds_write_equal_contexts(shipped: EvaluationSet) -> None:
    """Figures of two runs can be compared."""
    assert generated_set(seed=1) == shipped
