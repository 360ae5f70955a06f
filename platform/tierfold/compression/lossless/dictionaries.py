"""Dictionaries: what is known of a text before its first byte, so that short ones shrink too.

A dictionary is named by what it is and never changes: bytes that were packed with a lost one are
lost. Bootstrap dictionaries come with the package and hold the project's own text; trained ones
hold text of one tenant and must never serve another.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import zstandard

from tierfold.compression.lossless.kinds import ContentKind
from tierfold.errors import CorruptError, FormatTooNewError

FORMAT: Final = 1
SAMPLES_BYTES_MIN: Final = 1 << 20  # for training; less of them would be learnt by heart
TRAINED_ID_BYTES: Final = 8
BOOTSTRAP_ID_BYTES: Final = 1
DICTIONARY_BYTES_MAX: Final = 64 * 1024  # 110 KB gained nothing

_SEGMENT_BYTES: Final = 256  # the trainer's k and d, fixed: searching them would take 40 times
_DMER_BYTES: Final = 8
_LEVEL: Final = 19  # once for a dictionary, and no one waits
_BOOTSTRAP_FILES: Final = {1: "bootstrap-1.dict"}


@dataclass(frozen=True, slots=True)
class Dictionary:
    """One dictionary of zstd and the kind of content it is for."""

    id: bytes  # one byte: it comes with the package; eight: hash of a trained one
    kind: ContentKind | None  # None is for all
    data: bytes

    @property
    def is_bootstrap(self) -> bool:
        """Whether it comes with the package."""
        return len(self.id) == BOOTSTRAP_ID_BYTES

    def encode(self) -> bytes:
        """Return the bytes that go to disk."""
        return bytes((FORMAT, self.kind or 0)) + zstandard.compress(self.data, level=_LEVEL)

    @classmethod
    def decode(cls, stored: bytes) -> "Dictionary":
        """Return a trained dictionary of its bytes; raises CorruptError or FormatTooNewError."""
        if stored[:1] and stored[0] > FORMAT:
            raise FormatTooNewError(what="a dictionary", found=stored[0], known=FORMAT)
        try:
            kind = ContentKind(stored[1]) if stored[1] else None
            data = _unpacked(stored[2:])
        except (IndexError, ValueError, zstandard.ZstdError) as error:
            problem = "it is cut short or garbled"
            raise CorruptError(what="a dictionary", problem=problem) from error
        return trained_dictionary(kind, data)


def _unpacked(packed: bytes) -> bytes:
    size_bytes = zstandard.frame_content_size(packed)
    if not 0 <= size_bytes <= DICTIONARY_BYTES_MAX:
        raise ValueError(size_bytes)
    return zstandard.decompress(packed)


def trained_dictionary(kind: ContentKind | None, data: bytes) -> Dictionary:
    """Return a dictionary named by its content."""
    named = hashlib.blake2b(data, digest_size=TRAINED_ID_BYTES, person=b"dictionary")
    return Dictionary(named.digest(), kind, data)


@cache
def bootstrap_dictionaries() -> tuple[Dictionary, ...]:
    """Return those that come with the package; written by `benchmarks/dictionaries.py`."""
    folder = Path(__file__).parent
    return tuple(
        Dictionary(bytes((number,)), None, (folder / name).read_bytes())
        for number, name in _BOOTSTRAP_FILES.items()
    )


def trained_bytes(samples: Sequence[bytes], size_bytes: int) -> bytes | None:
    """Return what zstd's trainer makes of the samples; None where it finds nothing in common."""
    try:
        trained = zstandard.train_dictionary(
            size_bytes, list(samples), k=_SEGMENT_BYTES, d=_DMER_BYTES
        )
    except zstandard.ZstdError:
        return None
    return trained.as_bytes()
