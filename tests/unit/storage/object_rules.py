"""What every object store does; the adapters' tests run these against each of them."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tierfold.errors import InvalidInputError
from tierfold.ports import Objects

KEYS = ["t/a-b/1", "t/a/1", "t/a/2", "t/ab", "u/=2e"]


def puts_once(objects: Objects) -> None:
    assert objects.put_new("t/a", b"first")
    assert not objects.put_new("t/a", b"second")
    assert objects.get("t/a") == b"first"
    assert objects.get("t/b") is None


def keeps_any_bytes(objects: Objects) -> None:
    large = bytes(range(256)) * 4096 * 6  # 6 MiB: above the size where clients send in parts
    for key, body in (("t/none", b""), ("t/large", large)):
        assert objects.put_new(key, body)
        assert objects.get(key) == body


def lists_in_order(objects: Objects) -> None:
    for key in reversed(KEYS):
        objects.put_new(key, b"x")

    assert list(objects.keys("")) == KEYS
    assert list(objects.keys("t/a")) == ["t/a-b/1", "t/a/1", "t/a/2", "t/ab"]
    assert list(objects.keys("t/a/")) == ["t/a/1", "t/a/2"]
    assert list(objects.keys("t/a/2")) == ["t/a/2"]
    assert list(objects.keys("t/x/y")) == []


def deletes_what_is_there(objects: Objects) -> None:
    for key in KEYS:
        objects.put_new(key, b"x")
    objects.delete([])
    objects.delete(["t/a/1", "t/zzz", "x/y/z"])

    assert list(objects.keys("t/a/")) == ["t/a/2"]
    assert objects.put_new("t/a/1", b"again")
    objects.delete(KEYS)
    assert list(objects.keys("")) == []


def one_of_many_wins(objects: Objects) -> None:
    bodies = [b"writer %d" % number for number in range(8)]
    with ThreadPoolExecutor(len(bodies)) as writers:
        won = list(writers.map(lambda body: objects.put_new("t/race", body), bodies))

    assert won.count(True) == 1
    assert objects.get("t/race") == bodies[won.index(True)]


def refuses_escapes(objects: Objects) -> None:
    for key in (
        "",
        "/a",
        "a/",
        "../a",
        "a/../b",
        "a//b",
        ".a",
        "a\\b",
        "a\0",
        "ä",
        "a?b",
        "a" * 513,
    ):
        for use in (
            lambda key=key: objects.put_new(key, b""),
            lambda key=key: objects.get(key),
            lambda key=key: objects.delete([key]),
        ):
            with pytest.raises(InvalidInputError, match="an object's key"):
                use()
    for prefix in ("../", "/", "a/../", "a//"):
        with pytest.raises(InvalidInputError, match="an object's key"):
            objects.keys(prefix)


RULES = [
    puts_once,
    keeps_any_bytes,
    lists_in_order,
    deletes_what_is_there,
    one_of_many_wins,
    refuses_escapes,
]
