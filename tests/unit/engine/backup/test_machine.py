"""Any order of changes, backups, deletions and restores, against dicts."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from tests.unit.engine.backup.worlds import Bench
from tierfold.engine import backup

IDS = st.sampled_from(["a", "b", "c", "d"])
TEXTS = st.lists(st.sampled_from(["x", "y", "z " * 40]), max_size=3)


class BackupMachine(RuleBasedStateMachine):
    """A store whose backups must all be, at any time, what the store was when they were made."""

    backups = Bundle("backups")

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(page_max=2)
        self.made: dict[str, dict[str, tuple[bytes, ...]]] = {}

    @rule(id_=IDS, texts=TEXTS)
    def put(self, id_: str, texts: list[str]) -> None:
        self.bench.wall.ms += 1
        self.bench.replace(id_, *texts)

    @rule(id_=IDS, texts=TEXTS)
    def append(self, id_: str, texts: list[str]) -> None:
        if id_ in self.bench.contents():
            self.bench.wall.ms += 1
            self.bench.append(id_, *texts)

    @rule(id_=IDS)
    def delete(self, id_: str) -> None:
        if id_ in self.bench.contents():
            self.bench.delete(id_)

    @rule(target=backups, full=st.booleans())
    def back_up(self, *, full: bool) -> str:
        report = self.bench.back_up(full=full)
        self.made[report.backup.id] = self.bench.contents()
        return report.backup.id

    @rule(steps=st.integers(0, 2))
    def break_off(self, steps: int) -> None:
        making = backup.create(self.bench.world)
        for _ in zip(range(steps), making, strict=False):
            pass
        making.close()
        broken_through = [info.id for info in backup.listed(self.bench.world)]
        for id_ in set(broken_through) - set(self.made):  # it came to its end
            self.made[id_] = self.bench.contents()

    @rule(id_=backups)
    def restore(self, id_: str) -> None:
        if id_ not in self.made:
            return
        report = self.bench.restore(id_, if_exists="replace")
        wanted = self.made[id_]
        assert report.restored + report.replaced + report.identical == len(wanted)
        assert report.damaged == ()
        contents = self.bench.contents()
        assert {name: contents[name] for name in wanted} == wanted

    @rule(id_=consumes(backups))
    def delete_backup(self, id_: str) -> None:
        if id_ in self.made:
            backup.delete(self.bench.world, id_)
            del self.made[id_]

    @invariant()
    def every_backup_is_whole(self) -> None:
        listed = [info.id for info in backup.listed(self.bench.world)]
        assert listed == sorted(self.made)
        assert self.bench.object_keys("/claims/") == []

    def teardown(self) -> None:
        for id_, wanted in self.made.items():
            other = Bench(self.bench.objects)
            report = other.restore(id_)
            assert other.contents() == wanted
            assert report.restored == len(wanted)
        audit: Any = self.bench.driver.run(self.bench.verbs.audit())
        assert [each.findings for each in audit] == [()]


BackupMachine.TestCase.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
TestBackups = BackupMachine.TestCase
