"""The `Prefer` header (RFC 7240): how long the caller wants to wait."""

import math
import re

_WAIT = re.compile(r"(?:^|[,;]\s*)wait\s*=\s*\"?([0-9]+(?:\.[0-9]+)?)\"?", re.IGNORECASE)
_WAIT_S_MAX = 24 * 3600.0


def wait_ms(headers: list[str]) -> float | None:
    """Return the wished-for milliseconds; a preference nobody understands is ignored."""
    match = next((found for header in headers if (found := _WAIT.search(header))), None)
    if match is None:
        return None
    seconds = float(match[1])
    return seconds * 1000 if math.isfinite(seconds) and 0 < seconds <= _WAIT_S_MAX else None
