"""API keys: which tenant a request belongs to, decided by its key and by nothing else."""

import functools
import hashlib
import hmac
import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from tierfold.cli.keyfile import KEYS_FILE_VARIABLE, KeyLine, read_keys
from tierfold.errors import ForeignHostError, SetupError, UnauthorizedError

LOCAL_TENANT = "local"
_SCHEME = "bearer "


class Keyring:
    """The keys of all tenants, or none: then every caller is the tenant `local`."""

    def __init__(self, lines: tuple[KeyLine, ...] | None) -> None:
        self._entries = None if lines is None else [(each.tenant, each.digest) for each in lines]

    @property
    def is_open(self) -> bool:
        """Whether no key is asked for."""
        return self._entries is None

    def tenant(self, authorization: str | None) -> str:
        """Return the caller's tenant; raises UnauthorizedError without a valid key.

        Takes as long for a wrong key as for a right one: every entry is compared.
        """
        if self._entries is None:
            return LOCAL_TENANT
        given = authorization or ""
        key = given[len(_SCHEME) :].strip() if given[: len(_SCHEME)].lower() == _SCHEME else ""
        digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
        found = None
        for tenant, known in self._entries:
            if hmac.compare_digest(digest, known):
                found = tenant
        if found is None or not key:
            raise UnauthorizedError
        return found


def require_this_machine(host: str | None, origin: str | None) -> None:
    """Raise ForeignHostError where a browser was led here by a page from elsewhere.

    A page's own calls carry its Origin; one whose name was made to point here carries it as Host.
    """
    if not _is_this_machine(host or ""):
        header = "Host"
        raise ForeignHostError(header)
    if origin is not None and not _is_this_machine(origin.partition("://")[2]):
        header = "Origin"
        raise ForeignHostError(header)


@functools.lru_cache(maxsize=64)
def _is_this_machine(authority: str) -> bool:
    name = urlsplit(f"//{authority}").hostname or ""
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def load_keyring(environment: Mapping[str, str] = os.environ, *, may_be_open: bool) -> Keyring:
    """Return the keys of the file that the environment names.

    Raises SetupError for a file that cannot be read or is malformed, and, unless the gateway may
    be open, when no file is named.
    """
    path = environment.get(KEYS_FILE_VARIABLE, "")
    if path:
        return Keyring(read_keys(Path(path)))
    if may_be_open:
        return Keyring(None)
    msg = (
        f"{KEYS_FILE_VARIABLE} is not set: name a file with one tenant:sha256 a line, "
        "or deploy with args {open: true} behind a loopback address"
    )
    raise SetupError(msg)
