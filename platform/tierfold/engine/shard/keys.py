"""Keys and small values of a shard's database.

| family     | key                            | value                                           |
|------------|--------------------------------|-------------------------------------------------|
| meta       | a word                         | format number, store id, next block number      |
| meta       | "4", tenant, hash, number      | bytes of a block that L4 has                    |
| head       | tenant, context digest         | `Head.encode()`                                 |
| catalogue  | tenant, context id             | nothing: ids in order, for listings             |
| reference  | tenant, segment name, digest   | `Place`: where the segment's body is            |
| body       | tenant, segment name           | a frame: a body that is in no block yet         |
| block      | tenant, block number           | a block of bodies, or its hash when L4 has it   |
| dictionary | tenant, dictionary id          | a trained dictionary                            |
| expiry     | time, tenant, digest           | nothing: what ends when                         |
| outbox     | kind, tenant, digest or number | what L4 does not have yet, or should not have   |
| search     | see `engine/shard/search`      | the search index, a cache                       |

Storage keys begin with the tenant (its length, then its name) except where time or kind must lead.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from tierfold.context.identity import DIGEST_BYTES
from tierfold.context.segment import NAME_BYTES, Name
from tierfold.errors import CorruptError

STORE_FORMAT = 1
NUMBER_BYTES = 5  # of a block's number: a shard that seals a block a millisecond lasts 34 years

NEXT_BLOCK_KEY = b"next block"  # in `meta`: the number of the next block, as a block's key has it
HASH_BYTES = 16  # of a block, as the object store names it
UPLOADED = b"4"  # all keys of `meta` that say what L4 has begin with it

_STUB = b"\x00"  # no block begins with it
_TIME = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a body is: entry `entry` of a block, or in a row of its own."""

    block: int | None = None
    entry: int = 0

    def encode(self) -> bytes:
        """Return 0 bytes for a row, 2 to 7 for an entry."""
        if self.block is None:
            return b""
        number = self.block.to_bytes(NUMBER_BYTES, "big").lstrip(b"\x00") or b"\x00"
        return bytes((len(number),)) + number + self.entry.to_bytes(2, "big").lstrip(b"\x00")

    @classmethod
    def decode(cls, data: bytes) -> "Place":
        """Return the place of its bytes; raises CorruptError."""
        if not data:
            return cls()
        size = data[0]
        if not 1 <= size <= NUMBER_BYTES or not 1 + size <= len(data) <= 3 + size:
            raise CorruptError(what="a reference", problem="its place is garbled")
        return cls(
            int.from_bytes(data[1 : 1 + size], "big"), int.from_bytes(data[1 + size :], "big")
        )


def tenant_prefix(tenant: str) -> bytes:
    """Return what every key of a tenant begins with."""
    encoded = tenant.encode("ascii")
    return bytes((len(encoded),)) + encoded


def head_key(tenant: str, digest: bytes) -> bytes:
    """Return the key of a context's head."""
    return tenant_prefix(tenant) + digest


def catalogue_key(tenant: str, context: str) -> bytes:
    """Return the key that lists a context."""
    return tenant_prefix(tenant) + context.encode("ascii")


def name_prefix(tenant: str, name: Name) -> bytes:
    """Return what all references to a segment begin with; also the key of its row."""
    return tenant_prefix(tenant) + name


def reference_key(tenant: str, name: Name, digest: bytes) -> bytes:
    """Return the key that says: this context needs that segment."""
    return name_prefix(tenant, name) + digest


def split_reference(key: bytes) -> tuple[str, Name, bytes]:
    """Return tenant, name and digest of a reference."""
    tenant, rest = split_tenant(key)
    return tenant, Name(rest[:NAME_BYTES]), rest[NAME_BYTES : NAME_BYTES + DIGEST_BYTES]


def split_tenant(key: bytes) -> tuple[str, bytes]:
    """Return the tenant that leads a key, and the rest of it."""
    return key[1 : 1 + key[0]].decode("ascii"), key[1 + key[0] :]


def block_key(tenant: str, number: int) -> bytes:
    """Return the key of a block."""
    return tenant_prefix(tenant) + number.to_bytes(NUMBER_BYTES, "big")


def expiry_key(at_ms: int, tenant: str, digest: bytes) -> bytes:
    """Return the key that ends a context; earlier ones sort first."""
    return _TIME.pack(at_ms) + head_key(tenant, digest)


def split_expiry(key: bytes) -> tuple[int, str, bytes]:
    """Return time, tenant and digest."""
    tenant, digest = split_tenant(key[_TIME.size :])
    return _TIME.unpack_from(key)[0], tenant, digest


def outbox_context_key(tenant: str, digest: bytes) -> bytes:
    """Return the key that says: L4 lacks this context's newest state, or that it is deleted."""
    return b"c" + head_key(tenant, digest)


def outbox_block_key(tenant: str, number: int) -> bytes:
    """Return the key that says: L4 lacks this block."""
    return b"b" + block_key(tenant, number)


def split_outbox(key: bytes) -> tuple[bytes, str, bytes]:
    """Return kind, tenant, and digest, number or hash."""
    tenant, rest = split_tenant(key[1:])
    return key[:1], tenant, rest


def outbox_unneeded_key(tenant: str, hashed: bytes) -> bytes:
    """Return the key that says: L4 still has a block that nothing here needs any more."""
    return b"u" + tenant_prefix(tenant) + hashed


def outbox_dictionary_key(tenant: str, dictionary: bytes) -> bytes:
    """Return the key that says: L4 still has a dictionary that is gone here."""
    return b"d" + tenant_prefix(tenant) + dictionary


def uploaded_prefix(tenant: str, hashed: bytes) -> bytes:
    """Return what the `meta` keys of all local blocks with these bytes begin with."""
    return UPLOADED + tenant_prefix(tenant) + hashed


def uploaded_key(tenant: str, hashed: bytes, number: int) -> bytes:
    """Return the `meta` key that says: L4 has this block, verified."""
    return uploaded_prefix(tenant, hashed) + number.to_bytes(NUMBER_BYTES, "big")


def hash_among(keys: Iterable[bytes], number: int) -> bytes | None:
    """Return the hash by which L4 has a block, of its tenant's keys that say so; None without."""
    wanted = number.to_bytes(NUMBER_BYTES, "big")
    for key in keys:
        if key.endswith(wanted):
            return key[-NUMBER_BYTES - HASH_BYTES : -NUMBER_BYTES]
    return None


def block_stub(hashed: bytes) -> bytes:
    """Return the value of a block whose bytes only L4 has now."""
    return _STUB + hashed


def stub_hash(value: bytes) -> bytes | None:
    """Return the hash by which L4 knows a block that left the disk; None for one that is here."""
    return value[1:] if value[:1] == _STUB and len(value) == 1 + HASH_BYTES else None
