"""Keys of the search index in its family of the shard's database.

| key                                     | value                                               |
|-----------------------------------------|-----------------------------------------------------|
| "s"                                     | `State`: format, and how far a rebuild is           |
| "w", tenant, segment name               | where the item stood when it was written: look at it|
| "c", tenant, segment name               | the same: the indexer is looking at it              |
| "t", tenant                             | `Record`: totals and runs                           |
| "n", tenant, segment name               | number of the document that a segment is            |
| "x", tenant, document number            | nothing: its segment is gone, its postings are not  |
| "l", tenant, run, chunk                 | numbers and lengths of documents                    |
| "d", tenant, run, chunk                 | names of documents, and where the items stood       |
| "p", tenant, run, last term, document   | a block of postings, named by its last one          |
"""

import struct

from tierfold.context.segment import NAME_BYTES, Name
from tierfold.engine.shard.keys import name_prefix, split_tenant, tenant_prefix

STATE_KEY = b"s"
WAITING = b"w"
CLAIMED = b"c"
RECORD = b"t"
POSITION_UNKNOWN = -1

_NAMED = b"n"
_DEAD = b"x"
_LENGTHS = b"l"
_DOCUMENTS = b"d"
_POSTINGS = b"p"
_NUMBER = struct.Struct(">Q")
_RUN = struct.Struct(">I")
_PLACE = struct.Struct(">QQ")


def waiting_key(tenant: str, name: Name) -> bytes:
    """Return the key that tells the index to look at a segment.

    A change writes it, in its own batch, for every item segment that was not there before and for
    every one whose last reference goes; what the index has to do it finds out by itself.
    """
    return WAITING + name_prefix(tenant, name)


def waiting_value(position: int = POSITION_UNKNOWN) -> bytes:
    """Return the value of that key: the item's index, so that a hit need not look for it."""
    told = position + 1
    return told.to_bytes((told.bit_length() + 7) // 8, "big")


def waiting_entry(tenant: str, name: Name, position: int) -> tuple[bytes, bytes]:
    """Return what a change puts into its batch for one segment: the key and its value."""
    return waiting_key(tenant, name), waiting_value(position)


def position_of(value: bytes) -> int:
    """Return the index that a waiting key tells, or POSITION_UNKNOWN."""
    return int.from_bytes(value[: _NUMBER.size], "big") - 1


def claimed_key(tenant: str, name: Name) -> bytes:
    """Return the key that says: the indexer is looking at the segment."""
    return CLAIMED + name_prefix(tenant, name)


def split_waiting(key: bytes) -> tuple[str, Name]:
    """Return tenant and name of a waiting or claimed segment."""
    tenant, rest = split_tenant(key[1:])
    return tenant, Name(rest[:NAME_BYTES])


def record_key(tenant: str) -> bytes:
    """Return the key of a tenant's record."""
    return RECORD + tenant_prefix(tenant)


def named_key(tenant: str, name: Name) -> bytes:
    """Return the key that has the number of a segment's document."""
    return _NAMED + name_prefix(tenant, name)


def dead_prefix(tenant: str) -> bytes:
    """Return what the keys of all dead documents begin with."""
    return _DEAD + tenant_prefix(tenant)


def dead_key(tenant: str, number: int) -> bytes:
    """Return the key that says: this document's segment is gone."""
    return dead_prefix(tenant) + number_bytes(number)


def lengths_prefix(tenant: str, run: int) -> bytes:
    """Return what the keys of all lengths of a run begin with."""
    return _LENGTHS + tenant_prefix(tenant) + _RUN.pack(run)


def lengths_key(tenant: str, run: int, chunk: int) -> bytes:
    """Return the key of some documents' lengths."""
    return lengths_prefix(tenant, run) + _RUN.pack(chunk)


def documents_prefix(tenant: str, run: int) -> bytes:
    """Return what the keys of all names of a run begin with."""
    return _DOCUMENTS + tenant_prefix(tenant) + _RUN.pack(run)


def documents_key(tenant: str, run: int, chunk: int) -> bytes:
    """Return the key of some documents' names."""
    return documents_prefix(tenant, run) + _RUN.pack(chunk)


def postings_prefix(tenant: str, run: int) -> bytes:
    """Return what the keys of all postings of a run begin with."""
    return _POSTINGS + tenant_prefix(tenant) + _RUN.pack(run)


def postings_key(tenant: str, run: int, term: int, document: int) -> bytes:
    """Return the key of the block whose last posting is this one."""
    return postings_prefix(tenant, run) + _PLACE.pack(term, document)


def last_term(key: bytes) -> int:
    """Return the last term of a block of postings."""
    return int.from_bytes(key[-_PLACE.size : -_NUMBER.size], "big")


def run_prefixes(tenant: str, run: int) -> tuple[bytes, ...]:
    """Return what all keys of a run begin with."""
    return (
        postings_prefix(tenant, run),
        lengths_prefix(tenant, run),
        documents_prefix(tenant, run),
    )


def number_bytes(number: int) -> bytes:
    """Return a document's number as keys and values have it."""
    return _NUMBER.pack(number)


def number_of(data: bytes) -> int:
    """Return a document's number from the end of a key, or from a value."""
    return int.from_bytes(data[-_NUMBER.size :], "big")
