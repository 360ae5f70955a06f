"""Heads as values: decoding one takes longer than reading it, so the last ones are kept."""

import threading
from collections import OrderedDict
from dataclasses import dataclass

from tierfold.context.manifest import Head
from tierfold.context.stored import About, ContextInfo

HEADS_KEPT = 256  # about 8 KB each when full: what is idle must cost next to nothing

NO_ABOUT = About()


def is_over(head: Head, now_ms: int) -> bool:
    """Whether a context has ended: it counts as absent, although nobody has removed it yet."""
    return 0 < head.expires_ms <= now_ms


@dataclass(slots=True)
class _Decoded:
    data: bytes
    head: Head
    info: ContextInfo | None = None


class Heads:
    """Remembers what bytes of a head stand for; never what is stored, so it cannot be stale.

    For any thread.
    """

    def __init__(self) -> None:
        self._decoded: OrderedDict[bytes, _Decoded] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return the number of contexts remembered."""
        return len(self._decoded)

    def head(self, key: bytes, data: bytes) -> Head:
        """Return the head that these bytes are; raises CorruptError."""
        known = self._decoded.get(key)
        if known is not None and known.data == data:
            return known.head
        head = Head.decode(data)
        self._keep(key, _Decoded(data, head))
        return head

    def info(self, key: bytes, head: Head) -> ContextInfo | None:
        """Return a head with what the caller says of it, where that is known or nothing."""
        if head.about is None:
            return ContextInfo(head=head, about=NO_ABOUT)
        known = self._decoded.get(key)
        if known is None or known.info is None or known.info.head.about != head.about:
            return None
        return ContextInfo(head=head, about=known.info.about)

    def remember(self, key: bytes, data: bytes, info: ContextInfo) -> None:
        """Note what bytes of a head stand for."""
        self._keep(key, _Decoded(data, info.head, info))

    def describe(self, key: bytes, info: ContextInfo) -> None:
        """Note what the caller says of a context whose head is known."""
        known = self._decoded.get(key)
        if known is not None and known.head is info.head:
            known.info = info

    def _keep(self, key: bytes, decoded: _Decoded) -> None:
        with self._lock:
            if decoded.info is None:
                known = self._decoded.get(key)
                decoded.info = known.info if known is not None else None
            self._decoded[key] = decoded
            self._decoded.move_to_end(key)
            if len(self._decoded) > HEADS_KEPT:
                self._decoded.popitem(last=False)
