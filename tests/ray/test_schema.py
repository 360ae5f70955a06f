"""Requests that nobody thought of, made from our own description by schemathesis."""

from typing import Any

import pytest

schemathesis = pytest.importorskip("schemathesis")

from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CHECKS
from schemathesis.generation import GenerationMode

from tests.ray.server import KEY, Up
from tierfold_actors.openapi import bare_api

EXAMPLES = 20  # per route and mode
HELD = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
SCHEMA = schemathesis.openapi.from_dict(bare_api().openapi())
CHECK_FUNCTIONS = CHECKS.get_by_names(HELD)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/v1/process", "POST"),
        ("/v1/compress", "POST"),
        ("/v1/contexts", "POST"),
        ("/v1/contexts", "GET"),
        ("/v1/contexts/{id}", "PATCH"),
        ("/v1/contexts/{id}/items", "POST"),
        ("/v1/contexts/{id}/items", "PUT"),
        ("/v1/contexts/{id}/items", "GET"),
        ("/v1/contexts/{id}/process", "POST"),
        ("/v1/search", "POST"),
    ],
)
def test_whatever_is_sent_is_answered_as_described(
    server: Up, path: str, method: str, mode: GenerationMode
) -> None:
    """No 5xx, and no status, type or shape that the description does not have."""
    strategy = SCHEMA[path][method].as_strategy(mode)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )
    @given(strategy)
    def run(case: Any) -> None:
        headers = {"authorization": f"Bearer {KEY}"}
        response = case.call(base_url=server.url, headers=headers, timeout=30)
        case.validate_response(response, checks=CHECK_FUNCTIONS)

    run()
