from pathlib import Path

import pytest
import yaml

pytest.importorskip("ray")

from ray.serve.schema import (
    DeploymentSchema,
    HTTPOptionsSchema,
    ServeApplicationSchema,
    ServeDeploySchema,
)

from tierfold_actors.work import WorkLimits

LOCAL = Path(__file__).parents[2] / "serve_configs" / "local.yaml"


def test_the_local_config_is_one_that_serve_takes() -> None:
    """Serve's own schema reads it, and knows every field in it."""
    content = yaml.safe_load(LOCAL.read_text("utf-8"))

    ServeDeploySchema.model_validate(content)

    application = content["applications"][0]
    assert set(content) <= set(ServeDeploySchema.model_fields)
    assert set(application) <= set(ServeApplicationSchema.model_fields)
    assert set(application["deployments"][0]) <= set(DeploymentSchema.model_fields)
    assert set(content["http_options"]) <= set(HTTPOptionsSchema.model_fields)


def test_every_wait_is_in_our_own_queue() -> None:
    """Serve would not drop what has expired, nor say how long to wait."""
    content = yaml.safe_load(LOCAL.read_text("utf-8"))
    gateway = content["applications"][0]["deployments"][0]
    limits = WorkLimits()

    assert gateway["max_ongoing_requests"] >= 2 * (limits.waiting_max + limits.large_waiting_max)
    assert gateway["max_queued_requests"] == -1
