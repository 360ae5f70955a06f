"""The manifest object: all that is needed to bring a context back from L4 alone."""

import hashlib
import struct
from dataclasses import dataclass, field

from tierfold.engine.shard.keys import HASH_BYTES
from tierfold.errors import CorruptError, FormatTooNewError

FORMAT = 1
OWNER_BYTES = 16
CHECK_BYTES = 8

_FIXED = struct.Struct(f">B{OWNER_BYTES}sHI")
_WHAT = "a manifest in L4"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedManifest:
    """A context's head, and the blocks its bodies are in, as the owner's store names them."""

    owner: bytes
    head: bytes = field(repr=False)
    blocks: tuple[bytes, ...] = field(repr=False)  # hashes

    def encode(self) -> bytes:
        """Return the object's bytes."""
        fixed = _FIXED.pack(FORMAT, self.owner, len(self.head), len(self.blocks))
        content = b"".join((fixed, self.head, *self.blocks))
        return content + _check(content)

    @classmethod
    def decode(cls, data: bytes) -> "ArchivedManifest":
        """Return the manifest of an object; raises CorruptError or FormatTooNewError."""
        if data[:1] and data[0] > FORMAT:
            raise FormatTooNewError(what=_WHAT, found=data[0], known=FORMAT)
        content = data[:-CHECK_BYTES]
        if len(content) < _FIXED.size or _check(content) != data[-CHECK_BYTES:]:
            raise CorruptError(what=_WHAT, problem="its checksum is another")
        _, owner, head_bytes, count = _FIXED.unpack_from(content)
        at = _FIXED.size + head_bytes
        if len(content) != at + count * HASH_BYTES:
            raise CorruptError(what=_WHAT, problem="its lengths do not add up")
        blocks = tuple(content[i : i + HASH_BYTES] for i in range(at, len(content), HASH_BYTES))
        return cls(owner=owner, head=content[_FIXED.size : at], blocks=blocks)


def _check(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=CHECK_BYTES).digest()
