"""A training of the classifier that is killed at any moment goes on as if nothing had been."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ultralytics")

from tests import ROOT
from tests.detect.training.test_detector_after_kills import MOMENTS, check

pytestmark = pytest.mark.train


def test_a_killed_training_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.classify.training.kills", str(tmp_path), MOMENTS]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    check(tmp_path, json.loads(done.stdout), "best.safetensors")
