"""Where bytes stay: adapters of `ports.KeyValues` and `ports.Objects`.

RocksDB and the cloud's client are imported at first use: whoever only folds pays nothing.
"""

from typing import TYPE_CHECKING, Any

from tierfold.storage.faults import FaultyKeyValues, FaultyObjects
from tierfold.storage.lock import Holder, StoreLock, read_holder
from tierfold.storage.memory import MemoryKeyValues, MemoryObjects
from tierfold.storage.objects import open_objects

if TYPE_CHECKING:
    from tierfold.storage.rocks import RocksKeyValues
    from tierfold.storage.rocks_settings import RocksSettings

__all__ = [
    "FaultyKeyValues",
    "FaultyObjects",
    "Holder",
    "MemoryKeyValues",
    "MemoryObjects",
    "RocksKeyValues",
    "RocksSettings",
    "StoreLock",
    "open_objects",
    "read_holder",
]


def __getattr__(name: str) -> Any:
    if name == "RocksKeyValues":
        from tierfold.storage.rocks import RocksKeyValues  # noqa: PLC0415  # see above

        return RocksKeyValues
    if name == "RocksSettings":
        from tierfold.storage.rocks_settings import RocksSettings  # noqa: PLC0415  # see above

        return RocksSettings
    raise AttributeError(name)
