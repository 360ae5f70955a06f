"""A process that may write only small files, as on a full disk, until it may write large ones.

Run as a program it prints what it saw as JSON.
"""

import json
import os
import resource
import signal
import sys

from tierfold.errors import StorageFullError
from tierfold.ports import Batch, Family
from tierfold.storage import RocksKeyValues

FILE_BYTES_MAX = 300_000


def allow(size_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, resource.RLIM_INFINITY))


def pair(number: int) -> Batch:
    batch = Batch()
    batch.put(Family.BODY, b"%05d" % number, os.urandom(10_000))
    batch.put(Family.HEAD, b"%05d" % number, b"head")
    return batch


def main(path: str) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    values = RocksKeyValues(path)
    allow(FILE_BYTES_MAX)
    kept: list[StorageFullError] = []  # whoever keeps an error must not keep the database open
    number = 0
    while not kept:
        try:
            values.write(pair(number))
            number += 1
        except StorageFullError as error:
            kept.append(error)
    for _ in range(3):
        try:
            values.write(pair(number))
        except StorageFullError as error:
            kept.append(error)
    scan = values.scan(Family.HEAD, b"")
    next(scan)
    seen = {
        "refused": len(kept),
        "readable": readable(values, number),
        "half": half(values, number),
    }
    allow(resource.RLIM_INFINITY)
    values.write(pair(number))
    seen |= {"after": readable(values, number + 1), "written": number}
    values.close()
    again = RocksKeyValues(path)
    seen |= {"reopened": readable(again, number + 1)}
    print(json.dumps(seen))  # noqa: T201  # for the test


def readable(values: RocksKeyValues, numbers: int) -> bool:
    return all(
        values.get(Family.HEAD, b"%05d" % number) == b"head"
        and len(values.get(Family.BODY, b"%05d" % number) or b"") == 10_000
        for number in range(numbers)
    )


def half(values: RocksKeyValues, number: int) -> bool:
    key = b"%05d" % number
    return any(values.get(family, key) is not None for family in (Family.HEAD, Family.BODY))


if __name__ == "__main__":
    main(sys.argv[1])
