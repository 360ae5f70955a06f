from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tierfold
from tierfold import Budget, Document, Part, Store
from tierfold.config import Limits, Settings
from tierfold.context import DocumentSource
from tierfold.context.stored import ContextInfo
from tierfold.errors import (
    ContextExistsError,
    InvalidInputError,
    KeyReusedError,
    SetupError,
    StoreLockedError,
    TooLargeError,
    UnknownContextError,
    UnknownHandleError,
    VersionConflictError,
)

HELLO = {"role": "user", "content": "Find me a flight to Oslo."}
FLIGHT = {"role": "assistant", "content": "SK 463 leaves at 9:15."}
WEATHER = "The weather is nice there. Nobody complains about it. It rarely rains. "


@pytest.fixture
def store() -> Iterator[Store]:
    with tierfold.open(":memory:") as opened:
        yield opened


def test_what_was_stored_is_there_after_reopening(tmp_path: Path) -> None:
    """Every change is on the disk when the method returns."""
    with tierfold.open(tmp_path) as first:
        first.create("trip", messages=[HELLO], title="Oslo", metadata={"user": 7})
        first.append("trip", messages=[FLIGHT])
    with tierfold.open(tmp_path) as second:
        info = second.get("trip")
        assert second.messages("trip") == [HELLO, FLIGHT]
        assert (info.version, info.items, info.title, info.metadata) == (2, 2, "Oslo", {"user": 7})


def test_rows_come_back_as_they_were_sent(store: Store) -> None:
    """Tool calls, unknown fields, parts that are no text: equal as JSON."""
    rows: list[dict[str, Any]] = [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
            ],
            "x": {"y": 2**70 + 1},
        },
        {"role": "tool", "tool_call_id": "1", "content": "ok"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]},
    ]
    store.create("chat", messages=rows)
    assert store.messages("chat") == rows
    assert store.messages("chat", 1, 2) == rows[1:2]


def test_texts_and_documents_keep_their_shape(store: Store) -> None:
    """A text is one text again, a document in parts has the same parts."""
    text = "A line of text.\n" * 20_000
    store.create("text", text=text)
    document = Document(title="Report", parts=(Part(text="One. "), Part(text="Two.", role="user")))
    store.create("parts", document=document)
    whole, parts = store.source("text"), store.source("parts")
    assert isinstance(whole, DocumentSource)
    assert isinstance(parts, DocumentSource)
    assert whole.document.text == text
    assert (parts.document.title, parts.document.parts) == ("Report", document.parts)


def test_an_append_to_each_shape_goes_to_its_end(store: Store) -> None:
    """Rows to a chat, text to a text, parts to parts; nothing else."""
    store.create("text", text="a")
    store.append("text", text="b")
    store.create("parts", document={"parts": [{"text": "a"}]})
    store.append("parts", parts=["b", {"text": "c", "role": "user"}, Part(text="d")])
    text, parts = store.source("text"), store.source("parts")
    assert isinstance(text, DocumentSource)
    assert isinstance(parts, DocumentSource)
    assert text.document.text == "ab"
    assert parts.document.whole_text == "abcd"
    with pytest.raises(InvalidInputError):
        store.append("text", messages=[HELLO])


def test_put_stores_a_whole_history_again_and_again(store: Store) -> None:
    """The first creates, a longer one appends, another one replaces."""
    assert store.put("chat", messages=[HELLO]).version == 1
    assert store.put("chat", messages=[HELLO, FLIGHT]).version == 2
    assert store.put("chat", messages=[FLIGHT]).version == 3
    assert store.messages("chat") == [FLIGHT]


def test_putting_what_is_there_changes_nothing(store: Store) -> None:
    """A repeated request is no new version."""
    store.put("chat", messages=[HELLO, FLIGHT])
    assert store.put("chat", messages=[HELLO, FLIGHT]).version == 1


def test_a_change_at_another_version_is_refused(store: Store) -> None:
    """Two writers cannot overwrite one another unseen."""
    store.create("chat", messages=[HELLO])
    store.append("chat", messages=[FLIGHT], if_version=1)
    with pytest.raises(VersionConflictError) as refused:
        store.append("chat", messages=[FLIGHT], if_version=1)
    assert refused.value.current == 2
    assert store.get("chat").items == 2


def test_a_repeated_key_does_nothing_again(store: Store) -> None:
    """A client that heard no answer asks again with the same key."""
    store.create("chat", messages=[HELLO], idempotency_key="c")
    for _ in range(2):
        assert store.append("chat", messages=[FLIGHT], idempotency_key="k").version == 2
    with pytest.raises(KeyReusedError):
        store.append("chat", messages=[HELLO], idempotency_key="k")
    made = {store.create(messages=[HELLO], idempotency_key="made").id for _ in range(2)}
    assert len(made) == 1


def test_ids_are_made_and_are_not_made_twice(store: Store) -> None:
    """Made ones sort by time; a taken one is refused."""
    made = [store.create(messages=[]).id for _ in range(3)]
    assert len(set(made)) == 3
    store.create("x", messages=[])
    with pytest.raises(ContextExistsError):
        store.create("x", messages=[])


def test_a_stored_context_answers_as_the_input_would(store: Store) -> None:
    """The fold of a context is the fold of what it was stored from."""
    rows = [HELLO, {"role": "assistant", "content": WEATHER * 20}, FLIGHT, HELLO]
    store.create("chat", messages=rows)
    budget = Budget(max_tokens=120)
    stored = store.fold("chat", ask="When does it leave?", budget=budget)
    direct = tierfold.fold(messages=rows, ask="When does it leave?", budget=budget)
    assert stored.messages == direct.messages
    assert stored.usage.prompt_tokens <= 120


def test_an_answer_follows_what_is_appended(store: Store) -> None:
    """The working set held here is extended, and is never older than the store."""
    store.create("chat", messages=[HELLO])
    assert "9:15" not in store.fold("chat").text
    store.append("chat", messages=[FLIGHT])
    assert "9:15" in store.fold("chat").text
    store.delete("chat")
    with pytest.raises(UnknownContextError):
        store.fold("chat")


def test_what_is_left_out_can_be_brought_back(store: Store) -> None:
    """Byte for byte, by the handle that stands in the answer."""
    content = "".join(f"Sentence number {number} is about cargo. " for number in range(100))
    rows = [HELLO, {"role": "assistant", "content": content}, FLIGHT]
    store.create("chat", messages=rows)
    answer = store.fold("chat", ask="number 50", budget=Budget(max_tokens=200))
    assert answer.left_out
    for gap in answer.left_out:
        said = rows[gap.message or 0]["content"]
        assert gap.handle is not None
        assert store.bring_back(gap.handle) == said[gap.start : gap.end]
    store.delete("chat")
    with pytest.raises(UnknownHandleError):
        store.bring_back(answer.left_out[0].handle or "")


def test_life_and_pin_are_kept_and_changed(store: Store) -> None:
    """What is not named stays as it is."""
    store.create("chat", messages=[HELLO], title="old", ttl_s=60)
    assert store.get("chat").head.ttl_ms == 60_000
    info = store.update("chat", title="new", metadata={"a": 1}, pinned_s=5)
    assert (info.title, info.metadata, info.head.ttl_ms) == ("new", {"a": 1}, 60_000)
    assert info.head.pinned_until_ms > 0
    info = store.update("chat", ttl_s=0, pinned_s=0)
    assert (info.title, info.head.ttl_ms, info.head.pinned_until_ms) == ("new", 0, 0)


@pytest.mark.parametrize("ttl_s", [1e-300, 0.0001])
def test_the_shortest_life_is_not_for_ever(store: Store, ttl_s: float) -> None:
    """0 is for ever: what is more ends."""
    info = store.create("chat", messages=[HELLO], ttl_s=ttl_s)

    assert info.head.ttl_ms == 1


def test_what_changes_nothing_makes_no_version(store: Store) -> None:
    """Whoever compares versions has nothing to read anew."""
    store.create("chat", messages=[HELLO], title="old")
    versions = [
        store.append("chat", messages=[]).version,
        store.put("chat", messages=[HELLO]).version,
        store.update("chat").version,
        store.update("chat", title="old").version,
    ]
    store.create("notes", text="a")

    assert versions == [1] * 4
    assert store.append("notes", text="").version == 1


def test_all_contexts_are_listed_in_pages_and_whole() -> None:
    """Whatever the number of shards, in the order of ids."""
    with tierfold.open(":memory:", shards=3) as store:
        ids = [f"c{number:03}" for number in range(120)]
        for each in ids:
            store.create(each, messages=[])
        page = store.list(limit=50)
        assert [info.id for info in page.contexts] == ids[:50]
        assert page.has_more
        assert [info.id for info in store] == ids
        backwards = store.list(limit=2, descending=True)
        assert [info.id for info in backwards.contexts] == ["c119", "c118"]


def test_tenants_do_not_see_each_other(tmp_path: Path) -> None:
    """One folder, two tenants, one id: two contexts."""
    with tierfold.open(tmp_path, tenant="a") as store:
        store.create("chat", messages=[HELLO])
        handle = store.search("Oslo").hits[0].handle
    with tierfold.open(tmp_path, tenant="b") as other:
        assert not list(other)
        assert not other.search("Oslo").hits
        with pytest.raises(UnknownContextError):
            other.get("chat")
        with pytest.raises(UnknownHandleError):
            other.bring_back(handle)


def test_upkeep_can_be_asked_for(store: Store) -> None:
    """Compaction loses nothing, and an audit after it finds nothing wrong."""
    for number in range(30):
        store.create(f"c{number}", messages=[{"role": "user", "content": WEATHER * number}])
    store.delete("c3")
    store.compact()
    (report,) = store.audit()
    assert report.contexts == 29
    assert not report.findings
    assert store.messages("c7")[0]["content"] == WEATHER * 7
    assert sum(each.contexts for each in store.tiers()) == 29


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """A second one is told who has it, and may have it afterwards."""
    with tierfold.open(tmp_path), pytest.raises(StoreLockedError, match="open in process"):
        tierfold.open(tmp_path)
    tierfold.open(tmp_path).close()


def test_the_number_of_shards_stays(tmp_path: Path) -> None:
    """Another number would look for contexts where they are not."""
    with tierfold.open(tmp_path, shards=2) as store:
        store.create("chat", messages=[HELLO])
    with pytest.raises(SetupError, match="2 shards"):
        tierfold.open(tmp_path, shards=3)
    with tierfold.open(tmp_path) as store:
        assert store.messages("chat") == [HELLO]


def test_a_closed_store_says_so(store: Store) -> None:
    """And closing it twice is no error."""
    store.close()
    store.close()
    with pytest.raises(InvalidInputError, match="closed"):
        store.get("chat")


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"messages": [], "text": "a"},
        {"messages": [{"role": "nobody", "content": "a"}]},
        {"text": "\ud800"},
        {"messages": [], "ttl_s": float("nan")},
        {"messages": [], "ttl_s": -1},
        {"messages": [], "metadata": {"a": {1}}},
        {"messages": [], "idempotency_key": ""},
    ],
)
def test_what_cannot_be_stored_is_refused(store: Store, wrong: dict[str, Any]) -> None:
    """With a message, before anything is written."""
    with pytest.raises(InvalidInputError):
        store.create("chat", **wrong)
    assert not list(store)


def test_what_is_too_large_is_refused_by_name(store: Store) -> None:
    """One item has a limit, and so have title and metadata."""
    with pytest.raises(TooLargeError, match="item 0"):
        store.create("chat", messages=[{"role": "user", "content": "x" * (33 << 20)}])
    with pytest.raises(TooLargeError, match="title and metadata"):
        store.create("chat", messages=[], metadata={"x": "y" * 20_000})
    with pytest.raises(InvalidInputError, match="no chat"):
        store.messages(store.create(text="a").id)


def test_an_item_of_ten_megabytes_is_split_and_comes_back(store: Store) -> None:
    """Large tool results are ordinary."""
    row = {"role": "tool", "tool_call_id": "1", "content": "0123456789" * 1_000_000}
    store.create("chat", messages=[row])
    assert store.messages("chat") == [row]


def test_a_store_remembers_its_object_store(tmp_path: Path) -> None:
    """A command that opens it later follows the same one, and may leave it on purpose."""
    url = f"file://{tmp_path}/l4"
    with tierfold.open(tmp_path / "store", objects=url) as store:
        store.create("chat", messages=[HELLO])
    with tierfold.open(tmp_path / "store") as store:
        assert store.tiers()[0].object_store == url
    with tierfold.open(tmp_path / "store", objects="none") as store:
        assert not store.tiers()[0].object_store
        assert store.messages("chat") == [HELLO]
    with tierfold.open(tmp_path / "store") as store:
        assert not store.tiers()[0].object_store


def test_a_store_is_its_owners_alone(tmp_path: Path) -> None:
    """Contexts are private: nobody else on the machine may read them."""
    tierfold.open(tmp_path / "a" / "store").close()
    assert (tmp_path / "a" / "store").stat().st_mode & 0o077 == 0


def test_no_question_is_answered_from_before_a_change_made_here(store: Store) -> None:
    """A list written anew, a new title, another context of the same id: all are seen at once."""
    document = Document(text="Old text.", title="Old title")
    store.create("a", document=document)
    assert "Old text." in store.fold("a").text
    store.put("a", text="New text.")
    assert store.fold("a").text.strip() == "New text."

    store.delete("a")
    store.create("a", messages=[HELLO])
    assert store.fold("a").messages == [HELLO]
    store.put("a", messages=[FLIGHT])
    assert store.fold("a").messages == [FLIGHT]


def test_an_append_that_was_stored_never_fails_afterwards() -> None:
    """Where what is held in memory cannot be extended, it is read anew when somebody asks."""
    settings = Settings(limits=Limits(messages_max=2))
    with tierfold.open(":memory:", settings=settings) as store:
        store.create("a", messages=[HELLO, FLIGHT])
        store.fold("a")
        assert store.append("a", messages=[HELLO]).items == 3


def test_a_repeated_key_makes_one_context(store: Store) -> None:
    """Without an id too: a client that asks again does not know which one it was given."""
    first = store.create(messages=[HELLO], idempotency_key="k")
    assert store.create(messages=[HELLO], idempotency_key="k").id == first.id
    assert store.create(messages=[HELLO], idempotency_key="l").id != first.id
    assert len(list(store)) == 2


def test_a_document_that_is_put_brings_its_title(store: Store) -> None:
    """As one that is created does."""
    assert store.put("a", document=Document(text="x", title="Oslo")).title == "Oslo"


def test_title_and_metadata_changed_at_once_are_both_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are stored as one: who changes one of them never undoes a change of the other."""
    store.create("a", messages=[], title="old", metadata={"n": 0})
    found, others = store.get, [{"n": 1}]

    def get(id_: str) -> ContextInfo:
        info = found(id_)
        if others:
            store.update("a", metadata=others.pop())
        return info

    monkeypatch.setattr(store, "get", get)
    store.update("a", title="new")
    info = found("a")
    assert (info.title, info.metadata) == ("new", {"n": 1})


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": 5},
        {"text": b"x"},
        {"document": {"parts": [{"text": "x", "role": "a\x00b"}]}},
        {"document": {"parts": [{"text": "x", "role": "\ud800"}]}},
        {"text": "x", "metadata": [1]},
    ],
)
def test_what_would_come_back_as_something_else_is_refused(
    store: Store, wrong: dict[str, Any]
) -> None:
    """Nothing is turned into a text that was none, no role takes a piece of the text with it."""
    with pytest.raises(InvalidInputError):
        store.create("x", **wrong)


@pytest.mark.parametrize("wrong", [5, None, {"x": 1}, {"text": 5}, {"text": "a", "role": 7}])
def test_a_part_that_is_none_is_refused_by_its_place(store: Store, wrong: Any) -> None:
    """The caller is told which of many it was."""
    store.create("x", document={"parts": [{"text": "x"}]})
    with pytest.raises(InvalidInputError, match=r"parts\[1\]"):
        store.append("x", parts=["fine", wrong])


def test_pages_and_ranges_that_are_none_are_refused(store: Store) -> None:
    """An empty page that says there is more would be asked for again for ever."""
    store.create("x", messages=[HELLO])
    for wrong in (
        lambda: store.list(limit=0),
        lambda: store.list(after="\ud800"),
        lambda: store.search("Oslo", limit=0),
        lambda: store.search("\ud800"),
        lambda: store.items("x", -1),
        lambda: store.items("x", 0, -1),
    ):
        with pytest.raises(InvalidInputError):
            wrong()
