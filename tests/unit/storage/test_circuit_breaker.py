import threading

import pytest

from tierfold.engine.clock import FakeClock
from tierfold.errors import ObjectStoreError
from tierfold.storage import MemoryObjects
from tierfold.storage.circuit_breaker import OPEN_MS, CircuitBreaker


class Silent(MemoryObjects):
    """An object store that may leave calls without an answer, or refuse them."""

    is_silent = False
    is_refusing = False
    asked = 0

    def get(self, key: str) -> bytes | None:
        self.asked += 1
        if self.is_silent or self.is_refusing:
            raise ObjectStoreError(url=self.url, problem="as told", is_silent=self.is_silent)
        return super().get(key)


def fails(objects: CircuitBreaker) -> bool:
    try:
        objects.get("a")
    except ObjectStoreError:
        return True
    return False


def test_nobody_waits_again_for_a_store_that_was_silent() -> None:
    """One caller finds out how things are when it has been open for a while, the others fail."""
    clock, inner = FakeClock(), Silent()
    objects = CircuitBreaker(inner, clock)
    inner.is_silent = True
    assert fails(objects)
    assert "as told" in objects.problem
    assert all(fails(objects) for _ in range(5))
    assert inner.asked == 1
    clock.advance(OPEN_MS)
    assert all(fails(objects) for _ in range(5))
    assert inner.asked == 2
    inner.is_silent = False
    clock.advance(OPEN_MS)
    assert not fails(objects)

    assert objects.problem == ""
    assert not fails(objects)


def test_a_store_that_refuses_is_asked_again() -> None:
    """An answer, whatever it is, holds nobody up."""
    inner = Silent()
    objects = CircuitBreaker(inner, FakeClock())
    inner.is_refusing = True
    assert fails(objects)
    assert fails(objects)

    assert inner.asked == 2
    assert objects.problem == ""


def test_a_thread_that_must_not_wait_leaves_finding_out_to_others() -> None:
    """It fails at once until another one had an answer."""
    clock, inner = FakeClock(), Silent()
    objects = CircuitBreaker(inner, clock)
    inner.is_silent = True
    fails(objects)
    inner.is_silent = False
    clock.advance(OPEN_MS)
    with objects.leaving_probes():
        assert fails(objects)
        other = threading.Thread(target=objects.get, args=("a",))
        other.start()
        other.join()
        assert not fails(objects)

    assert not fails(objects)


def test_what_goes_through_is_what_the_store_has() -> None:
    """A breaker that is shut changes nothing."""
    objects = CircuitBreaker(MemoryObjects(), FakeClock())
    assert objects.put_new("a/b", b"1")
    assert not objects.put_new("a/b", b"2")
    assert list(objects.keys("a/")) == ["a/b"]
    objects.delete(["a/b"])
    objects.close()

    assert objects.get("a/b") is None
    assert objects.url == MemoryObjects().url
    with pytest.raises(StopIteration):
        next(objects.keys(""))
