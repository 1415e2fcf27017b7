"""Memory and disk that a training needs, checked before any work is done."""

from __future__ import annotations

import shutil
from pathlib import Path

from osteolens.errors import ConfigError, OutputError

MEBIBYTE, GIBIBYTE = 2**20, 2**30


def check_disk(folder: Path, needed: float, what: str) -> None:
    """Check that a disk has room.

    Args:
        folder: on the disk, existing or not.
        needed: bytes.
        what: they are for, for the message.

    Raises:
        OutputError: it has not.
    """
    place = next((path for path in (folder, *folder.absolute().parents) if path.exists()), None)
    if place is None:
        return
    free = shutil.disk_usage(place).free
    if needed > free:
        raise OutputError(
            f"{folder}: {what} need about {as_size(needed)}, and {as_size(free)} are free; free space, or choose "
            "another folder with --out"
        )


def check_memory(needed: float, what: str, advice: str) -> None:
    """Check that this machine has the memory, on the CPU.

    Args:
        needed: bytes.
        what: they are for, for the message.
        advice: what to do.

    Raises:
        ConfigError: it has not.
    """
    free = available_memory()
    if free is not None and needed > free:
        raise ConfigError(f"{what} need about {as_size(needed)} of memory, and {as_size(free)} are free; {advice}")


def available_memory() -> int | None:
    """Bytes of memory that are free, by the kernel and by the limit of a container; None where neither tells."""
    values = [_of_kernel(Path("/proc/meminfo")), _of_container(Path("/sys/fs/cgroup"))]
    known = [value for value in values if value is not None]
    return min(known) if known else None


def _of_kernel(meminfo: Path) -> int | None:
    try:
        lines = dict(line.split(":", 1) for line in meminfo.read_text("ascii").splitlines() if ":" in line)
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None


def _of_container(cgroup: Path) -> int | None:
    """What the second version of control groups leaves; files that a container can drop count as free."""
    try:
        limit, used = ((cgroup / f"memory.{name}").read_text("ascii").strip() for name in ("max", "current"))
        lines = (line.split() for line in (cgroup / "memory.stat").read_text("ascii").splitlines())
        cached = {name: int(value) for name, value in lines}.get("inactive_file", 0)
        return None if limit == "max" else max(0, int(limit) - int(used) + cached)
    except (OSError, ValueError):
        return None


def as_size(size: float) -> str:
    """Bytes as people read them."""
    return f"{size / GIBIBYTE:.1f} GB" if size >= GIBIBYTE / 10 else f"{size / MEBIBYTE:.0f} MB"
