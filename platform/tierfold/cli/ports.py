"""Which ports our processes listen on, as the kernel's own tables say (Linux)."""

import ipaddress
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


def family(pid: int, *, variable: str, value: str) -> set[int]:
    """Return the process, all its descendants, and whoever else carries the variable.

    A process that changes its title overwrites its environment, one whose parent died is nobody's
    descendant: only both together find all.
    """
    wanted = f"{variable}={value}".encode()
    parents = {each: _parent(each) for each in _pids()}
    members = {each for each in parents if wanted in _read(each, "environ").split(b"\0")} | {pid}
    while True:
        children = {each for each, parent in parents.items() if parent in members}
        if children <= members:
            return members & parents.keys()
        members |= children


def started_ticks(pid: int) -> int | None:
    """Return when the process started, in clock ticks since boot: with the pid it is unique."""
    fields = _stat(pid)
    return int(fields[19]) if fields else None


def is_zombie(pid: int) -> bool:
    """Return whether the process has ended and only waits for its parent to notice."""
    return _stat(pid)[:1] == [b"Z"]


def _parent(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def _stat(pid: int) -> list[bytes]:
    """Return the fields after the process's name, which may hold anything."""
    return _read(pid, "stat").rpartition(b")")[2].split()


def listeners(pids: Iterable[int]) -> list[Listener]:
    """Return the listening ports of the processes, by port."""
    sockets = dict(_listening_sockets())
    found = set()
    for pid in pids:
        for inode in _socket_inodes(pid):
            if inode in sockets:
                address, port = sockets[inode]
                found.add(Listener(port=port, address=address, pid=pid, process=process_name(pid)))
    return sorted(found)


def _pids() -> Iterator[int]:
    for entry in _PROC.iterdir():
        if entry.name.isdecimal():
            yield int(entry.name)


def _read(pid: int, name: str) -> bytes:
    """Return a file of the process; nothing when it is gone or not ours."""
    try:
        return (_PROC / str(pid) / name).read_bytes()
    except OSError:
        return b""


def process_name(pid: int) -> str:
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
        entries = list(folder.iterdir())
    except OSError:
        return
    for entry in entries:
        try:
            target = str(entry.readlink())
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
