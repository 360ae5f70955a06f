"""Where a server is, and how we introduce ourselves."""

import ipaddress
from urllib.parse import urlsplit

from tierfold.errors import InvalidInputError


def require_url(url: str) -> str:
    """Return the URL without its last slash and the /v1 that other clients want in it.

    Raises InvalidInputError for what is no address of a server.
    """
    problem = ""
    try:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            problem = f"{url!r} is no server: write http://host:port"
        elif parts.port == 0 or parts.query or parts.fragment:
            problem = f"{url!r} is more than an address: write http://host:port"
        elif parts.username is not None:  # not shown: it may hold a password
            problem = "keep credentials out of the URL: TIERFOLD_API_KEY holds the key"
    except ValueError:
        problem = "this is no URL: write http://host:port"
    if problem:
        raise InvalidInputError(problem, path="url")
    return url.rstrip("/").removesuffix("/v1").rstrip("/")


def is_loopback(url: str) -> bool:
    """Return whether the server is on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def headers_of(key: str | None) -> dict[str, str]:
    """Return the headers of every request; raises InvalidInputError without showing the key."""
    headers = {"content-type": "application/json", "accept": "application/json"}
    if not key:
        return headers
    if not key.isascii() or not key.isprintable() or " " in key:
        problem = "the API key has characters that no header takes: was a line end copied too?"
        raise InvalidInputError(problem)
    return headers | {"authorization": f"Bearer {key}"}
