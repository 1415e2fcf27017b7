"""Found boxes against bodies without names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from osteolens.errors import ReadError
from pipeline.evaluation.unlabelled_bodies import evaluate_bodies, read_bodies


def film(folder: Path, labels: Path, name: str, found: int) -> None:
    """A film of 100 x 200 px with six bodies, of which the lowest `found` have a box."""
    view = {"image": f"{name}.jpg", "rows": 200, "columns": 100, "boxes": []}
    lines = []
    for k in range(6):
        y0 = 20 + 25 * k
        lines.append(f"0 0.5 {(y0 + 10) / 200} 0.3 0.1")
        if k >= 6 - found:
            view["boxes"].append({"level": "L1", "x0": 36, "y0": y0 + 1, "x1": 65, "y1": y0 + 20, "confidence": 0.9})
    (labels / f"{name}.txt").write_text("\n".join(reversed(lines)) + "\n")
    document = {"study_uid": name, "views": {"AP": view} if found else {}}
    (folder / "studies" / f"{name}.json").write_text(json.dumps(document))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    results, labels = tmp_path / "out", tmp_path / "labels"
    (results / "studies").mkdir(parents=True)
    labels.mkdir()
    for name, found in (("a", 5), ("b", 3), ("c", 0), ("d", 2)):
        film(results, labels, name, found)
    return results, labels


def test_the_lowest_bodies_are_counted_and_every_third_film_apart(folders: tuple[Path, Path]) -> None:
    figures = evaluate_bodies(*folders)
    assert figures["all"] == {"films": 4, "films_with_a_chain": 3, "bodies": 20, "recall": pytest.approx(10 / 20)}
    assert figures["held_back"] == {"films": 2, "films_with_a_chain": 2, "bodies": 10, "recall": pytest.approx(0.7)}
    assert evaluate_bodies(*folders, lowest=2)["all"]["recall"] == pytest.approx(6 / 8)


def test_the_command_prints_both_groups(folders: tuple[Path, Path]) -> None:
    done = CliRunner().invoke(app, ["evaluate", "bodies", *map(str, folders)])
    assert done.exit_code == 0 and "held back" in done.stdout and "0.500" in done.stdout
    done = CliRunner().invoke(app, ["evaluate", "bodies", *map(str, folders), "--json", "--lowest", "2"])
    assert json.loads(done.stdout)["all"]["bodies"] == 8


def test_labels_that_fit_nothing_or_are_none_are_said(folders: tuple[Path, Path], tmp_path: Path) -> None:
    results, labels = folders
    (labels / "a.txt").write_text("0 0.1 0.2 0.3 0.2 0.3 0.4 0.1 0.4\n")
    assert read_bodies(labels / "a.txt") == [(0.1, 0.2, 0.3, 0.4)]
    (labels / "a.txt").write_text("0 0.5 0.5\n")
    with pytest.raises(ReadError, match=r"a\.txt line 1"):
        read_bodies(labels / "a.txt")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    with pytest.raises(ReadError, match="no label file fits"):
        evaluate_bodies(results, tmp_path / "other")
    with pytest.raises(ReadError, match="expected a folder"):
        evaluate_bodies(results, tmp_path / "none")
