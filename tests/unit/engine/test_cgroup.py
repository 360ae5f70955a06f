from pathlib import Path

import pytest

from tierfold.config import MemorySettings
from tierfold.engine.cgroup import MemoryBound, machine_bound, pool_bound
from tierfold.errors import SetupError

GIB = 1024**3
MIB = 1024**2
V2 = "36 35 0:30 {root} /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
V1 = "36 35 0:30 {root} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"


def machine(root: Path, files: dict[str, str]) -> Path:
    """Write a machine of 8 GiB with these files."""
    for name, text in {"proc/meminfo": f"MemTotal: {8 * GIB // 1024} kB\n", **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def bound_of(root: Path, files: dict[str, str]) -> int:
    return machine_bound(machine(root, files)).size_bytes


def test_without_a_cgroup_it_is_the_machine_s_memory(tmp_path: Path) -> None:
    """A laptop has all of it."""
    assert machine_bound(machine(tmp_path, {})) == MemoryBound(8 * GIB, "the machine's memory")


def test_a_container_has_what_its_cgroup_allows(tmp_path: Path) -> None:
    """Its own group is what it sees at the mount."""
    files = {
        "proc/self/cgroup": "0::/\n",
        "proc/self/mountinfo": V2.format(root="/"),
        "sys/fs/cgroup/memory.max": f"{512 * MIB}\n",
    }
    bound = machine_bound(machine(tmp_path, files))

    assert bound == MemoryBound(512 * MIB, "the cgroup's /sys/fs/cgroup/memory.max")


def test_a_group_above_may_be_tighter(tmp_path: Path) -> None:
    """A group without a limit of its own has that of its parents, the least of them."""
    files = {
        "proc/self/cgroup": "0::/kube/pod/box\n",
        "proc/self/mountinfo": V2.format(root="/"),
        "sys/fs/cgroup/kube/pod/box/memory.max": "max\n",
        "sys/fs/cgroup/kube/pod/memory.max": f"{2 * GIB}\n",
        "sys/fs/cgroup/kube/memory.max": f"{1 * GIB}\n",
    }

    assert bound_of(tmp_path, files) == GIB


def test_a_group_named_as_the_host_sees_it_is_found(tmp_path: Path) -> None:
    """Without a namespace of its own the container's group is mounted under its host's name."""
    files = {
        "proc/self/cgroup": "0::/docker/abc/inner\n",
        "proc/self/mountinfo": V2.format(root="/docker/abc"),
        "sys/fs/cgroup/inner/memory.max": f"{300 * MIB}\n",
    }

    assert bound_of(tmp_path, files) == 300 * MIB


@pytest.mark.parametrize("group", ["/../../other", "/somewhere/else"])
def test_a_group_outside_of_what_is_mounted_has_the_limit_of_the_mount(
    tmp_path: Path, group: str
) -> None:
    """What cannot be seen is not guessed at."""
    files = {
        "proc/self/cgroup": f"0::{group}\n",
        "proc/self/mountinfo": V2.format(root="/docker/abc"),
        "sys/fs/cgroup/memory.max": f"{400 * MIB}\n",
    }

    assert bound_of(tmp_path, files) == 400 * MIB


def test_version_one_is_read_too(tmp_path: Path) -> None:
    """Its memory controller has a hierarchy of its own."""
    files = {
        "proc/self/cgroup": "9:name=systemd:/x\n4:cpu,memory:/box\n0::/\n",
        "proc/self/mountinfo": V1.format(root="/") + V2.format(root="/"),
        "sys/fs/cgroup/memory/box/memory.limit_in_bytes": f"{700 * MIB}\n",
    }

    assert bound_of(tmp_path, files) == 700 * MIB


@pytest.mark.parametrize("limit", ["9223372036854771712\n", "max\n", "", "-1\n", "0\n", "many\n"])
def test_a_limit_that_is_none_is_none(tmp_path: Path, limit: str) -> None:
    """Version one says so by a number larger than any machine."""
    files = {
        "proc/self/cgroup": "4:memory:/box\n",
        "proc/self/mountinfo": V1.format(root="/"),
        "sys/fs/cgroup/memory/box/memory.limit_in_bytes": limit,
    }

    assert bound_of(tmp_path, files) == 8 * GIB


def test_what_cannot_be_understood_is_passed_over(tmp_path: Path) -> None:
    """A line of another kernel is no reason not to start."""
    files = {
        "proc/self/cgroup": "\nnonsense\n4:memory:/box\n",
        "proc/self/mountinfo": "\n1 2 -\n1 2 3 4 5 - cgroup2\n" + V1.format(root="/"),
    }

    assert bound_of(tmp_path, files) == 8 * GIB


def test_a_mount_with_blanks_in_its_name_is_found(tmp_path: Path) -> None:
    """The kernel writes them as octal numbers."""
    files = {
        "proc/self/cgroup": "0::/\n",
        "proc/self/mountinfo": "36 35 0:30 / /my\\040groups rw - cgroup2 cgroup2 rw\n",
        "my groups/memory.max": f"{600 * MIB}\n",
    }

    assert bound_of(tmp_path, files) == 600 * MIB


def test_a_system_without_proc_is_asked_otherwise(tmp_path: Path) -> None:
    """Not every system has /proc."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: much\n")

    assert machine_bound(tmp_path).size_bytes > 0


def test_an_explicit_setting_wins(tmp_path: Path) -> None:
    """Who knows better is not corrected."""
    settings = MemorySettings(memory_bytes_max=100 * MIB)

    assert pool_bound(settings, machine(tmp_path, {})) == MemoryBound(
        100 * MIB, "the setting memory_bytes_max"
    )


def test_without_a_setting_it_is_a_share(tmp_path: Path) -> None:
    """The process idles at something, and is not alone."""
    assert pool_bound(MemorySettings(), machine(tmp_path, {})) == MemoryBound(
        int(8 * GIB * 0.6), "60% of the machine's memory"
    )


def test_a_machine_that_is_too_small_is_refused(tmp_path: Path) -> None:
    """Better a sentence at the start than a kill in the middle."""
    machine(tmp_path, {"proc/meminfo": f"MemTotal: {50 * 1024} kB\n"})

    with pytest.raises(SetupError, match="memory allows 50 MiB of memory, and tierfold needs 64"):
        pool_bound(MemorySettings(), tmp_path)


def test_a_small_machine_gives_at_least_what_one_can_work_with(tmp_path: Path) -> None:
    """A share of little would be too little."""
    machine(tmp_path, {"proc/meminfo": f"MemTotal: {80 * 1024} kB\n"})

    assert pool_bound(MemorySettings(), tmp_path).size_bytes == 64 * MIB
