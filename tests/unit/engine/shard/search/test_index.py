import threading
from pathlib import Path

import pytest

from tests.unit.engine.shard.search.corpus import (
    Corpus,
    bm25,
    drain,
    found,
    item_of,
    message,
    reach,
    text_of,
)
from tierfold.context.canonical import message_item
from tierfold.context.handle import Handle
from tierfold.context.message import Message
from tierfold.engine.shard.keys import name_prefix
from tierfold.engine.shard.search import SearchIndex
from tierfold.engine.shard.search.bodies import ItemBodies
from tierfold.engine.shard.search.keys import WAITING, run_prefixes
from tierfold.engine.shard.search.postings import decode_block
from tierfold.engine.shard.search.words import term_of
from tierfold.errors import InvalidInputError, ObjectStoreError, TooLargeError
from tierfold.ports import Batch, Family
from tierfold.storage.memory import MemoryKeyValues
from tierfold.storage.rocks import RocksKeyValues


@pytest.fixture
def corpus() -> Corpus:
    made = Corpus()
    made.append("trip", ["the harbour at dawn", "a lantern in the window", "boats, boats"])
    made.append("work", ["reset the lantern_id", "harbour master"])
    return made


def scores(index: SearchIndex, query: str) -> list[float]:
    return [hit.score for hit in found(index, query).hits]


def terms_on_disk(corpus: Corpus) -> set[int]:
    blocks = corpus.values.scan(Family.SEARCH, b"p")
    return {term for _, value in blocks for term in decode_block(value).terms.tolist()}


def test_what_was_just_written_is_found_without_any_step(corpus: Corpus) -> None:
    """A caller who has written something looks for it at once."""
    index = corpus.index()
    hits = found(index, "lantern")
    assert {hit.text for hit in hits.hits} == {"a lantern in the window", "reset the lantern_id"}
    assert scores(index, "lantern") == pytest.approx(bm25(corpus.texts(), "lantern"))


def test_the_index_scores_as_bm25_over_all_segments_does(corpus: Corpus) -> None:
    """Background work changes how fast an answer is, never the answer."""
    index = corpus.index()
    drain(index)
    for query in ("harbour boats", "the lantern", "boat window nothing", "the", ""):
        assert scores(index, query) == pytest.approx(bm25(corpus.texts(), query))
    assert found(index, "harbour").segments_waiting == 0


def test_a_hit_says_where_the_item_is(corpus: Corpus) -> None:
    """The handle brings back the whole item; context and index say what it is."""
    index = corpus.index()
    drain(index)
    (hit,) = found(index, "boats").hits
    handle = Handle.decode(hit.handle)
    assert (hit.context, hit.item) == ("trip", 2)
    assert (handle.first, handle.count) == (2, 1)


def test_more_than_a_query_reads_itself_is_reported_as_waiting(corpus: Corpus) -> None:
    """Who gets an incomplete answer is told that it is."""
    index = corpus.index()
    drain(index)
    corpus.append("long", [f"note {number}" for number in range(100)])
    assert found(index, "harbour").segments_waiting == 36
    drain(index)
    assert found(index, "note").segments_waiting == 0
    assert len(found(index, "note").hits) == 100


def test_a_deleted_context_is_not_found_any_more_at_once(corpus: Corpus) -> None:
    """Whoever deletes something must not meet it again in the next answer."""
    index = corpus.index()
    drain(index)
    corpus.delete("work")
    assert [hit.context for hit in found(index, "lantern harbour").hits] == ["trip", "trip"]
    assert scores(index, "harbour lantern") == pytest.approx(
        bm25(corpus.texts(), "harbour lantern")
    )


def test_dead_documents_count_for_nothing_before_they_are_merged_away(corpus: Corpus) -> None:
    """Rarity and mean length are those of what is there."""
    index = corpus.index()
    drain(index)
    corpus.delete("work")
    drain(index)
    assert term_of("master", "local") in terms_on_disk(corpus)
    assert scores(index, "harbour lantern") == pytest.approx(
        bm25(corpus.texts(), "harbour lantern")
    )


def test_after_compaction_no_term_of_a_deleted_context_is_on_disk(corpus: Corpus) -> None:
    """A deleted text leaves no trace of its words."""
    index = corpus.index()
    drain(index)
    gone = {term_of(word, "local") for word in ("reset", "master", "lantern_id")}
    assert gone <= terms_on_disk(corpus)
    name = next(iter(corpus.contexts["local", "work"])).segment.name
    corpus.delete("work")
    index.compact()
    assert gone & terms_on_disk(corpus) == set()
    left = [key + value for key, value in corpus.values.scan(Family.SEARCH, b"")]
    assert [each for each in left if each.find(name) >= 0] == []
    assert scores(index, "harbour") == pytest.approx(bm25(corpus.texts(), "harbour"))


def test_more_dead_than_live_is_merged_away_in_the_background(corpus: Corpus) -> None:
    """The index does not keep what was deleted until somebody compacts it."""
    index = corpus.index()
    drain(index)
    corpus.delete("trip")
    drain(index)
    assert term_of("dawn", "local") not in terms_on_disk(corpus)


def test_an_expired_context_is_not_found(corpus: Corpus) -> None:
    """It counts as absent before anybody has removed it."""
    corpus.append("brief", ["a zeppelin"], ttl_ms=10)
    index = corpus.index()
    drain(index)
    assert len(found(index, "zeppelin").hits) == 1
    corpus.wall.now_ms += 20
    assert found(index, "zeppelin").hits == ()


def test_a_segment_that_two_contexts_share_is_found_in_the_one_that_is_left(
    corpus: Corpus,
) -> None:
    """A body is stored once; whoever still needs it still finds it."""
    corpus.append("again", ["boats, boats"])
    index = corpus.index()
    drain(index)
    assert len(found(index, "boats").hits) == 1
    for left, gone in (("again", "trip"),):
        corpus.delete(gone)
        assert [hit.context for hit in found(index, "boats").hits] == [left]


def test_tenants_find_nothing_of_one_another(corpus: Corpus) -> None:
    """Neither texts, nor counts, nor terms are shared."""
    corpus.append("other", ["a harbour far away"], tenant="else")
    index = corpus.index()
    drain(index)
    (hit,) = found(index, "harbour", tenant="else").hits
    assert hit.text == "a harbour far away"
    assert len(found(index, "harbour").hits) == 2
    assert term_of("harbour", "else") != term_of("harbour", "local")


def test_an_item_that_moved_is_found_where_it_is_now(corpus: Corpus) -> None:
    """A context that was written anew has its items elsewhere."""
    index = corpus.index()
    drain(index)
    corpus.replace("trip", [item_of("new"), *corpus.contexts["local", "trip"]])
    for _ in range(2):
        (hit,) = found(index, "boats").hits
        assert hit.item == 3


def test_items_beyond_the_first_pages_have_their_place(corpus: Corpus) -> None:
    """A long context is a tree of pages; a hit reads one of them."""
    corpus.append("long", [f"entry n{number}x" for number in range(200)])
    index = corpus.index()
    drain(index)
    assert [hit.item for hit in found(index, "n150x").hits[:1]] == [150]


def test_words_of_a_split_item_are_found(corpus: Corpus) -> None:
    """An item above 64 KiB lies in pieces, and its words may lie across their border."""
    corpus.append("long", ["filler words " * 20_000 + "zeppelin"])
    index = corpus.index()
    for _ in range(2):
        (hit,) = found(index, "zeppelin").hits
        assert len(hit.text) < 400
        assert hit.context == "long"
        drain(index)


def test_tool_calls_are_found_by_name_and_arguments(corpus: Corpus) -> None:
    """What a model did is part of what it said."""
    call = {"id": "1", "function": {"name": "book_flight", "arguments": '{"to": "Oslo"}'}}
    raw = {"role": "assistant", "content": None, "tool_calls": [call]}
    said = Message(role="assistant", content=None, raw=raw)
    corpus.add("calls", [message_item(said)])
    index = corpus.index()
    assert len(found(index, "oslo").hits) == len(found(index, "book_flight").hits) == 1


def test_a_lost_index_is_filled_from_the_contexts(corpus: Corpus) -> None:
    """It is a cache: whatever is stored can be found again."""
    corpus.append("long", [f"entry n{number}x" for number in range(3000)])
    corpus.append("more", ["harbour in the evening"])
    index = corpus.index()
    drain(index)
    before = scores(index, "harbour n150x n2999x")
    assert isinstance(corpus.values, MemoryKeyValues)
    corpus.values.drop(Family.SEARCH)
    again = corpus.index()
    assert not again.is_complete
    assert found(again, "harbour").segments_waiting == 1
    drain(again)
    assert again.is_complete
    assert scores(again, "harbour n150x n2999x") == pytest.approx(before)
    assert [hit.item for hit in found(again, "n2999x").hits[:1]] == [2999]


def test_a_damaged_index_is_filled_anew(corpus: Corpus) -> None:
    """Damage to a cache costs time, never an answer."""
    index = corpus.index()
    drain(index)
    key = next(key for key, _ in corpus.values.scan(Family.SEARCH, b"p"))
    assert isinstance(corpus.values, MemoryKeyValues)
    corpus.values.damage(Family.SEARCH, key)
    assert found(index, "harbour").segments_waiting == 1
    drain(index)
    assert scores(index, "harbour") == pytest.approx(bm25(corpus.texts(), "harbour"))


def test_a_step_that_meets_damage_begins_anew(corpus: Corpus) -> None:
    """The indexer heals what no query has met."""
    index = corpus.index()
    drain(index)
    key = next(key for key, _ in corpus.values.scan(Family.SEARCH, b"t"))
    assert isinstance(corpus.values, MemoryKeyValues)
    corpus.values.damage(Family.SEARCH, key)
    corpus.append("trip", ["a new harbour"])
    drain(index)
    assert scores(index, "harbour") == pytest.approx(bm25(corpus.texts(), "harbour"))


def test_dropping_leaves_nothing_behind(corpus: Corpus) -> None:
    """Search that is switched off takes no room; switched on again it finds everything."""
    index = corpus.index()
    drain(index)
    assert index.size_bytes > 0
    index.drop()
    assert list(corpus.values.scan(Family.SEARCH, b"")) == []
    assert index.size_bytes == 0
    drain(index)
    assert scores(index, "harbour") == pytest.approx(bm25(corpus.texts(), "harbour"))


def test_a_damaged_body_is_left_out_and_stops_nothing(corpus: Corpus) -> None:
    """The audit names what is damaged; search goes on with the rest."""
    name = corpus.contexts["local", "trip"][0].segment.name
    assert isinstance(corpus.values, MemoryKeyValues)
    corpus.values.damage(Family.BODY, name_prefix("local", name))
    index = corpus.index()
    assert [hit.context for hit in found(index, "harbour").hits] == ["work"]
    drain(index)
    assert [hit.context for hit in found(index, "harbour").hits] == ["work"]


def test_a_body_damaged_after_it_was_indexed_is_no_hit(corpus: Corpus) -> None:
    """A hit whose text cannot be shown helps nobody."""
    index = corpus.index()
    drain(index)
    name = corpus.contexts["local", "trip"][0].segment.name
    assert isinstance(corpus.values, MemoryKeyValues)
    corpus.values.damage(Family.BODY, name_prefix("local", name))
    assert [hit.context for hit in found(index, "harbour").hits] == ["work"]
    drain(index)


def test_what_the_object_store_does_not_give_waits_for_it(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A segment that is out of reach is indexed later, and keeps nothing else back."""
    away = corpus.contexts["local", "trip"][0].segment.name
    whole = ItemBodies.whole

    def unreachable(self: ItemBodies, tenant: str, name: bytes) -> bytes:
        if name == away:
            raise ObjectStoreError(url="memory://", problem="no answer")
        return whole(self, tenant, away.__class__(name))

    monkeypatch.setattr(ItemBodies, "whole", unreachable)
    index = corpus.index()
    drain(index)
    assert found(index, "lantern").segments_waiting == 1
    assert len(found(index, "lantern").hits) == 2
    monkeypatch.undo()
    drain(index)
    assert found(index, "dawn").segments_waiting == 0
    assert len(found(index, "dawn").hits) == 1


def test_a_crash_while_segments_are_looked_at_loses_none(corpus: Corpus) -> None:
    """A claim outlives the process that made it."""
    index = corpus.index()
    while not index.is_complete:
        index.step(0)
    corpus.append("late", ["a zeppelin"])
    corpus.index()._waiting.take(10)  # noqa: SLF001 - what a step does before it is killed
    assert list(corpus.values.scan(Family.SEARCH, WAITING)) == []
    again = corpus.index()
    assert len(found(again, "zeppelin").hits) == 1
    drain(again)
    assert len(found(again, "zeppelin").hits) == 1


def test_dead_hits_that_nobody_told_of_are_removed(corpus: Corpus) -> None:
    """A query that meets a segment without a context has it looked at."""
    index = corpus.index()
    drain(index)
    corpus.delete("work")
    for key, _ in list(corpus.values.scan(Family.SEARCH, WAITING)):
        batch_delete(corpus, key)
    assert len(found(index, "harbour lantern").hits) == 2
    assert index.step(0)
    drain(index)
    assert scores(index, "harbour") == pytest.approx(bm25(corpus.texts(), "harbour"))


def batch_delete(corpus: Corpus, key: bytes) -> None:
    batch = Batch()
    batch.delete(Family.SEARCH, key)
    corpus.values.write(batch)


def test_asking_for_too_much_is_refused_or_cut(corpus: Corpus) -> None:
    """Nobody makes the shard read a book as a query, or send all it has."""
    index = corpus.index()
    with pytest.raises(TooLargeError):
        found(index, "word " * 10_000)
    with pytest.raises(InvalidInputError):
        found(index, "word", limit=0)
    assert len(found(index, "harbour", limit=1).hits) == 1
    corpus.append("long", [f"note {number}" for number in range(200)])
    drain(index)
    assert len(found(index, "note", limit=10**9).hits) == 100


def test_queries_and_steps_run_side_by_side(corpus: Corpus) -> None:
    """A query never sees half of what a step has changed."""
    index = corpus.index()
    drain(index)
    problems: list[object] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            hits = found(index, "lantern")
            if len(hits.hits) != 2:
                problems.append(hits)

    asking = threading.Thread(target=ask)
    asking.start()
    for number in range(60):
        corpus.append(f"c{number}", [f"filler {number}", f"words {number}"])
        index.step(0)
        if number % 3 == 2:
            corpus.delete(f"c{number}")
    index.compact()
    done.set()
    asking.join()
    assert problems == []


def test_a_database_on_disk_keeps_the_index_and_gives_its_space_back(tmp_path: Path) -> None:
    """Reopened it goes on where it was, and what was deleted takes no room."""
    values = RocksKeyValues(tmp_path / "db")
    corpus = Corpus(values)
    corpus.append("trip", [f"harbour and boat n{number}x" for number in range(600)])
    corpus.append("work", ["a lantern"])
    index = corpus.index()
    drain(index)
    values.close()
    corpus.values = values = RocksKeyValues(tmp_path / "db")
    index = corpus.index()
    assert index.is_complete
    assert scores(index, "n17x boat") == pytest.approx(bm25(corpus.texts(), "n17x boat")[:100])
    values.compact()
    before = index.size_bytes
    corpus.delete("trip")
    index.compact()
    values.compact()
    assert index.size_bytes < before / 4
    assert [hit.text for hit in found(index, "lantern boat").hits] == ["a lantern"]
    values.close()


def test_the_runs_that_were_merged_are_removed(corpus: Corpus) -> None:
    """Every run is read or gone."""
    index = corpus.index()
    for number in range(40):
        corpus.append("grow", [f"entry {number}"])
        drain(index)
    kept = [
        run
        for run in range(100)
        if any(
            next(corpus.values.scan(Family.SEARCH, prefix), None)
            for prefix in run_prefixes("local", run)
        )
    ]
    assert len(kept) < 10
    assert scores(index, "entry") == pytest.approx(bm25(corpus.texts(), "entry"))


def test_builders_agree_with_the_store() -> None:
    """The tests' own texts are what the index reads."""
    assert text_of(item_of("a\x00b")) == message("a\x00b").content


def test_a_damaged_page_costs_a_rebuild_only_its_own_items(corpus: Corpus) -> None:
    """What other pages list is found again all the same."""
    corpus.append("long", [f"entry n{number}x" for number in range(640)])
    index = corpus.index()
    head = corpus.heads["local", "long"]
    items = corpus.contexts["local", "long"]
    page = list(reach(head, items))[3].name
    assert isinstance(corpus.values, MemoryKeyValues)
    corpus.values.damage(Family.BODY, name_prefix("local", page))
    corpus.values.drop(Family.SEARCH)
    drain(index)
    assert index.is_complete
    sought = (0, 191, 192, 255, 256, 639)
    best = {number: found(index, f"n{number}x", limit=1).hits[0].item for number in sought}
    assert [number for number in sought if best[number] == number] == [0, 191, 256, 639]
