"""Hold the floor of branch coverage; coverage's own fail_under mixes lines and branches."""

import json
import sys
from pathlib import Path

FLOOR_PERCENT = 95.0
REPORT = Path("build/coverage/report.json")


def main() -> int:
    """Print the share of branches of platform/ that ran, and fail below the floor."""
    if not REPORT.exists():
        sys.stderr.write(f"{REPORT} is missing: the run with coverage did not finish\n")
        return 1
    totals = json.loads(REPORT.read_text())["totals"]
    percent = 100.0 * totals["covered_branches"] / max(1, totals["num_branches"])
    sys.stdout.write(f"branches of platform/: {percent:.1f} % (floor {FLOOR_PERCENT:.0f} %)\n")
    return int(percent < FLOOR_PERCENT)


if __name__ == "__main__":
    sys.exit(main())
