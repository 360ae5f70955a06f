from hypothesis import given
from hypothesis import strategies as st

from tierfold.engine.shard.view import View
from tierfold.ports import Batch, Family
from tierfold.storage.memory import MemoryKeyValues

NAMES = st.sampled_from([bytes((n,)) * 16 for n in range(3)])
REFERENCES = st.builds(
    lambda name, owner: b"\x01t" + name + owner * 8, NAMES, st.sampled_from([b"a", b"b"])
)
KEYS = st.one_of(REFERENCES, st.binary(min_size=1, max_size=2))
CHANGES = st.dictionaries(
    st.tuples(st.sampled_from([Family.REFERENCE, Family.META]), KEYS),
    st.one_of(st.none(), st.binary(max_size=2)),
    max_size=6,
)


@given(
    stored=CHANGES,
    rounds=st.lists(CHANGES, max_size=3),
    prefix=st.one_of(KEYS, NAMES.map(lambda name: b"\x01t" + name), st.just(b"")),
    after=st.one_of(st.just(b""), KEYS),
    descending=st.booleans(),
)
def test_a_view_reads_as_if_its_round_were_written(
    stored: dict[tuple[Family, bytes], bytes | None],
    rounds: list[dict[tuple[Family, bytes], bytes | None]],
    prefix: bytes,
    after: bytes,
    descending: bool,  # noqa: FBT001
) -> None:
    """A later step finds what a later round would: every value, deletion and order."""
    values, written = MemoryKeyValues(), MemoryKeyValues()
    values.write(Batch(dict(stored)))
    written.write(Batch(dict(stored)))
    view = View(values)
    for puts in rounds:
        view.absorb(Batch(dict(puts)))
        written.write(Batch(dict(puts)))

    for family in (Family.REFERENCE, Family.META):
        scans = [
            list(each.scan(family, prefix, after=after, descending=descending))
            for each in (view, written)
        ]
        assert scans[0] == scans[1]
        keys = [key for of, key in stored if of is family] + [prefix or b"x"]
        assert view.get_many(family, keys) == written.get_many(family, keys)
        assert [view.get(family, key) for key in keys] == written.get_many(family, keys)
