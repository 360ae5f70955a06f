"""What every object of a backup is wrapped in: what it is, a format number and a checksum.

| bytes | what                                       |
|-------|--------------------------------------------|
| 4     | `tfbk`                                     |
| 1     | kind                                       |
| 1     | format                                     |
| 16    | BLAKE2b of kind, format and what follows   |

Whatever a later format changes, these stay as they are, so that a format number is only believed
when the checksum confirms it.
"""

import hashlib
from enum import IntEnum
from typing import Final

from tierfold.errors import CorruptError, FormatTooNewError

FORMAT: Final = 1
HASH_BYTES: Final = 16

_MAGIC: Final = b"tfbk"
_HEAD_BYTES: Final = len(_MAGIC) + 2 + HASH_BYTES


class ObjectKind(IntEnum):
    """What an object holds. Numbers are stored and never change."""

    BODIES = 1  # a pack of items' bodies
    RECORDS = 2  # a page of the list of contexts
    PACKS = 3  # a page of the list of packs
    MANIFEST = 4  # the backup itself


def sealed(kind: ObjectKind, payload: bytes) -> bytes:
    """Return the object."""
    lead = bytes((kind, FORMAT))
    return b"".join((_MAGIC, lead, _check(lead, payload), payload))


def unsealed(kind: ObjectKind, data: bytes, *, what: str) -> bytes:
    """Return what is in an object; raises CorruptError or FormatTooNewError."""
    lead = data[len(_MAGIC) : len(_MAGIC) + 2]
    payload = data[_HEAD_BYTES:]
    is_one = data.startswith(_MAGIC) and len(data) >= _HEAD_BYTES
    if not is_one or data[len(_MAGIC) + 2 : _HEAD_BYTES] != _check(lead, payload):
        raise _damaged(what, problem="its checksum does not match")
    if lead[1] > FORMAT:
        raise FormatTooNewError(what=what, found=lead[1], known=FORMAT)
    if lead[0] != kind:
        raise _damaged(what, problem="it is something else")
    return payload


class DamagedBackupError(CorruptError):
    """An object of a backup is missing, or not what was written."""

    title = "backup damaged"
    _mend = "`tierfold backup verify` lists all that is damaged in a backup"


def _damaged(what: str, *, problem: str) -> DamagedBackupError:
    return DamagedBackupError(what=what, problem=problem)


def content_hash(data: bytes) -> bytes:
    """Return the hash that an object is named by."""
    return hashlib.blake2b(data, digest_size=HASH_BYTES).digest()


def _check(lead: bytes, payload: bytes) -> bytes:
    hashed = hashlib.blake2b(lead, digest_size=HASH_BYTES)
    hashed.update(payload)
    return hashed.digest()
