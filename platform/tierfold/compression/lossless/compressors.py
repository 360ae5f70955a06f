"""Compressors of zstd, kept ready: one that is made for each message costs five times its work."""

from collections import deque
from functools import cache
from typing import Final, TypeVar

import zstandard

from tierfold.compression.lossless.dictionaries import Dictionary

_FORMAT: Final = zstandard.FORMAT_ZSTD1_MAGICLESS
_SIZE_HINT: Final = 64 * 1024  # a block; it keeps zstd's tables small

_KEPT: Final = 48  # levels times dictionaries; a compressor has .5 to 1.1 MB, the rest .1
_IDLE_MAX: Final = 8  # of one level and dictionary

_Key = TypeVar("_Key", bytes, tuple[int, bytes])
_Ready = TypeVar("_Ready")
_Packing = deque[zstandard.ZstdCompressor]
_Unpacking = deque[zstandard.ZstdDecompressor]


class Compressors:
    """Lends a compressor to one thread at a time: taking from and giving to a deque are atomic.

    Those of the oldest dictionary are let go when there are too many, and made again when needed.
    """

    __slots__ = ("_packing", "_unpacking")

    def __init__(self) -> None:
        self._packing: dict[tuple[int, bytes], _Packing] = {}
        self._unpacking: dict[bytes, _Unpacking] = {}

    def compress(self, raw: bytes, level: int, dictionary: Dictionary | None) -> bytes:
        """Return what zstd makes of the bytes."""
        idle = _idle(self._packing, (level, dictionary.id if dictionary else b""))
        try:
            compressor = idle.pop()
        except IndexError:
            compressor = _compressor(level, dictionary)
        packed = compressor.compress(raw)
        idle.append(compressor)
        return packed

    def decompress(
        self, packed: bytes, dictionary: Dictionary | None, *, size_bytes_max: int
    ) -> bytes:
        """Return what was packed; raises ZstdError, ValueError for more than is allowed."""
        size_bytes = zstandard.get_frame_parameters(packed, format=_FORMAT).content_size
        if size_bytes > size_bytes_max:
            raise ValueError(size_bytes)
        idle = _idle(self._unpacking, dictionary.id if dictionary else b"")
        try:
            decompressor = idle.pop()
        except IndexError:
            decompressor = _decompressor(dictionary)
        raw = decompressor.decompress(packed, allow_extra_data=False)
        idle.append(decompressor)
        return raw


@cache
def shared_compressors() -> Compressors:
    """Return those that all codecs of this process use: a dictionary's name is its own anywhere."""
    return Compressors()


def _idle(kept: dict[_Key, deque[_Ready]], key: _Key) -> deque[_Ready]:
    """Return the idle ones; a thread that still holds a dropped deque uses it up and forgets it."""
    idle = kept.get(key)
    if idle is None:
        for oldest in list(kept)[: max(0, len(kept) + 1 - _KEPT)]:
            kept.pop(oldest, None)
        idle = kept.setdefault(key, deque(maxlen=_IDLE_MAX))
    return idle


def _compressor(level: int, dictionary: Dictionary | None) -> zstandard.ZstdCompressor:
    parameters = zstandard.ZstdCompressionParameters.from_level(
        level,
        source_size=_SIZE_HINT,
        dict_size=len(dictionary.data) if dictionary else 0,
        format=_FORMAT,
        write_content_size=True,
        write_checksum=False,
        write_dict_id=False,
    )
    if dictionary is None:
        return zstandard.ZstdCompressor(compression_params=parameters)
    data = zstandard.ZstdCompressionDict(dictionary.data)
    data.precompute_compress(compression_params=parameters)
    return zstandard.ZstdCompressor(compression_params=parameters, dict_data=data)


def _decompressor(dictionary: Dictionary | None) -> zstandard.ZstdDecompressor:
    if dictionary is None:
        return zstandard.ZstdDecompressor(format=_FORMAT)
    data = zstandard.ZstdCompressionDict(dictionary.data)
    return zstandard.ZstdDecompressor(dict_data=data, format=_FORMAT)
