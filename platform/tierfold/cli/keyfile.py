"""The API keys file: one `tenant:sha256` a line, as the gateway and `doctor` read it."""

import re
from dataclasses import dataclass
from pathlib import Path

from tierfold.errors import SetupError

KEYS_FILE_VARIABLE = "TIERFOLD_API_KEYS_FILE"

_LINE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,63}):([0-9A-Fa-f]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLine:
    """A tenant and the SHA-256 of one of its keys."""

    tenant: str
    digest: bytes


def read_keys(path: Path) -> tuple[KeyLine, ...]:
    """Return the file's keys; raises SetupError, which never quotes the file's contents."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        msg = f"{KEYS_FILE_VARIABLE}: cannot read {path}: {reason}"
        raise SetupError(msg) from error
    lines = tuple(_keys(text, path))
    if not lines:
        msg = f"{KEYS_FILE_VARIABLE}: {path} has no key: add a line tenant:sha256"
        raise SetupError(msg)
    return lines


def _keys(text: str, path: Path) -> list[KeyLine]:
    keys = []
    for number, line in enumerate(text.splitlines(), start=1):
        content = line.strip()
        if not content or content.startswith("#"):
            continue
        match = _LINE.fullmatch(content)
        if match is None:
            msg = (
                f"{KEYS_FILE_VARIABLE}: line {number} of {path} is malformed: "
                "write tenant:sha256, the SHA-256 of the key in 64 hex digits"
            )
            raise SetupError(msg)
        keys.append(KeyLine(tenant=match[1], digest=bytes.fromhex(match[2])))
    return keys
