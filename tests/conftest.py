import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True, print_blob=True)
settings.register_profile(
    "soak", max_examples=5_000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # The folder decides: nobody has to remember the mark that keeps a test out of the pure run.
    for item in items:
        if FOLDER in item.path.parents:
            room = item.path.relative_to(FOLDER).parts[0]
            if room in {"ray", "e2e"}:
                item.add_marker(room)
            if room == "chaos":
                item.add_marker("ray")
