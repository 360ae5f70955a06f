"""Names in the object store: what lies where in L4.

| key                                          | object                                       |
|----------------------------------------------|----------------------------------------------|
| tenant/blocks/owner-hash                     | a block, as it lies on the owner's disk      |
| tenant/dictionaries/owner-id                 | a dictionary trained for the tenant          |
| tenant/contexts/digest/number                | a manifest: the head, and the blocks it needs|

The owner is the id of the store that put the object: two shards that seal the same bytes do not
share an object, so that one of them can delete its own.
"""

import string

from tierfold.context.identity import DIGEST_BYTES

_PLAIN = frozenset(string.ascii_letters + string.digits + "_-")
_NUMBER_DIGITS = 12


def tenant_folder(tenant: str) -> str:
    """Return the folder of a tenant: what is special in a path is written as `=` and hex."""
    return "".join(c if c in _PLAIN else f"={ord(c):02x}" for c in tenant)


def tenant_of(folder: str) -> str:
    """Return the tenant of a folder; raises ValueError for what is none."""
    first, *rest = folder.split("=")
    return first + "".join(chr(int(part[:2], 16)) + part[2:] for part in rest)


def block_object(tenant: str, owner: bytes, hashed: bytes) -> str:
    """Return the key of a block."""
    return f"{tenant_folder(tenant)}/blocks/{owner.hex()}-{hashed.hex()}"


def dictionary_object(tenant: str, owner: bytes, dictionary: bytes) -> str:
    """Return the key of a dictionary."""
    return f"{tenant_folder(tenant)}/dictionaries/{owner.hex()}-{dictionary.hex()}"


def manifests_folder(tenant: str, digest: bytes) -> str:
    """Return what the keys of all manifests of a context begin with."""
    return f"{tenant_folder(tenant)}/contexts/{digest.hex()}/"


def manifest_object(tenant: str, digest: bytes, number: int) -> str:
    """Return the key of a manifest; later ones sort behind."""
    return f"{manifests_folder(tenant, digest)}{number:0{_NUMBER_DIGITS}d}"


def split_manifest(key: str) -> tuple[str, bytes, int] | None:
    """Return tenant, digest and number of a manifest's key; None for another key."""
    parts = key.split("/")
    if len(parts) != len(("tenant", "contexts", "digest", "number")) or parts[1] != "contexts":
        return None
    try:
        tenant, digest, number = tenant_of(parts[0]), bytes.fromhex(parts[2]), int(parts[3])
    except ValueError:
        return None
    return (tenant, digest, number) if len(digest) == DIGEST_BYTES else None
