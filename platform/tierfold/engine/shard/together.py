"""Several calls of an object store at once: each of them mostly waits."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tierfold.errors import ObjectStoreError

T = TypeVar("T")

CALLS_AT_ONCE = 8


def together(calls: Sequence[Callable[[], T]]) -> list[T | ObjectStoreError]:
    """Return what each call returned, or how the object store failed it, when all are done.

    One that fails stops no other: what arrived in L4 is to be noted.
    """
    if len(calls) < 2:  # noqa: PLR2004  # nothing to do beside it
        return [_outcome(call) for call in calls]
    threads = min(CALLS_AT_ONCE, len(calls))
    with ThreadPoolExecutor(threads, thread_name_prefix="tierfold-l4") as pool:
        return list(pool.map(_outcome, calls))


def require_all(outcomes: Sequence[object]) -> None:
    """Raise the first failure among the outcomes."""
    for outcome in outcomes:
        if isinstance(outcome, ObjectStoreError):
            raise outcome


def _outcome(call: Callable[[], T]) -> T | ObjectStoreError:
    try:
        return call()
    except ObjectStoreError as error:
        return error
