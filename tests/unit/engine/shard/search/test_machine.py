import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.unit.engine.shard.search.corpus import Corpus, Journal, bm25, drain, found, text_of
from tierfold.engine.shard.search import (
    documents,
    indexer,
    merging,
    postings,
    record,
    runs,
)
from tierfold.engine.shard.search.keys import STATE_KEY
from tierfold.ports import Family

WORDS = ("harbour", "boats", "boat", "lantern", "HTTPServer", "x-12", "\u6e2f\u53e3\u8239", "the")
TEXTS = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)
IDS = st.sampled_from(["a", "b", "c", "d"])


def small(patch: pytest.MonkeyPatch) -> None:
    """Make everything small, so that few documents take all ways."""
    for module, name, value in (
        (record, "FAN_IN", 2),
        (record, "RUN_DOCUMENTS", 2),
        (indexer, "RUN_DOCUMENTS", 3),
        (postings, "BLOCK_POSTINGS", 2),
        (documents, "LENGTHS_CHUNK", 2),
        (documents, "NAMES_CHUNK", 2),
        (merging, "STEP_BLOCKS", 2),
        (merging, "STEP_KEYS", 3),
        (runs, "NAMES_CHUNK", 2),
    ):
        patch.setattr(module, name, value)


class SearchMachine(RuleBasedStateMachine):
    """Contexts come and go, steps, crashes and rebuilds come in between."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        small(self.patch)
        self.corpus = Corpus(Journal())
        self.index = self.corpus.index()

    @rule(id_=IDS, texts=st.lists(TEXTS, min_size=1, max_size=5))
    def append(self, id_: str, texts: list[str]) -> None:
        self.corpus.append(id_, texts)

    @precondition(lambda self: self.corpus.contexts)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        _, id_ = data.draw(st.sampled_from(sorted(self.corpus.contexts)))
        self.corpus.delete(id_)

    @precondition(lambda self: self.corpus.contexts)
    @rule(data=st.data())
    def replace(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.corpus.contexts)))
        items = data.draw(st.permutations(self.corpus.contexts[key]))
        self.corpus.replace(key[1], items[: max(1, len(items) - 1)])

    @rule(count=st.integers(1, 12))
    def step(self, count: int) -> None:
        for _ in range(count):
            self.index.step(0)

    @rule()
    def compact(self) -> None:
        self.index.compact()

    @rule()
    def rebuild(self) -> None:
        self.index.rebuild()

    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        values = self.corpus.values
        assert isinstance(values, Journal)
        self.corpus.values = values.after_crash(data.draw(st.integers(0, values.unsynced())))
        self.index = self.corpus.index()

    @rule(query=TEXTS)
    def search(self, query: str) -> None:
        hits = found(self.index, query)
        live = set(self.corpus.texts())
        assert all(hit.text in live for hit in hits.hits)
        if not self.index.is_complete or hits.segments_waiting:
            drain(self.index)
            hits = found(self.index, query)
        assert hits.segments_waiting == 0
        assert [hit.score for hit in hits.hits] == pytest.approx(bm25(self.corpus.texts(), query))
        for hit in hits.hits:
            assert text_of(self.corpus.contexts["local", hit.context][hit.item]) == hit.text

    @invariant()
    def never_reports_less_than_nothing(self) -> None:
        assert found(self.index, "boat").segments_waiting >= 0

    def teardown(self) -> None:
        drain(self.index)
        self.index.compact()
        for _, id_ in list(self.corpus.contexts):
            self.corpus.delete(id_)
        self.index.compact()
        assert [key for key, _ in self.corpus.values.scan(Family.SEARCH, b"")] == [STATE_KEY]
        self.patch.undo()


TestSearchMachine = SearchMachine.TestCase
TestSearchMachine.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestSearchMachine.__doc__ = """What is found is what BM25 over all live segments says."""
