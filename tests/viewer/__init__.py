"""OHIF's adapter in node, for tests of what its screens show."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import ROOT

HERE = Path(__file__).parent
MODULES = Path(os.environ.get("OSTEOLENS_VIEWER_MODULES", ROOT / "runs" / "viewer" / "node_modules"))
INSTALL = (
    "mkdir -p runs/viewer && cp tests/viewer/package*.json runs/viewer && npm ci --ignore-scripts --prefix runs/viewer"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One measurement as OHIF takes it from a report.

    Attributes:
        tool: that draws it.
        label: beside it on the screen.
        tracking_uid: by which OHIF tells it from others.
        site: code values of the anatomic site.
        sop_instance_uid: of its image.
        points: (x, y) of its corners in pixels of the image.
    """

    tool: str
    label: str
    tracking_uid: str
    site: list[str]
    sop_instance_uid: str
    points: list[list[float]]

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """(x0, y0, x1, y1) in pixels."""
        columns, rows = zip(*self.points, strict=True)
        return min(columns), min(rows), max(columns), max(rows)


@dataclass(frozen=True, slots=True)
class Adapter:
    """The adapter, bundled for node."""

    script: Path

    def shown(self, report: Path) -> list[Shown]:
        """Measurements of a report."""
        return [Shown(**item) for item in json.loads(self._run("read", str(report)))]

    def moved(self, report: Path, out: Path, right: float, down: float) -> None:
        """A report as OHIF saves it after a reader has moved every box."""
        self._run("move", str(report), str(out), str(right), str(down))

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            ["node", str(self.script), *arguments], capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout


def bundled(folder: Path) -> Adapter:
    """The adapter bundled into a folder; the test is skipped where node or its packages are missing."""
    bundler = MODULES / ".bin" / "esbuild"
    if shutil.which("node") is None or not bundler.exists():
        pytest.skip(f"NOT CHECKED in OHIF's adapter: node or {MODULES} is missing; install: {INSTALL}")
    script = folder / "adapter.cjs"
    options = ["--bundle", "--platform=node", "--format=cjs", "--log-level=error", f"--outfile={script}"]
    environment = {**os.environ, "NODE_PATH": str(MODULES)}
    subprocess.run([str(bundler), str(HERE / "adapter.mjs"), *options], check=True, env=environment, timeout=120)
    return Adapter(script)
