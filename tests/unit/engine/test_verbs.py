"""Which calls a verb makes, seen by a driver that notes them."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tierfold.config import Settings
from tierfold.context import DocumentSource, Source, TextSource
from tierfold.context.identity import ContextKey
from tierfold.context.source import ContextSource
from tierfold.engine import FakeClock
from tierfold.engine.contents import chat_contents, text_contents
from tierfold.engine.opening import MemoryShard
from tierfold.engine.shard.operations import (
    GetVersion,
    Operation,
    ReadSince,
    Replace,
)
from tierfold.engine.verbs import (
    Ask,
    AskAll,
    Build,
    Compute,
    Freshness,
    Step,
    Verbs,
    require_result,
)
from tierfold.engine.working import WorkingSets
from tierfold.errors import TierfoldError, UnknownContextError
from tierfold.wire import parse_messages

KEY = ContextKey("local", "chat")
ROWS = [{"role": "user", "content": f"Row {number} says something."} for number in range(6)]


@dataclass(slots=True)
class Desk:
    """Verbs over one shard in memory, the calls they make, and a clock that is told."""

    shard: MemoryShard
    clock: FakeClock = field(default_factory=FakeClock)
    asked: list[Operation] = field(default_factory=list)
    verbs: Verbs = field(init=False)

    def __post_init__(self) -> None:
        settings = Settings()
        self.verbs = Verbs(
            working_sets=WorkingSets(1 << 24),
            clock=self.clock,
            limits=settings.limits,
            store_limits=settings.store,
        )

    def run(self, steps: Generator[Step, Any, Any]) -> Any:
        """Drive a verb; what it asked stands in `asked` afterwards."""
        self.asked.clear()
        try:
            step = next(steps)
            while True:
                try:
                    step = steps.send(self._done(step))
                except TierfoldError as error:
                    step = steps.throw(error)
        except StopIteration as end:
            return end.value

    def _done(self, step: Step) -> Any:
        match step:
            case Compute(work=work):
                return work()
            case Build():
                return step.here()
            case Ask(operation=operation) | AskAll(operation=operation):
                self.asked.append(operation)
                (result,) = self.shard.call([operation])
                value = require_result(result)
                return [value] if isinstance(step, AskAll) else value

    def kinds(self) -> list[type]:
        """Return what was asked."""
        return [type(each) for each in self.asked]

    def ask(self, freshness: Freshness) -> str:
        """Read the context; returns the tier it came from."""
        _, account = self.run(self.verbs.working(KEY, "o200k", freshness))
        return str(account.tier)


@pytest.fixture
def desk() -> Iterator[Desk]:
    shard = MemoryShard(Settings())
    made = Desk(shard)
    made.run(made.verbs.create(KEY, chat_contents(parse_messages(ROWS[:3]))))
    yield made
    shard.close()


def test_within_a_second_a_session_asks_nobody(desk: Desk) -> None:
    """A question on what is held sends nothing at all."""
    assert desk.ask(Freshness()) == "L3"
    assert desk.kinds() == [ReadSince]
    desk.clock.advance(999)
    assert desk.ask(Freshness()) == "L0"
    assert not desk.asked


def test_after_a_second_a_session_asks_for_the_version_only(desk: Desk) -> None:
    """And then a second may pass again."""
    desk.ask(Freshness())
    desk.clock.advance(1001)
    assert desk.ask(Freshness()) == "L0"
    assert desk.kinds() == [GetVersion]
    assert desk.ask(Freshness()) == "L0"
    assert not desk.asked


def test_latest_always_asks_and_any_never(desk: Desk) -> None:
    """The three words mean what the documents say."""
    desk.ask(Freshness())
    assert desk.ask(Freshness(consistency="latest")) == "L0"
    assert desk.kinds() == [GetVersion]
    desk.clock.advance(1e9)
    assert desk.ask(Freshness(consistency="any")) == "L0"
    assert not desk.asked


def test_a_caller_never_sees_less_than_it_has_seen(desk: Desk) -> None:
    """Not even with `any`: what is held is older than the version it names."""
    other = Desk(desk.shard)
    desk.ask(Freshness())
    other.run(other.verbs.append(KEY, chat_contents(parse_messages(ROWS[3:4]))))
    assert desk.ask(Freshness(consistency="any", version_seen=2)) == "L3"
    assert desk.kinds() == [GetVersion, ReadSince]
    read = desk.asked[-1]
    assert isinstance(read, ReadSince)
    assert read.items == 3  # only what is new travels


def test_an_append_extends_what_is_held(desk: Desk) -> None:
    """The next question needs no text from anywhere."""
    desk.ask(Freshness())
    desk.run(desk.verbs.append(KEY, chat_contents(parse_messages(ROWS[3:5]))))
    loaded, account = desk.run(desk.verbs.working(KEY, "o200k"))
    assert not desk.asked
    assert (account.tier, loaded.info.version, loaded.items) == ("L0", 2, 5)


def test_a_context_made_anew_is_never_mistaken_for_the_old_one(desk: Desk) -> None:
    """Deleted and created elsewhere, it has the same id and the same version."""
    desk.ask(Freshness())
    other = Desk(desk.shard)
    other.run(other.verbs.delete(KEY))
    other.run(other.verbs.create(KEY, chat_contents(parse_messages(ROWS[4:5]))))
    loaded, _ = desk.run(desk.verbs.working(KEY, "o200k", Freshness(consistency="latest")))
    assert loaded.items == 1
    other.run(other.verbs.delete(KEY))
    with pytest.raises(UnknownContextError):
        desk.ask(Freshness(consistency="latest"))
    assert desk.verbs.working_sets.get(KEY, "o200k") is None


def test_a_resent_history_sends_only_what_is_new(desk: Desk) -> None:
    """The shard knows the beginning by its chain hash."""
    desk.run(desk.verbs.replace(KEY, chat_contents(parse_messages(ROWS[:5]))))
    (sent,) = [each for each in desk.asked if isinstance(each, Replace)]
    assert [item.segment.name for item in sent.items] == list(sent.names[3:])


def ask_version() -> Generator[Step, Any, Any]:
    """Ask the shard as a verb does."""
    return (yield Ask(KEY.slot, GetVersion(context=KEY)))


def test_a_long_history_is_hashed_where_it_disturbs_nobody(desk: Desk) -> None:
    """A driver in an event loop puts that elsewhere: 100,000 names take a tenth of a second."""
    steps = desk.verbs.replace(KEY, chat_contents(parse_messages(ROWS[:5])))
    next(steps)
    step = steps.send(desk.run(ask_version()))

    assert isinstance(step, Compute)
    assert step.size_bytes == 3 * 16
    assert step.work() is True


def test_a_changed_history_sends_what_the_shard_says_it_needs(desk: Desk) -> None:
    """A window that has moved on: rows that are there already do not travel again."""
    desk.run(desk.verbs.replace(KEY, chat_contents(parse_messages(ROWS[1:4]))))
    sent = [each for each in desk.asked if isinstance(each, Replace)]
    assert [len(each.items) for each in sent] == [0, 1]


def test_several_sources_are_read_and_weighed(desk: Desk) -> None:
    """Stored and sent sources stand side by side, in the caller's order."""
    sources: list[Source | ContextSource] = [
        TextSource(text="a"),
        ContextSource(id="chat", priority=2.0),
    ]
    ready = desk.run(desk.verbs.ready("local", sources, tokenizer="o200k"))
    assert [source.priority for source in ready.sources] == [1.0, 2.0]
    assert ready.working is None
    assert [account.id for account in ready.accounts] == ["chat"]


def test_a_text_is_cut_anew_when_it_grows(desk: Desk) -> None:
    """What is appended may change how all of it is cut, so nothing old is kept."""
    key = ContextKey("local", "text")
    desk.run(desk.verbs.create(key, text_contents("One sentence. ")))
    desk.run(desk.verbs.working(key, "o200k"))
    desk.run(desk.verbs.append(key, text_contents("Another one.")))
    loaded, _ = desk.run(desk.verbs.working(key, "o200k"))
    (source,) = loaded.prepared.sources
    assert isinstance(source, DocumentSource)
    assert source.document.text == "One sentence. Another one."
