"""From an address to an object store."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from tierfold.errors import InvalidInputError
from tierfold.ports import Objects
from tierfold.storage.memory import MemoryObjects

CLOUD_SCHEMES = ("s3", "gs", "az")
KNOWN_SCHEMES = ("file", *CLOUD_SCHEMES, "memory")


def open_objects(url: str, *, timeout_s: float = 5.0, retries_max: int = 2) -> Objects:
    """Open the object store at an address; raises InvalidInputError, SetupError, ObjectStoreError.

    `timeout_s` bounds a call with all its attempts, besides a second per megabyte.
    """
    parts = urlsplit(url)
    if parts.scheme not in KNOWN_SCHEMES:
        raise InvalidInputError(_scheme_problem(url, parts.scheme), path="objects")
    if "@" in parts.netloc or parts.query or parts.fragment:
        problem = "an address holds no credentials or options: set them in the environment"
        raise InvalidInputError(problem, path="objects")
    if parts.scheme == "memory":
        return MemoryObjects()
    if parts.scheme == "file":
        return _files(parts.netloc, unquote(parts.path))
    if not parts.netloc:
        problem = f"the bucket is missing: write {parts.scheme}://BUCKET/FOLDER"
        raise InvalidInputError(problem, path="objects")
    from tierfold.storage.cloud import CloudLimits, CloudObjects  # noqa: PLC0415  # start-up time

    limits = CloudLimits(timeout_s=timeout_s, retries_max=retries_max)
    return CloudObjects(url.rstrip("/"), limits)


def _scheme_problem(url: str, scheme: str) -> str:
    known = ", ".join(f"{each}://" for each in KNOWN_SCHEMES)
    if scheme:
        return f"no object store has the scheme {scheme!r}; known are: {known}"
    if not url:
        return f"an address is missing; known are: {known}"
    meant = Path(url).expanduser().absolute().as_uri()
    return f"{url!r} has no scheme: did you mean {meant}? Known are: {known}"


def _files(host: str, path: str) -> Objects:
    from tierfold.storage.files import FileObjects  # noqa: PLC0415  # as above

    if host not in ("", "localhost") or not path.startswith("/"):
        problem = "a folder's address is file:// and a whole path: file:///var/contexts"
        raise InvalidInputError(problem, path="objects")
    return FileObjects(Path(path))
