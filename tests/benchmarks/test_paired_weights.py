"""Two weights on the same patients: better ones show as better, and who is counted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.paired_weights.__main__ import main
from osteolens.errors import ReadError
from tests.predictions import save, screened

T_SCORES = [-3.6, -3.2, -2.9, -2.4, -1.9, -1.3, -0.6, 0.1, 0.8, -2.8, -1.6, -0.2]


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Twelve women of two sites with DXA."""
    folder = tmp_path / "cohort"
    folder.mkdir()
    rows = [
        {
            "study_uid": f"1.{k}",
            "patient_id": f"p-1.{k}",
            "site": f"site{k % 2}",
            "sex": "F",
            "age_years": 70,
            "t_score": t,
        }
        for k, t in enumerate(T_SCORES)
    ]
    pd.DataFrame(rows).to_csv(folder / "cohort.csv", index=False)
    return folder


def test_differences_are_of_the_studies_that_both_classified(
    tmp_path: Path, cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    right = [screened(f"1.{k}", t, 0.8) for k, t in enumerate(T_SCORES)]
    worse = [
        replace(screened(f"1.{k}", -1.8 if k % 3 == 0 else t, 0.8), t_score=t + 0.7) for k, t in enumerate(T_SCORES)
    ]
    save(tmp_path / "right", right)
    save(tmp_path / "worse", worse[1:])
    main([str(tmp_path / name) for name in ("right", "worse")] + [str(cohort)])
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()]
    assert lines[0][3:] == ["difference, all (11)", "difference, site0 (5)", "difference, site1 (6)"]
    told = {line[0]: line[1:] for line in lines[2:]}
    assert told["T-score: mean absolute error"][2] == "-0.400 (-0.400 to -0.400)"
    assert told["T-score: estimate minus DXA, mean (differences of its magnitude)"][:2] == [
        "+0.300 (+0.300 to +0.300)",
        "+0.700 (+0.700 to +0.700)",
    ]
    assert float(told["macro AUC"][0].split()[0]) == 1 and float(told["macro AUC"][2].split()[0]) > 0
    save(tmp_path / "others", [screened("2.1", -3.0)])
    with pytest.raises(ReadError, match="no eligible study with DXA has a class in both"):
        main([str(tmp_path / "right"), str(tmp_path / "others"), str(cohort)])
