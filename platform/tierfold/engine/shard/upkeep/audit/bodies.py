"""Rows and blocks against the references to them: every body must be what its name says."""

from collections.abc import Iterator, Mapping, Sequence

from tierfold.compression.lossless import Block
from tierfold.context.segment import Name, name_of
from tierfold.engine.shard.keys import (
    Place,
    block_key,
    name_prefix,
    split_reference,
    split_tenant,
    tenant_prefix,
)
from tierfold.engine.shard.upkeep.audit.findings import Findings
from tierfold.engine.shard.upkeep.audit.mending import Mending
from tierfold.engine.shard.upkeep.bodies import StoredBodies
from tierfold.engine.shard.upkeep.sweeping import sound, sweep
from tierfold.errors import CorruptError, ObjectStoreError
from tierfold.ports import Family, KeyValues

WINDOW_BLOCKS = 4096  # checked in one walk over the references: about 60 MB of names

_TRIES = 2  # a body may move between two reads


class BodiesAudit:
    """Checks rows, blocks, and that every reference leads to one of them."""

    def __init__(self, values: KeyValues, bodies: StoredBodies, mending: Mending) -> None:
        self._values = values
        self._bodies = bodies
        self._mending = mending

    def check_rows(self, findings: Findings) -> None:
        """Check every row: its checksum, its content, whether somebody needs it."""
        for key, value in sweep(self._values, Family.BODY):
            findings.segments += 1
            tenant, rest = split_tenant(key)
            name = Name(rest)
            problem = self._row_problem(tenant, name, value)
            if problem:
                findings.add("corrupt", name.hex(), problem)
            elif self._is_row_unneeded(tenant, name):
                mend = self._mending.row(tenant, name)
                findings.add("garbage", name.hex(), "a row that no context needs", mend)

    def check_blocks(self, findings: Findings) -> None:
        """Check every block: its checksum, its content, whether somebody needs it."""
        for tenant, window in self._windows(findings):
            wanted = self._wanted(tenant, window[0], window[-1])
            for number in window:
                findings.blocks += 1
                self._check_block(tenant, number, wanted.pop(number, {}), findings)

    def check_references(self, findings: Findings) -> None:
        """Check every reference: its checksum, and that it leads to a row or block."""
        numbers: set[int] = set()
        current = ""
        for key, value in sweep(self._values, Family.REFERENCE):
            findings.references += 1
            tenant, name, _ = split_reference(key)
            if isinstance(value, CorruptError):
                mend = self._mending.reference(key)
                findings.add("corrupt", name.hex(), f"a reference: {value.problem}", mend)
                continue
            if tenant != current:
                current, numbers = tenant, set(self._numbers(tenant))
            if Place.decode(value).block not in numbers and not self._is_there(tenant, name, key):
                findings.add("missing", name.hex(), "a context needs it, and it is nowhere")

    def _row_problem(self, tenant: str, name: Name, value: bytes | CorruptError) -> str:
        if isinstance(value, CorruptError):
            return f"its row: {value.problem}"
        try:
            body = self._bodies.codec_of(tenant).unframe(value)
        except CorruptError as error:
            return f"its row: {error.problem}"
        return "" if name_of(body) == name else "its row has other content than its name says"

    def _is_row_unneeded(self, tenant: str, name: Name) -> bool:
        prefix = name_prefix(tenant, name)
        places = self._values.scan(Family.REFERENCE, prefix)
        if any(not place for _, place in places):
            return False
        return self._values.get(Family.BODY, prefix) is not None

    def _windows(self, findings: Findings) -> Iterator[tuple[str, list[int]]]:
        """Yield runs of block numbers of one tenant, damaged blocks among them."""
        tenant, window = "", list[int]()
        for key, value in sweep(self._values, Family.BLOCK):
            of, rest = split_tenant(key)
            if window and (of != tenant or len(window) == WINDOW_BLOCKS):
                yield tenant, window
                window = []
            tenant = of
            number = int.from_bytes(rest, "big")
            problem = value.problem if isinstance(value, CorruptError) else ""
            if problem and not self._is_mended(tenant, number, problem, findings):
                findings.blocks += 1
            else:
                window.append(number)
        if window:
            yield tenant, window

    def _is_mended(self, tenant: str, number: int, problem: str, findings: Findings) -> bool:
        before = len(findings.found)
        mend = self._mending.block(tenant, number)
        findings.add("corrupt", block_key(tenant, number).hex(), f"a block: {problem}", mend)
        return findings.repair and len(findings.found) == before

    def _wanted(self, tenant: str, first: int, last: int) -> dict[int, dict[int, Name]]:
        """Return which names are read from which entries of these blocks."""
        wanted: dict[int, dict[int, Name]] = {}
        for key, value in sound(self._values, Family.REFERENCE, tenant_prefix(tenant)):
            place = Place.decode(value)
            if place.block is not None and first <= place.block <= last:
                wanted.setdefault(place.block, {})[place.entry] = split_reference(key)[1]
        return wanted

    def _check_block(
        self, tenant: str, number: int, wanted: Mapping[int, Name], findings: Findings
    ) -> None:
        try:
            block = self._bodies.unpacked(tenant, number)
        except ObjectStoreError:
            return  # only L4 has it, and that does not answer: nothing is known of it
        except CorruptError as error:
            if not self._is_mended(tenant, number, error.problem, findings):
                return
            block = self._bodies.unpacked(tenant, number)
        if block is None:
            return  # dropped since
        names = _names(block)
        findings.segments += len(names)
        for entry, name in wanted.items():
            if entry >= len(names) or names[entry] != name:
                findings.add("corrupt", name.hex(), f"its block {number} has other content there")
        if not wanted and not self._is_needed(tenant, number, names):
            mend = self._mending.unneeded(tenant, number, names)
            detail = "a block that no context needs"
            findings.add("garbage", block_key(tenant, number).hex(), detail, mend)

    def _is_needed(self, tenant: str, number: int, names: Sequence[Name]) -> bool:
        """Look again: it may have been sealed after the references were read."""
        return self._values.get(Family.BLOCK, block_key(tenant, number)) is None or any(
            Place.decode(value).block == number
            for name in names
            for _, value in self._values.scan(Family.REFERENCE, name_prefix(tenant, name))
        )

    def _numbers(self, tenant: str) -> Iterator[int]:
        for key, _ in sweep(self._values, Family.BLOCK, tenant_prefix(tenant)):
            yield int.from_bytes(split_tenant(key)[1], "big")

    def _is_there(self, tenant: str, name: Name, key: bytes) -> bool:
        """Whether a reference's body is there by now, or the reference itself is gone."""
        for _ in range(_TRIES):
            value = self._values.get(Family.REFERENCE, key)
            if value is None:
                return True
            number = Place.decode(value).block
            family, at = Family.BODY, name_prefix(tenant, name)
            if number is not None:
                family, at = Family.BLOCK, block_key(tenant, number)
            try:
                if self._values.get(family, at) is not None:
                    return True
            except CorruptError:
                return True  # named where rows and blocks are checked
        return False


def _names(block: Block) -> list[Name]:
    return [name_of(block.entry(entry)) for entry in range(len(block))]
