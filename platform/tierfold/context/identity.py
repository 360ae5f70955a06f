"""Who a stored context is: its id, its tenant, and the slot it lives in for ever."""

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property

from tierfold.errors import InvalidInputError

ID_CHARACTERS_MAX = 128
TENANT_CHARACTERS_MAX = 64
DIGEST_BYTES = 8
ID_RANDOM_BITS = 40
SLOT_COUNT = 4096  # fixed for ever: placement and every key on disk count on it

_SLOT_SHIFT = 64 - 12  # the slot is the digest's first 12 bits, so that a slot's keys are one range
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: nothing reads like something else
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:@-]*")


@dataclass(frozen=True)
class ContextKey:
    """Names one context of one tenant; raises InvalidInputError for an id that is none."""

    tenant: str
    id: str

    def __post_init__(self) -> None:
        """Refuse what would mean something else in a path, a log or a key on disk."""
        require_tenant(self.tenant)
        if len(self.id) > ID_CHARACTERS_MAX:
            problem = f"{len(self.id):,} characters; an id has at most {ID_CHARACTERS_MAX}"
            raise InvalidInputError(problem, path="id")
        if not _ID.fullmatch(self.id):
            problem = (
                f"{self.id!r} is no id: begin with a letter or digit, go on with . _ ~ : @ - too"
            )
            raise InvalidInputError(problem, path="id")

    @cached_property
    def digest(self) -> bytes:
        """64 bits that stand for the context in keys on disk."""
        tenant = self.tenant.encode()
        hashed = bytes((len(tenant),)) + tenant + self.id.encode()
        return hashlib.blake2b(hashed, digest_size=DIGEST_BYTES).digest()

    @property
    def slot(self) -> int:
        """Where it lives, 0 to SLOT_COUNT - 1."""
        return slot_of(self.digest)


def slot_of(digest: bytes) -> int:
    """Return the slot of a context's digest."""
    return int.from_bytes(digest, "big") >> _SLOT_SHIFT


def id_at(unix_ms: int, random_bits: int) -> str:
    """Return an id for a context made now; ids sort by the time they were made at.

    `random_bits`: ID_RANDOM_BITS of them, so that two made in the same millisecond differ.
    """
    return f"ctx_{_base32(unix_ms, 10)}{_base32(random_bits, 8)}"


def id_of_key(tenant: str, key: str) -> str:
    """Return the id of a context that is made under an idempotency key: the same each time."""
    said = f"{tenant}\x00{key}".encode("utf-8", "surrogatepass")
    return f"ctx_{hashlib.blake2b(said, digest_size=16).hexdigest()}"


def _base32(value: int, digits: int) -> str:
    return "".join(_DIGITS[value >> 5 * at & 31] for at in range(digits - 1, -1, -1))


def require_tenant(tenant: str) -> None:
    """Raise InvalidInputError for a tenant's name that cannot lead a key on disk."""
    if not tenant.isascii() or not tenant.isprintable() or not tenant:
        problem = f"{tenant!r} is no name of a tenant: use printable ASCII"
        raise InvalidInputError(problem, path="tenant")
    if len(tenant) > TENANT_CHARACTERS_MAX:
        problem = f"{len(tenant):,} characters; a tenant's name has at most {TENANT_CHARACTERS_MAX}"
        raise InvalidInputError(problem, path="tenant")
