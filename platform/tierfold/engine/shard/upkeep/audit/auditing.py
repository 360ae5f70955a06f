"""The auditor: marks what heads reach, sweeps what is stored, and names every difference."""

from tierfold.compression.lossless import Dictionary
from tierfold.engine.shard.keys import split_tenant
from tierfold.engine.shard.upkeep.audit.bodies import BodiesAudit
from tierfold.engine.shard.upkeep.audit.contexts import ContextsAudit
from tierfold.engine.shard.upkeep.audit.findings import Findings
from tierfold.engine.shard.upkeep.audit.mending import Mending
from tierfold.engine.shard.upkeep.bodies import StoredBodies
from tierfold.engine.shard.upkeep.moving import Mover
from tierfold.engine.shard.upkeep.steps import Commits
from tierfold.engine.shard.upkeep.sweeping import sweep
from tierfold.errors import CorruptError
from tierfold.ports import Family, KeyValues


class Auditor:
    """Audits one shard; changes may go on meanwhile, every doubt is looked at twice."""

    def __init__(
        self, *, values: KeyValues, commits: Commits, bodies: StoredBodies, mover: Mover
    ) -> None:
        mending = Mending(values, commits, bodies, mover)
        self._values = values
        self._read = bodies
        self._bodies = BodiesAudit(values, bodies, mending)
        self._contexts = ContextsAudit(values, bodies, mending)

    def check(self, findings: Findings) -> None:
        """Read everything and note what is wrong; where it may repair, what could not be mended.

        Garbage is no damage: it goes when the shard is defragmented, or here.
        """
        self._read.clear()
        for check in (
            self._check_dictionaries,
            self._bodies.check_blocks,  # first what bodies are read from
            self._bodies.check_references,
            self._contexts.check_heads,
            self._contexts.check_catalogue,
            self._contexts.check_expiry,
            self._bodies.check_rows,
            self._check_rest,
        ):
            try:
                check(findings)
            except CorruptError as error:  # a table is broken, and hides what it had
                findings.add("corrupt", (error.key or b"").hex(), f"{error.what}: {error.problem}")

    def _check_dictionaries(self, findings: Findings) -> None:
        for key, value in sweep(self._values, Family.DICTIONARY):
            named = split_tenant(key)[1]
            try:
                if isinstance(value, CorruptError):
                    raise value
                if Dictionary.decode(value).id != named:
                    findings.add("corrupt", named.hex(), "a dictionary with other content")
            except CorruptError as error:
                findings.add("corrupt", named.hex(), f"a dictionary: {error.problem}")

    def _check_rest(self, findings: Findings) -> None:
        """Check what has nothing but a checksum."""
        for family in (Family.META, Family.OUTBOX):
            for key, value in sweep(self._values, family):
                if isinstance(value, CorruptError):
                    findings.add("corrupt", key.hex(), f"{family}: {value.problem}")
