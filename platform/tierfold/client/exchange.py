"""When a request is sent again, and how long to wait before: decided here, done by the client."""

import itertools
import random
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field

from tierfold.client.calls import Call
from tierfold.client.problems import code_of

_NOT_FOUND = 404
_OK = 200
_GATEWAY = frozenset({502, 504})  # somebody on the way, not the server
_OVERLOADED = frozenset({429, 503})
_IN_FLIGHT = "idempotency_key_in_flight"
_SHARD_AWAY = "shard_unavailable"  # in the middle of it, perhaps


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often and how long it is tried; waits double, with jitter."""

    tries_max: int = 4
    wait_s_first: float = 0.1
    wait_s_max: float = 5.0  # of one wait; a server that asks for more is not waited for


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)  # names in lower case
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """No reply."""

    problem: str
    was_sent: bool  # the server may have done it
    is_late: bool = False  # it may be at it still


NEVER_AGAIN = Retries(tries_max=1)


def exchange(
    call: Call, retries: Retries, dice: random.Random
) -> Generator[float, Reply | Lost, Reply | Lost]:
    """Yield the seconds to wait before each try, take what came of it, return the last."""
    was_lost = False
    wait_s = 0.0
    for attempt in itertools.count(1):
        came = yield wait_s
        if was_lost and _is_done_already(call, came):
            return Reply(status=_OK, body=b"{}")
        was_lost = was_lost or _may_be_done(came)
        asked_s = _asked_s(came)
        is_last = attempt >= retries.tries_max or asked_s > retries.wait_s_max
        if is_last or not _may_help(call, came):
            return came
        wait_s = max(asked_s, _backoff_s(attempt, retries, dice))
    raise AssertionError(call)  # the count has no end


def _may_help(call: Call, came: Reply | Lost) -> bool:
    """Whether the same again may end better."""
    if isinstance(came, Lost):
        if came.is_late and call.is_long:
            return False
        return call.is_repeatable or not came.was_sent
    if came.status in _OVERLOADED:
        return "retry-after" in came.headers and (call.is_repeatable or not _may_be_done(came))
    return call.is_repeatable and (came.status in _GATEWAY or code_of(came.body) == _IN_FLIGHT)


def _may_be_done(came: Reply | Lost) -> bool:
    """Whether nobody can tell if the server has done it."""
    if isinstance(came, Lost):
        return came.was_sent
    return came.status in _GATEWAY or code_of(came.body) == _SHARD_AWAY


def _is_done_already(call: Call, came: Reply | Lost) -> bool:
    """Whether a try whose reply was lost has removed what this one does not find."""
    return isinstance(came, Reply) and came.status == _NOT_FOUND and call.method == "DELETE"


def _asked_s(came: Reply | Lost) -> float:
    """Return the seconds the server asks for; a date or nonsense asks for none."""
    text = came.headers.get("retry-after", "") if isinstance(came, Reply) else ""
    return float(text) if text.isdecimal() and text.isascii() else 0.0


def _backoff_s(attempt: int, retries: Retries, dice: random.Random) -> float:
    longest_s: float = min(retries.wait_s_first * 2 ** (attempt - 1), retries.wait_s_max)
    return longest_s * (0.5 + dice.random() / 2)
