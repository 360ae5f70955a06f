"""The store's gauges as a real Prometheus would scrape them."""

from collections.abc import Iterator

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.ray.server import Up, wait_until
from tierfold.cli.ports import listeners

OURS = "ray_tierfold_"
TIER_GAUGES = {f"{OURS}tier_bytes", f"{OURS}tier_hits"}
SHARD_GAUGES = {
    f"{OURS}unsealed_bytes",
    f"{OURS}backlog_blocks",
    f"{OURS}backlog_contexts",
}


def scraped(server: Up) -> dict[str, set[str]]:
    """Return the tiers that each gauge of ours shows, from whichever of Ray's ports has them."""
    found: dict[str, set[str]] = {}
    for text in pages(server):
        for family in text_string_to_metric_families(text):
            if family.name in TIER_GAUGES | SHARD_GAUGES:
                assert family.type == "gauge"
                for sample in family.samples:
                    assert sample.labels["shard"].startswith("shard-")
                    assert sample.value >= 0
                    found.setdefault(family.name, set()).add(sample.labels.get("tier", ""))
    return found


def pages(server: Up) -> Iterator[str]:
    """Yield what Ray's agents answer under /metrics."""
    for listener in listeners(server.processes()):
        if listener.process == "ray::DashboardAgent" and listener.is_loopback:
            try:
                response = httpx.get(f"http://127.0.0.1:{listener.port}/metrics", timeout=20)
            except httpx.HTTPError:
                continue  # another of its ports
            if response.status_code == httpx.codes.OK:
                yield response.text


def test_prometheus_can_read_the_gauges_of_every_shard(server: Up, client: httpx.Client) -> None:
    """By their names, as gauges, each tier by its label."""
    assert client.post("/v1/contexts", json={"text": "Parcels leave at noon."}).is_success

    assert wait_until(lambda: scraped(server).keys() >= TIER_GAUGES | SHARD_GAUGES, within_s=60)

    shown = scraped(server)
    assert all(shown[name] == {"L1", "L2", "L3", "L4"} for name in TIER_GAUGES)
    assert all(shown[name] == {""} for name in SHARD_GAUGES)
