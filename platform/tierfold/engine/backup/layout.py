"""Names in the object store: what of a backup lies where.

| key                            | object                                                    |
|--------------------------------|-----------------------------------------------------------|
| tenant/backups/data/hash       | packs of bodies, pages of lists: named by their content   |
| tenant/backups/manifests/id    | a backup, put last: what has no manifest is no backup     |
| tenant/backups/claims/verb-id  | somebody is making or deleting a backup                   |

All of it is in the tenant's own folder, beside what its store keeps there: so no name of a tenant
can mean something else, and one object store may hold both.
"""

from tierfold.context.identity import id_at
from tierfold.engine.shard.objects import tenant_folder

_LEAD = "bk_"
_TIME_DIGITS = 10
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"  # as in `id_at`
_ID_CHARACTERS = len(_LEAD) + 18


def backup_id(unix_ms: int, random_bits: int) -> str:
    """Return the id of a backup; ids sort by the time they were made at."""
    return _LEAD + id_at(unix_ms, random_bits).partition("_")[2]


def is_backup_id(text: str) -> bool:
    """Whether a text could be the id of a backup."""
    return (
        len(text) == _ID_CHARACTERS
        and text.startswith(_LEAD)
        and all(digit in _DIGITS for digit in text[len(_LEAD) :])
    )


def made_ms(backup: str) -> int:
    """Return the Unix time in an id."""
    value = 0
    for digit in backup[len(_LEAD) : len(_LEAD) + _TIME_DIGITS]:
        value = value << 5 | _DIGITS.index(digit)
    return value


def backups_folder(tenant: str) -> str:
    """Return what all keys of a tenant's backups begin with."""
    return f"{tenant_folder(tenant)}/backups/"


def data_folder(tenant: str) -> str:
    """Return what the keys of all objects begin with that are named by their content."""
    return f"{backups_folder(tenant)}data/"


def data_object(tenant: str, hashed: bytes) -> str:
    """Return the key of an object that is named by its content."""
    return f"{data_folder(tenant)}{hashed.hex()}"


def manifests_folder(tenant: str) -> str:
    """Return what the keys of all backups begin with."""
    return f"{backups_folder(tenant)}manifests/"


def manifest_object(tenant: str, backup: str) -> str:
    """Return the key of a backup."""
    return f"{manifests_folder(tenant)}{backup}"


def claims_folder(tenant: str) -> str:
    """Return what the keys of all claims begin with."""
    return f"{backups_folder(tenant)}claims/"
