"""All of the benchmark of training runs; its numbers are not looked at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("ultralytics")

pytestmark = [pytest.mark.train, pytest.mark.slow]


def test_a_quick_run_measures_every_stage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks.training import main

    main(["--quick", f"--out={tmp_path}/training.json"])
    rows = json.loads((tmp_path / "training.json").read_text("utf-8"))["rows"]
    measured = [("detector", 1), ("segmenter", 1), ("segmenter", 2), ("classifier", 1), ("classifier", 2)]
    assert [(row["stage"], row["processes"]) for row in rows] == measured
    assert all(row["images_s"] > 0 and row["peak_mib"] > 100 for row in rows)
    assert capsys.readouterr().out.count("\n") == 2 + len(rows)
