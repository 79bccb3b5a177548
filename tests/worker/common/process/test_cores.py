"""Number of usable cores by affinity and by control groups, which are simulated in a folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stripwatch.worker.common.process.cores import library_threads, limit_library_threads, usable_cores

V2 = "30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"
V2_AT = "30 24 0:26 {root} /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw"
V1 = "33 32 0:29 {root} /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct"
V1_OTHER = "34 32 0:30 / /sys/fs/cgroup/memory rw shared:10 - cgroup cgroup rw,memory"
HYBRID = "35 32 0:31 / /sys/fs/cgroup/unified rw shared:4 - cgroup2 cgroup2 rw"
ROOT_DISK = "24 1 259:1 / / rw,relatime shared:1 - ext4 /dev/root rw"


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def make_root(root: Path, cgroup: str, mounts: list[str], files: dict[str, str]) -> Path:
    """Create a root folder. files: content by path below /sys/fs/cgroup."""
    shutil.rmtree(root, ignore_errors=True)
    contents = {"proc/self/cgroup": cgroup, "proc/self/mountinfo": "\n".join([ROOT_DISK, *mounts, ""])}
    for name, text in (contents | {f"sys/fs/cgroup/{name}": text for name, text in files.items()}).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("limit", "cores"),
    [
        ("max 100000\n", 8),
        ("150000 100000\n", 2),
        ("1600000 100000\n", 8),
        ("5000 100000\n", 1),
        ("100000\n", 8),
        ("", 8),
        ("a b\n", 8),
        ("100000 0\n", 8),
    ],
)
def test_reads_the_quota_of_version_2_in_a_container(tmp_path: Path, limit: str, cores: int) -> None:
    """A container sees its own group as the root."""
    assert usable_cores(make_root(tmp_path / "r", "0::/\n", [V2], {"cpu.max": limit})) == cores


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"system.slice/worker.service/cpu.max": "200000 100000"}, 2),
        ({"system.slice/cpu.max": "300000 100000", "system.slice/worker.service/cpu.max": "max 100000"}, 3),
        ({"system.slice/cpu.max": "300000 100000", "system.slice/worker.service/cpu.max": "500000 100000"}, 3),
        ({"other.slice/cpu.max": "100000 100000"}, 8),
    ],
)
def test_version_2_applies_the_quotas_of_all_ancestors(tmp_path: Path, files: dict[str, str], cores: int) -> None:
    root = make_root(tmp_path / "r", "0::/system.slice/worker.service\n", [V2], files)
    assert usable_cores(root) == cores


@pytest.mark.parametrize("mounted", ["/docker/abc", "/"])
def test_reads_the_quota_of_version_1(tmp_path: Path, mounted: str) -> None:
    """In a container the mount shows only the group of the container, on a host all groups."""
    files = {f"cpu,cpuacct{'' if mounted != '/' else '/docker/abc'}/cpu.cfs_quota_us": "250000\n"}
    files |= {name.replace("quota", "period"): "100000\n" for name in files}
    cgroup = "9:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n0::/docker/abc\n"
    mounts = [V1.format(root=mounted), V1_OTHER, HYBRID]
    assert usable_cores(make_root(tmp_path / "r", cgroup, mounts, files)) == 3


def test_version_1_without_a_quota_allows_all_cores(tmp_path: Path) -> None:
    files = {"cpu,cpuacct/cpu.cfs_quota_us": "-1\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"}
    assert usable_cores(make_root(tmp_path / "r", "4:cpu,cpuacct:/\n", [V1.format(root="/")], files)) == 8


@pytest.mark.parametrize("group", ["/../other", "/somewhere/else"])
def test_uses_the_mount_point_for_a_group_outside_the_mount(tmp_path: Path, group: str) -> None:
    root = make_root(tmp_path / "r", f"0::{group}\n", [V2_AT.format(root="/docker/abc")], {"cpu.max": "100000 100000"})
    assert usable_cores(root) == 1


def test_returns_the_minimum_of_affinity_and_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_root(tmp_path / "r", "0::/\n", [V2], {"cpu.max": "400000 100000"})
    assert usable_cores(root) == 4
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5})
    assert usable_cores(root) == 2


def test_ignores_control_groups_on_another_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert usable_cores(tmp_path) == 8
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores(tmp_path) == 1


def test_limits_library_threads_only_if_not_all_cores_are_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 10_000)
    assert library_threads() == usable_cores()
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    assert library_threads() == 0


def test_limits_openblas_threads_unless_the_user_has_set_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    limit_library_threads()
    assert os.environ["OPENBLAS_NUM_THREADS"] == str(usable_cores())
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    limit_library_threads()
    assert os.environ["OPENBLAS_NUM_THREADS"] == "3"


@pytest.mark.skipif(shutil.which("taskset") is None, reason="requires taskset (util-linux)")
def test_respects_taskset() -> None:
    program = "from stripwatch.worker.common.process.cores import usable_cores; print(usable_cores())"
    done = subprocess.run(["taskset", "-c", "0", sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "1\n"
