"""Check of packages outside the base install, before any work is done."""

from __future__ import annotations

from importlib.util import find_spec

from osteolens.errors import MissingExtra


def require(command: str, *packages: str, extra: str = "train") -> None:
    """Check that packages are installed, without loading them.

    Args:
        command: that needs them, for the message.
        packages: import names, such as `torch`.
        extra: that installs them.

    Raises:
        MissingExtra: one is not installed.
    """
    for package in packages:
        if not _is_installed(package):
            raise MissingExtra(command, package.replace("_", "-"), extra)


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ImportError:
        return False
