from dataclasses import replace

from tierfold.engine.shard.operations import Hit, Hits, TierReport, TiersReport
from tierfold.engine.working import WorkingSetsReport
from tierfold.wire.search import SearchAnswerModel
from tierfold.wire.tiers import TiersModel
from tierfold_actors.reports import search_body, tiers_body

L0 = WorkingSetsReport(size_bytes=5, limit_bytes=10, items=1, hits=2, misses=3)


def tier(name: str, *, limit_bytes: int | None = 100, p50: float | None = None) -> TierReport:
    return TierReport(
        tier=name,
        size_bytes=7,
        limit_bytes=limit_bytes,
        items=2,
        hits=1,
        latency_ms_p50=p50,
        latency_ms_p99=p50,
    )


def report(p50: float | None, *, limit_bytes: int | None = 100) -> TiersReport:
    return TiersReport(
        tiers=(tier("L1"), tier("L2", p50=p50), tier("L3", limit_bytes=limit_bytes), tier("L4")),
        contexts=1,
        search_bytes=2,
        backlog_blocks=3,
        backlog_contexts=4,
        unsealed_bytes=5,
        object_store="file:///objects",
        object_store_problem="",
    )


def test_tiers_are_described_as_the_schema_says() -> None:
    """Per shard, of this process, and in sum."""
    body = tiers_body([report(1.0), report(2.0)], L0, [0.3, 0.1, 0.2], is_open=True)

    TiersModel.model_validate(body)
    assert [shard["shard"] for shard in body["shards"]] == [0, 1]
    assert body["l0"]["latency_ms"] == {"p50": 0.2, "p99": 0.3}
    assert [each["tier"] for each in body["tiers"]] == ["L0", "L1", "L2", "L3", "L4"]
    assert body["tiers"][2]["size_bytes"] == 14


def test_latencies_of_shards_are_not_averaged() -> None:
    """The sum shows the slowest, and none where nothing was read."""
    sums = tiers_body([report(None), report(2.0)], L0, [], is_open=True)["tiers"]

    assert sums[2]["latency_ms"] == {"p50": 2.0, "p99": 2.0}
    assert sums[1]["latency_ms"] == {"p50": None, "p99": None}


def test_one_shard_without_a_limit_leaves_the_sum_without_one() -> None:
    """A sum of the others would be read as a limit."""
    sums = tiers_body([report(None), report(None, limit_bytes=None)], L0, [], is_open=True)["tiers"]

    assert (sums[1]["limit_bytes"], sums[3]["limit_bytes"]) == (200, None)


def test_hits_are_described_as_the_schema_says() -> None:
    """In the order they were found."""
    hit = Hit(context="trip", item=3, score=1.234567, text="SK 463", handle="h_1")
    body = search_body(Hits(hits=(hit,), segments_waiting=2), ("colour",))

    SearchAnswerModel.model_validate(body)
    assert body["data"][0]["score"] == 1.2346
    assert (body["segments_waiting"], body["ignored_fields"]) == (2, ["colour"])


def test_several_tenants_learn_only_that_the_object_store_is_away() -> None:
    """Its address and its own words name buckets and keys."""
    away = replace(
        report(1.0),
        object_store="s3://secret/x",
        object_store_problem="no secret/x",
        upkeep_problem="seal: secret",
    )
    (seen,) = tiers_body([away], L0, [], is_open=False)["shards"]
    (own,) = tiers_body([away], L0, [], is_open=True)["shards"]

    assert seen["object_store"]["url"] == "s3:"
    assert "secret" not in str(seen)
    assert own["object_store"] == {"url": "s3://secret/x", "problem": "no secret/x"}
    assert seen["problem"] == "a job of its upkeep failed the last time"
    assert own["problem"] == "seal: secret"
