"""Anatomies from folders of meshes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from osteolens.errors import AnatomyError
from phantom.bones.meshes import _check_closed, load_anatomies


def test_an_anatomy_folder_without_bones_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnatomyError, match="bodyparts3d is needed"):
        load_anatomies(tmp_path)
    (tmp_path / "bodyparts3d").mkdir()
    with pytest.raises(AnatomyError, match="no file T10_FJ"):
        load_anatomies(tmp_path)


def test_a_mesh_with_a_hole_is_refused_and_cracks_are_forgiven() -> None:
    igl, trimesh = pytest.importorskip("igl"), pytest.importorskip("trimesh")
    ball = trimesh.creation.icosphere(4, 20.0)
    points = np.random.default_rng(0).uniform(-22, 22, (5000, 3))

    def winding(mesh: object) -> np.ndarray:
        return np.asarray(igl.fast_winding_number(mesh.vertices, np.int64(mesh.faces), points))  # type: ignore[attr-defined]

    _check_closed("ball", winding(ball))
    soup = trimesh.Trimesh(ball.triangles.reshape(-1, 3), np.arange(3 * len(ball.faces)).reshape(-1, 3), process=False)
    _check_closed("cracked ball", winding(soup))
    holed = ball.copy()
    holed.update_faces(ball.triangles_center[:, 2] < 12)
    with pytest.raises(AnatomyError, match=r"not closed.*close its holes"):
        _check_closed("holed ball", winding(holed))
    ball.invert()
    with pytest.raises(AnatomyError, match="encloses no volume"):
        _check_closed("inverted ball", winding(ball))
