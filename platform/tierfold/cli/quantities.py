"""Numbers, durations and sizes as people type them; all else raises ValueError in a sentence."""

import math
import re

_NUMBER = r"\+?(\d+\.?\d*|\.\d+)"
_DURATION = re.compile(rf"{_NUMBER}\s*(us|ms|s|min)", re.ASCII)
_LIFETIME = re.compile(rf"{_NUMBER}\s*(s|min|h|d)", re.ASCII)
_SIZE = re.compile(rf"{_NUMBER}\s*(|B|kB|KB|MB|GB|KiB|MiB|GiB)", re.ASCII)

_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "min": 60_000.0}
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
_BYTES = {
    "": 1,
    "B": 1,
    "kB": 1000,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
}
_CHARACTERS_MAX = 30  # far above every limit, far below where Python's own conversions give up
_A_DURATION = "a number and its unit, as 200ms or 1.5s"
_A_LIFETIME = "a number and its unit, as 30d, 12h or 90min; 0 is for ever"
_A_SIZE = "a number and its unit, as 64MB or 64MiB"
_A_WHOLE = "a whole number, as 2000"
_A_REAL = "a number, as .9"
_A_SHARE = "a share, as .9 or 90%"


def duration_ms(text: str) -> float:
    """Return the milliseconds in `200ms`, `1.5s` or `.2s`."""
    number, unit = _matched(_DURATION, text, _A_DURATION)
    return number * _MS[unit]


def lifetime_s(text: str) -> float:
    """Return the seconds in `30d`, `12h`, `90min`, `45s`; 0 is for ever."""
    if text.strip() == "0":
        return 0.0
    number, unit = _matched(_LIFETIME, text, _A_LIFETIME)
    return number * _SECONDS[unit]


def size_bytes(text: str) -> int:
    """Return the bytes in `64MB` (thousands), `64MiB` (1024s) or `65536`."""
    number, unit = _matched(_SIZE, text, _A_SIZE)
    return round(number * _BYTES[unit])


def whole(text: str) -> int:
    """Return the whole number in `2000` or `2_000`."""
    try:
        return int(_short(text, _A_WHOLE))
    except ValueError:
        raise _malformed(text, _A_WHOLE) from None


def real(text: str) -> float:
    """Return the number in `.9`."""
    try:
        number = float(_short(text, _A_REAL))
    except ValueError:
        raise _malformed(text, _A_REAL) from None
    if not math.isfinite(number):
        raise _malformed(text, _A_REAL)
    return number


def share(text: str) -> float:
    """Return the number in `.9` or `90%`."""
    number = text.strip()
    try:
        return real(number.removesuffix("%")) / 100 if number.endswith("%") else real(number)
    except ValueError:
        raise _malformed(text, _A_SHARE) from None


def share_or_size(text: str) -> tuple[float, bool]:
    """Return the amount in `1%` or `64MiB`, and whether it is a share; above zero."""
    is_share = text.strip().endswith("%")
    amount = share(text) if is_share else float(size_bytes(text))
    if amount <= 0 or (is_share and amount > 1):
        raise _malformed(text, "a share up to 100%, as 1%, or a size, as 64MiB; more than none")
    return amount, is_share


def _matched(pattern: re.Pattern[str], text: str, wanted: str) -> tuple[float, str]:
    match = pattern.fullmatch(_short(text, wanted).strip())
    if match is None:
        raise _malformed(text, wanted)
    return float(match[1]), match[2]


def _short(text: str, wanted: str) -> str:
    if len(text) > _CHARACTERS_MAX:
        raise _malformed(text, wanted)
    return text


def _malformed(text: str, wanted: str) -> ValueError:
    shown = text if len(text) <= _CHARACTERS_MAX else f"{text[:_CHARACTERS_MAX]}..."
    return ValueError(f"say {wanted}, not {shown!r}")
