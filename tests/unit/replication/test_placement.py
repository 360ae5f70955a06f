import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierfold.context.identity import SLOT_COUNT
from tierfold.errors import InvalidInputError
from tierfold.replication import Placement


def names(count: int) -> list[str]:
    return [f"shard-{i:02}" for i in range(count)]


@given(st.integers(1, 12))
def test_every_slot_has_a_home_and_shards_share_fairly(count: int) -> None:
    """The busiest shard has at most a third more slots than the mean."""
    placement = Placement(names(count))
    homes = [placement.home(slot) for slot in range(SLOT_COUNT)]
    most = max(homes.count(shard) for shard in range(count))
    assert set(homes) == set(range(count))
    assert most <= 1.33 * SLOT_COUNT / count


@given(st.integers(1, 8))
def test_a_new_shard_takes_its_share_and_moves_nothing_else(count: int) -> None:
    """A slot either stays where it was or goes to the new shard."""
    before, after = Placement(names(count)), Placement(names(count + 1))
    moved = [s for s in range(SLOT_COUNT) if before.home(s) != after.home(s)]
    assert all(after.home(slot) == count for slot in moved)
    assert len(moved) <= 1.4 * SLOT_COUNT / (count + 1)


def test_replicas_are_on_distinct_shards_home_first() -> None:
    """Three copies on two disks would be two."""
    placement = Placement(names(5), replicas=3)
    for slot in range(0, SLOT_COUNT, 97):
        shards = placement.shards_of(slot)
        assert len(set(shards)) == 3
        assert shards[0] == placement.home(slot)


@pytest.mark.parametrize(("shards", "replicas"), [([], 1), (["a", "a"], 1), (["a"], 2), (["a"], 0)])
def test_a_placement_that_cannot_be_is_refused(shards: list[str], replicas: int) -> None:
    """Shards need different names, replicas need shards."""
    with pytest.raises(InvalidInputError):
        Placement(shards, replicas=replicas)
