"""Which ports our processes listen on, as the kernel's own tables say (Linux)."""

import ipaddress
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_LISTENING = "0A"  # the kernel's number of the state LISTEN
_TABLES = ("tcp", "tcp6")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Listener:
    """One listening TCP port of one process."""

    port: int
    address: str
    pid: int
    process: str

    @property
    def reach(self) -> str:
        """Who may reach it: `loopback only`, `every interface` or the one address."""
        address = ipaddress.ip_address(self.address)
        if address.is_loopback:
            return "loopback only"
        return "every interface" if address.is_unspecified else f"{self.address} only"

    @property
    def is_loopback(self) -> bool:
        """Whether nobody outside of this machine can reach it."""
        return self.reach == "loopback only"


def can_list() -> bool:
    """Return whether this system shows its tables."""
    return (_PROC / "net" / _TABLES[0]).exists()


def processes_with(variable: str, value: str) -> list[int]:
    """Return the processes that were started with this environment variable, by pid."""
    wanted = f"{variable}={value}".encode()
    return [pid for pid in _pids() if wanted in _read(pid, "environ").split(b"\0")]


def listeners(pids: Iterable[int]) -> list[Listener]:
    """Return the listening ports of the processes, by port."""
    sockets = dict(_listening_sockets())
    found = set()
    for pid in pids:
        for inode in _socket_inodes(pid):
            if inode in sockets:
                address, port = sockets[inode]
                found.add(Listener(port=port, address=address, pid=pid, process=_name(pid)))
    return sorted(found)


def _pids() -> Iterator[int]:
    for entry in os.listdir(_PROC):
        if entry.isdecimal():
            yield int(entry)


def _read(pid: int, name: str) -> bytes:
    """Return a file of the process; nothing when it is gone or not ours."""
    try:
        return (_PROC / str(pid) / name).read_bytes()
    except OSError:
        return b""


def _name(pid: int) -> str:
    """Return what the process calls itself: Ray's workers say their role."""
    words = _read(pid, "cmdline").split(b"\0")
    first = words[0].decode("utf-8", "replace") if words else ""
    if not first.startswith("ray::") and len(words) > 1 and "python" in Path(first).name:
        script = next((word for word in words[1:] if word.endswith(b".py")), b"")
        module = words[words.index(b"-m") + 1] if b"-m" in words[:-1] else b""
        return (Path(script.decode()).name if script else module.decode()) or "python"
    return first.partition(" ")[0].rpartition("/")[2] or "unknown"


def _socket_inodes(pid: int) -> Iterator[int]:
    folder = _PROC / str(pid) / "fd"
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        try:
            target = os.readlink(folder / name)
        except OSError:
            continue
        if target.startswith("socket:["):
            yield int(target[len("socket:[") : -1])


def _listening_sockets() -> Iterator[tuple[int, tuple[str, int]]]:
    for table in _TABLES:
        try:
            lines = (_PROC / "net" / table).read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == _LISTENING:
                yield int(fields[9]), _endpoint(fields[1])


def _endpoint(text: str) -> tuple[str, int]:
    """Return address and port of the kernel's notation: words of 32 bit in host order."""
    digits, _, port = text.partition(":")
    raw = b"".join(
        int(digits[start : start + 8], 16).to_bytes(4, "little")
        for start in range(0, len(digits), 8)
    )
    address = ipaddress.ip_address(raw)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address), int(port, 16)
