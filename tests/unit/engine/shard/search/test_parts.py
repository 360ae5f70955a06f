import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.engine.shard.search.corpus import Corpus, drain
from tierfold.context.segment import SegmentKind, segment
from tierfold.engine.shard.search.arrays import packed, unpacked
from tierfold.engine.shard.search.keys import position_of, waiting_value
from tierfold.engine.shard.search.lookup import holders_of
from tierfold.engine.shard.search.postings import Postings, decode_block, encode_block
from tierfold.engine.shard.search.record import Merge, Record, Run, due_merge
from tierfold.engine.shard.search.runs import Runs
from tierfold.engine.shard.search.snippet import snippet
from tierfold.engine.shard.search.state import Phase, State, state_of
from tierfold.engine.shard.search.words import (
    QUERY_TERMS_MAX,
    count_terms,
    query_stems,
    term_of,
    text_in,
)
from tierfold.errors import CorruptError

NUMBERS = st.integers(1, 2**40)
RUNS = st.lists(st.builds(Run, st.integers(1, 2**31), st.integers(1, 2**40)), max_size=5)
MERGES = st.builds(
    Merge,
    output=st.builds(Run, st.integers(1, 2**31), st.integers(0, 2**40)),
    inputs=st.lists(st.integers(1, 2**31), min_size=1, max_size=9).map(tuple),
    has_documents=st.booleans(),
    term=st.integers(0, 2**64 - 1),
)
RECORDS = st.builds(
    Record,
    next_document=NUMBERS,
    next_run=NUMBERS,
    documents=NUMBERS,
    length=NUMBERS,
    dead=NUMBERS,
    runs=RUNS.map(tuple),
    retired=st.lists(st.integers(1, 2**31), max_size=4).map(tuple),
    merge=st.none() | MERGES,
)
OCCURRENCES = st.dictionaries(
    st.tuples(st.integers(0, 2**64 - 1), NUMBERS), st.integers(1, 2**31), min_size=1, max_size=60
)


@given(OCCURRENCES)
def test_a_block_of_postings_comes_back_as_it_was(counts: dict[tuple[int, int], int]) -> None:
    """A score is made of these numbers."""
    places = sorted(counts)
    block = Postings(
        terms=np.array([term for term, _ in places], np.uint64),
        documents=np.array([document for _, document in places], np.int64),
        counts=np.array([counts[place] for place in places], np.int64),
    )
    read = decode_block(encode_block(block))
    assert read.terms.tolist() == block.terms.tolist()
    assert read.documents.tolist() == block.documents.tolist()
    assert read.counts.tolist() == block.counts.tolist()
    for term, _ in places:
        assert set(read.of_term(term).terms.tolist()) == {term}


@pytest.mark.parametrize("cut", [1, 8, 12, 20])
def test_a_cut_block_is_damage(cut: int) -> None:
    """What is not whole is never half believed."""
    ones = np.ones(3, np.int64)
    block = Postings(
        terms=np.ones(3, np.uint64), documents=np.array([1, 2, 9], np.int64), counts=ones
    )
    with pytest.raises(CorruptError):
        decode_block(encode_block(block)[:-cut])


def test_arrays_that_do_not_fit_together_are_damage() -> None:
    """A value of another make is no block."""
    ones, none = np.ones(2, np.int64), np.zeros(0, np.int64)
    with pytest.raises(CorruptError):
        decode_block(bytes(8) + packed((ones.astype(np.uint64), ones, none, none)))
    with pytest.raises(CorruptError):
        unpacked(packed((ones,)) + b"\x00", 1)


@given(RECORDS)
def test_a_record_comes_back_as_it_was(record: Record) -> None:
    """It is all that says which runs there are."""
    assert Record.decode(record.encode()) == record


def test_a_record_of_another_make_is_damage() -> None:
    """Its first numbers are all there, or it is none."""
    none = np.zeros(0, np.int64)
    with pytest.raises(CorruptError):
        Record.decode(packed((none, none, none, none)))


@given(st.lists(st.integers(1, 3000), max_size=400))
def test_runs_stay_few_however_documents_come(sizes: list[int]) -> None:
    """A query reads each run once for each term."""
    runs: list[Run] = []
    for number, size in enumerate(sizes, 1):
        runs.append(Run(number, min(size, 256)))
        while (due := due_merge(Record(runs=tuple(runs), documents=1))) is not None:
            merged = sum(run.documents for run in runs if run.number in due)
            assert tuple(run.number for run in runs[-len(due) :]) == due
            runs = [*(run for run in runs if run.number not in due), Run(due[0], merged)]
    assert len(runs) <= 8 * 4


def test_dead_documents_make_a_merge_due() -> None:
    """More than half of them at once, any of them where none may be left."""
    record = Record(runs=(Run(1, 10),), documents=6, dead=4)
    assert due_merge(record) is None
    assert due_merge(record, all_dead=True) == (1,)
    assert due_merge(Record(runs=(Run(1, 10),), documents=4, dead=6)) == (1,)


@given(st.builds(State, phase=st.sampled_from(Phase), head=st.binary(), item=NUMBERS))
def test_a_state_comes_back_as_it_was(state: State) -> None:
    """A rebuild goes on where it was."""
    assert state_of(state.encode()) == state


@pytest.mark.parametrize("value", [None, b"", b"\x01", b"\x09" + bytes(12), b"\x01\x09" + bytes(9)])
def test_an_index_in_another_format_is_a_lost_one(value: bytes | None) -> None:
    """It is made anew rather than migrated."""
    assert state_of(value) == State()


@given(st.integers(-1, 2**40))
def test_a_position_comes_back_from_the_waiting_list(position: int) -> None:
    """It spares a hit the search for its item."""
    assert position_of(waiting_value(position)) == position
    assert len(waiting_value(position)) <= 6


def test_words_are_those_of_the_ranking() -> None:
    """What ranks high inside a context is what a search finds."""
    counted = count_terms(["The boats of HTTPServer", "\u6e2f\u53e3\u8239", ""], "local")
    held = {
        document: set(counted.postings.terms[counted.postings.documents == document].tolist())
        for document in range(3)
    }
    for word in ("boat", "http", "server", "httpserver"):
        assert term_of(word, "local") in held[0]
    assert held[1] == {term_of("\u6e2f\u53e3", "local"), term_of("\u53e3\u8239", "local")}
    assert held[2] == set()
    assert counted.lengths.tolist() == [3, 2, 0]


def test_a_query_has_only_so_many_terms() -> None:
    """Each of them is read from every run."""
    stems = query_stems(" ".join(f"word{number}x" for number in range(200)))
    assert len(stems) == QUERY_TERMS_MAX


def test_a_body_that_is_no_item_is_damage() -> None:
    """A page lists names, not words."""
    with pytest.raises(CorruptError):
        text_in(segment(SegmentKind.PAGE, bytes(16)).body)
    with pytest.raises(CorruptError):
        text_in(segment(SegmentKind.TEXT, b"\xff").body)
    with pytest.raises(CorruptError):
        text_in(segment(SegmentKind.MESSAGE, b"[]").body)


def test_every_kind_of_item_has_its_words() -> None:
    """Parts of a message, of a document, pieces of a text, and old function calls."""
    parts = b'{"content":[{"text":"one","type":"text"},{"type":"image"},3],"tool_calls":[3]}'
    assert text_in(segment(SegmentKind.MESSAGE, parts).body) == "one"
    called = b'{"function_call":{"arguments":"{}","name":"go"}}'
    assert text_in(segment(SegmentKind.MESSAGE, called).body) == "go\n{}"
    assert text_in(segment(SegmentKind.PART, b"user\x00two").body) == "two"
    assert text_in(segment(SegmentKind.TEXT, b"three").body) == "three"


def test_a_snippet_shows_the_words_that_were_found() -> None:
    """A person sees at a glance why something was found."""
    text = "filler words here " * 200 + "the zeppelin lands " + "and more of it " * 200
    shown = snippet(text, {"zeppelin": 2.0})
    assert "zeppelin" in shown
    assert len(shown) <= 330
    assert shown[0] == shown[-1] == "\u2026"
    assert snippet("short", {}) == "short"
    assert snippet("x" * 1000, {}).startswith("xxx")


def test_a_common_term_is_left_out_where_there_is_no_room_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A query's time has a bound; the rarest words say the most."""
    monkeypatch.setattr("tierfold.engine.shard.search.postings.BLOCK_POSTINGS", 4)
    corpus = Corpus()
    corpus.append("a", [f"harbour n{number}x" for number in range(40)])
    drain(corpus.index())
    runs, none = Runs(corpus.values), np.zeros(0, np.int64)
    record = runs.record("local")
    common, rare = term_of("harbour", "local"), term_of("n7x", "local")
    asked = {"dead": none, "postings_max": 20}
    whole = holders_of(runs, "local", record, [common, rare], dead=none)
    cut = holders_of(runs, "local", record, [common, rare], **asked)  # type: ignore[arg-type]
    alone = holders_of(runs, "local", record, [common], **asked)  # type: ignore[arg-type]
    assert {term: len(held.documents) for term, held in whole.items()} == {common: 40, rare: 1}
    assert list(cut) == [rare]
    assert 20 <= len(alone[common].documents) < 40
