from pathlib import Path

import pytest

from tierfold.errors import SetupError
from tierfold_actors.store_plan import NO_STORE_ENVIRONMENT, StorePlan, plan_of


def test_without_a_store_there_is_no_plan() -> None:
    """The server folds what it is sent, and no more."""
    assert plan_of(environment={}) is None
    assert plan_of(environment=NO_STORE_ENVIRONMENT) is None


def test_the_lowest_tier_is_a_folder_of_the_store_where_nobody_says() -> None:
    """A store on one machine needs nothing else."""
    plan = plan_of(store="/data/tierfold", environment={})

    assert plan == StorePlan(path="/data/tierfold", objects="file:///data/tierfold/objects")
    assert plan.shard_names == ("shard-00",)


def test_a_store_may_go_without_an_object_store() -> None:
    """`none` says so."""
    plan = plan_of(store="/data/tierfold", objects="none", environment={})

    assert plan is not None
    assert plan.objects == "none"


def test_what_is_given_wins_over_the_environment() -> None:
    """The config file of a deployment is the word that counts."""
    environment = {
        "TIERFOLD_STORE": "/one",
        "TIERFOLD_OBJECTS": "s3://one",
        "TIERFOLD_SHARDS": "2",
    }
    said = plan_of(environment=environment)
    given = plan_of(store="/two", objects="s3://two", shards=3, environment=environment)

    assert said == StorePlan(path="/one", objects="s3://one", shards=2)
    assert given == StorePlan(path="/two", objects="s3://two", shards=3)


@pytest.mark.parametrize("objects", ["none", "s3://bucket/folder"])
def test_a_plan_says_itself_to_another_process(objects: str) -> None:
    """Exactly: the actors refuse to run by another."""
    plan = StorePlan(path=str(Path("/data").absolute()), objects=objects, shards=12)

    assert plan_of(environment=plan.environment()) == plan
    assert plan.shard_names[-1] == "shard-11"


def test_a_store_keeps_the_shards_and_the_object_store_it_began_with(tmp_path: Path) -> None:
    """Where nobody says another."""
    for name in ("shard-00", "shard-01", "shard-02"):
        (tmp_path / name).mkdir()
    plan = plan_of(store=str(tmp_path), environment={})

    assert plan == StorePlan(path=str(tmp_path), objects="", shards=3)


@pytest.mark.parametrize("shards", ["x", "257", "-1"])
def test_an_impossible_number_of_shards_is_refused(shards: str) -> None:
    """With the numbers that are possible."""
    with pytest.raises(SetupError, match=r"shards|TIERFOLD_SHARDS"):
        plan_of(store="/data", environment={"TIERFOLD_SHARDS": shards})
