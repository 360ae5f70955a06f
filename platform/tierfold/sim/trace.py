"""A trace: who was asked for, when, and how large it was; as arrays that no replay changes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tierfold.errors import InvalidInputError

Integers = NDArray[np.int64]

SIZE_BYTES_MAX = 1 << 36  # the sum over all accesses of the longest trace stays a 64-bit number


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """Accesses in order, a row of every array each; there is at least one."""

    name: str
    time: Integers
    key: Integers
    size: Integers  # bytes, at least 1; 1 is a unit size
    request: Integers  # accesses of one request share it and follow one another
    session: Integers  # the conversation the request belongs to

    @classmethod
    def from_rows(
        cls, rows: Iterable[Sequence[int]], *, name: str = "rows", is_lenient: bool = False
    ) -> "Trace":
        """Return the trace of rows (time, key, size), or with request and session after them."""
        table = [tuple(row) for row in rows]
        widths = {len(row) for row in table}
        if len(widths) > 1 or widths - {_WIDTH, _WIDTH + 2}:
            problem = "every row is (time, key, size), or (time, key, size, request, session)"
            raise InvalidInputError(problem, path=name)
        columns = np.array(table, np.int64).reshape(-1, max(widths, default=_WIDTH)).T
        given = dict(zip(("time", "key", "size", "request", "session"), columns, strict=False))
        return checked(name, given, is_lenient=is_lenient)

    def __len__(self) -> int:
        """Return the number of accesses."""
        return len(self.key)

    @cached_property
    def _numbered(self) -> tuple[Integers, Integers]:
        """The different keys, and for each access which of them it is."""
        keys, number = np.unique(self.key, return_inverse=True)
        return keys, number.astype(np.int64)

    @property
    def objects(self) -> int:
        """How many different keys there are."""
        return len(self._numbered[0])

    @cached_property
    def largest(self) -> Integers:
        """For each access the largest size its key ever has."""
        number = self._numbered[1]
        sizes = np.zeros(self.objects, np.int64)
        np.maximum.at(sizes, number, self.size)
        return sizes[number]

    @cached_property
    def is_first(self) -> NDArray[np.bool_]:
        """For each access whether its key was never seen before."""
        seen = np.zeros(len(self), np.bool_)
        seen[np.unique(self.key, return_index=True)[1]] = True
        return seen

    @cached_property
    def footprint_bytes(self) -> int:
        """The bytes of all objects together, each at its largest."""
        return int(self.largest[self.is_first].sum())

    @property
    def compulsory_miss_ratio(self) -> float:
        """The share of first accesses: what no cache can avoid."""
        return self.objects / len(self)

    def with_largest_sizes(self) -> "Trace":
        """Return it with one size per key, the largest: so the published figures are made."""
        return self if (self.size == self.largest).all() else replace(self, size=self.largest)

    def head(self, accesses: int) -> "Trace":
        """Return its first accesses."""
        cut = slice(0, accesses)
        return replace(
            self,
            time=self.time[cut],
            key=self.key[cut],
            size=self.size[cut],
            request=self.request[cut],
            session=self.session[cut],
        )


_WIDTH = 3  # of a row without request and session


def checked(name: str, given: dict[str, Integers], *, is_lenient: bool = False) -> Trace:
    """Return the trace of these columns; raises InvalidInputError that names the first wrong row.

    Lenient takes an empty object for one of a byte, lets a clock that goes back stand still, and
    takes a request that comes back for another.
    """
    count = len(given["key"]) if "key" in given else 0
    if not count:
        problem = "there are no rows; a trace has at least one access"
        raise InvalidInputError(problem, path=name)
    time, size = given["time"], given["size"]
    if is_lenient:
        time, size = np.maximum.accumulate(time), np.where(size == 0, 1, size)
    _check_sizes(name, size)
    _check_clock(name, time)
    request = given.get("request", np.arange(count, dtype=np.int64))
    if is_lenient:
        request = np.cumsum(_begins(request))
    _check_requests(name, request)
    session = given.get("session", request)
    return Trace(
        name=name, time=time, key=given["key"], size=size, request=request, session=session
    )


def _begins(request: Integers) -> NDArray[np.bool_]:
    """Return whether each row is the first of its run."""
    return np.concatenate([[True], request[1:] != request[:-1]])


def _check_sizes(name: str, size: Integers) -> None:
    wrong = (size < 1) | (size > SIZE_BYTES_MAX)
    if wrong.any():
        row = int(wrong.argmax())
        problem = f"size is {size[row]}; an object has 1 to {SIZE_BYTES_MAX:,} bytes"
        raise InvalidInputError(problem, path=f"{name}: row {row + 1}")


def _check_clock(name: str, time: Integers) -> None:
    back = np.flatnonzero(time[1:] < time[:-1])
    if len(back):
        row = int(back[0]) + 1
        problem = f"the clock goes back from {time[row - 1]} to {time[row]}; sort the rows by time"
        raise InvalidInputError(problem, path=f"{name}: row {row + 1}")


def _check_requests(name: str, request: Integers) -> None:
    starts = np.flatnonzero(_begins(request))
    again = np.ones(len(starts), np.bool_)
    again[np.unique(request[starts], return_index=True)[1]] = False
    if again.any():
        row = int(starts[again.argmax()])
        problem = f"request {request[row]} comes back; the rows of a request follow one another"
        raise InvalidInputError(problem, path=f"{name}: row {row + 1}")
