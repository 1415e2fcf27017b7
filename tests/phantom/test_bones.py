"""Anatomies, posture, deformity and growths of the simulated spine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from cohort.spine import LEVELS, VertebralLevel, View  # noqa: E402
from osteolens.errors import AnatomyError  # noqa: E402
from phantom.bones.anatomy import Bone, vertebra_from_bone  # noqa: E402
from phantom.bones.builtin import BODY_MM, procedural_anatomy  # noqa: E402
from phantom.bones.density import UNNAMED, Skeleton, build_skeleton  # noqa: E402
from phantom.bones.meshes import _check_closed, load_anatomies  # noqa: E402
from phantom.bones.osteophytes_and_implants import osteophyte_bones  # noqa: E402
from phantom.bones.placement import Placement  # noqa: E402
from phantom.bones.posture import Posture, sample_posture  # noqa: E402
from phantom.geometry import Geometry  # noqa: E402
from phantom.ground_truth import body_truth, star_outline  # noqa: E402
from phantom.subject.pathology import (  # noqa: E402
    BODIES,
    Deformity,
    DeformityKind,
    Implant,
    Osteophyte,
    Pathology,
    Plaque,
    sample_pathology,
)
from phantom.subject.population import PopulationConfig, sample_person  # noqa: E402
from phantom.variety import Variety  # noqa: E402

CPU = torch.device("cpu")
ANATOMY = procedural_anatomy()


def stand(pathology: Pathology, index: int = 1) -> Posture:
    return sample_posture(sample_person(index, 5), pathology, ANATOMY, np.random.default_rng(3), Variety.NONE)


def bones(pathology: Pathology, posture: Posture | None = None) -> Skeleton:
    generator = torch.Generator().manual_seed(0)
    return build_skeleton(sample_person(1, 5), pathology, ANATOMY, posture or stand(pathology), generator, CPU)


def wide_view(view: View) -> Geometry:
    line = (torch.arange(420) - 209.5) * 1.2
    return Geometry(view=view, source_mm=-1000.0, distance_mm=1150.0, centre_mm=(0.0, -10.0), u_mm=line, v_mm=-line)


def test_the_built_in_bodies_have_their_sizes() -> None:
    for level, vertebra in procedural_anatomy().vertebrae.items():
        width, depth, height = BODY_MM[level]
        assert vertebra.size_mm[0] == pytest.approx(width, rel=0.08)
        assert vertebra.size_mm[1] == pytest.approx(depth, rel=0.18)
        assert vertebra.size_mm[2] == pytest.approx(height, rel=0.18)


def test_a_tilted_vertebra_is_found_upright_in_its_own_frame() -> None:
    upright = procedural_anatomy().vertebrae[VertebralLevel.L3].bone
    plain = Bone("L3", upright.sdf, upright.origin, upright.step_mm)
    found = vertebra_from_bone(plain)
    assert np.allclose(found.bone.axes, np.eye(3), atol=0.08)
    assert np.abs(found.bone.centre).max() < 2.5


def test_a_block_without_a_body_is_refused() -> None:
    with pytest.raises(AnatomyError, match="encloses no volume"):
        vertebra_from_bone(Bone("nothing", np.ones((9, 9, 9), np.float32), np.zeros(3), 1.0))


def test_placement_forward_and_height_factor_agree() -> None:
    placement = Placement(np.eye(3), np.array([1.0, 2, 3]), np.array([1.1, 1.0, 0.9]), 17, 23, 14, wedge=0.3)
    front, back = placement.to_patient(np.array([[0.0, -17, 10], [0.0, 17, 10]]))
    assert front[2] - 3 == pytest.approx(9 * 0.7) and back[2] - 3 == pytest.approx(9.0)


def test_vertebrae_stack_without_touching_and_upwards() -> None:
    for seed in range(6):
        person = sample_person(seed, 1)
        posture = sample_posture(person, Pathology(), ANATOMY, np.random.default_rng(seed), Variety.WIDE)
        centres = np.array([posture.vertebrae[level].centre for level in LEVELS[:8]])
        steps = np.linalg.norm(np.diff(centres, axis=0), axis=1)
        assert (np.diff(centres[:, 2]) < 0).all()
        assert ((steps > 18) & (steps < 52)).all()


def test_a_bent_placement_is_undone_by_the_skeleton() -> None:
    from phantom.bones.density import _unbent

    rng = np.random.default_rng(0)
    placement = Placement(
        np.eye(3), np.zeros(3), np.array([1.1, 0.9, 1.0]), 17, 23, 14, wedge=0.3, bend=rng.normal(0, 0.6, (3, 4))
    )
    source = rng.uniform(-12, 12, (50, 3))
    placed = placement.to_patient(source.copy())
    back = _unbent([torch.tensor(placed[:, k]) for k in range(3)], placement)
    found = np.stack([b.numpy() for b in back], 1) / placement.scale
    assert np.abs(found - source).max() < 0.25


@pytest.mark.parametrize(("loss", "grade"), [(0.10, 0), (0.20, 1), (0.249, 1), (0.25, 2), (0.40, 3)])
def test_genant_grades(loss: float, grade: int) -> None:
    assert Deformity(DeformityKind.WEDGE, loss).grade == grade


@pytest.mark.parametrize("kind", list(DeformityKind))
def test_a_fracture_lowers_its_body(kind: DeformityKind) -> None:
    body = VertebralLevel.L2
    whole = stand(Pathology()).vertebrae[body]
    hurt = stand(Pathology(fractures=((body, Deformity(kind, 0.4)),))).vertebrae[body]
    spots = {DeformityKind.WEDGE: (0, -0.95), DeformityKind.BICONCAVE: (0, 0), DeformityKind.CRUSH: (0, 0.5)}
    x, y = spots[kind][0] * whole.half_width, spots[kind][1] * whole.half_depth
    heights = [float(p.height_factor(np.array([x]), np.array([y]))[0]) for p in (whole, hurt)]
    assert heights[1] == pytest.approx(heights[0] - 0.4, abs=0.02)


def test_six_lumbar_bodies_move_the_names_and_four_leave_l5_out() -> None:
    six, four = Pathology(lumbar_count=6), Pathology(lumbar_count=4, sacralised=1.0)
    assert [six.name_of(b) for b in BODIES] == [*BODIES[1:], None]
    assert four.name_of(VertebralLevel.L5) is None and four.name_of(VertebralLevel.L4) is VertebralLevel.L4
    assert [str(b) for b in six.target_bodies] == ["T12", "L1", "L2", "L3"]
    skeleton = bones(six)
    assert (skeleton.owner == UNNAMED).any() and not (skeleton.owner == LEVELS.index(VertebralLevel.T10)).any()


@pytest.mark.parametrize(
    ("count", "levels"),
    [
        (5, {"T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1"}),
        (6, {"T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1"}),
        (4, {"T11", "T12", "L1", "L2", "L3", "L4"}),
    ],
)
def test_truth_names_what_the_spine_has(count: int, levels: set[str]) -> None:
    pathology = Pathology(lumbar_count=count)
    posture = stand(pathology)
    boxes, outlines = body_truth(ANATOMY, posture, pathology, wide_view(View.AP))
    assert {str(b.level) for b in boxes} == levels
    assert {str(level) for level in outlines} == levels - {"S1"}
    for box in boxes:
        if box.level in outlines:
            line = outlines[box.level]
            assert (line[:, 0] >= box.x0).all() and (line[:, 0] <= box.x1).all()
            assert (line[:, 1] >= box.y0 - 1).all() and (line[:, 1] <= box.y1 + 1).all()


def test_a_star_outline_holds_a_circle() -> None:
    turn = np.random.default_rng(0).uniform(0, 2 * np.pi, 4000)
    line = star_outline(np.stack((50 + 20 * np.cos(turn), 30 + 20 * np.sin(turn)), 1))
    assert np.abs(np.hypot(line[:, 0] - 50, line[:, 1] - 30) - 20).max() < 0.2


def test_ribs_go_with_a_sixth_lumbar_vertebra() -> None:
    posture = stand(Pathology())
    five, six = (bones(Pathology(lumbar_count=n), posture).frame.density.sum() for n in (5, 6))
    assert six < five


def test_screws_and_cement_are_metal_beside_the_bone_and_none_is_none() -> None:
    assert bones(Pathology()).implants is None
    for kind, at_least in ((Implant.SCREWS, 8.0), (Implant.CEMENT, 2.0)):
        found = bones(Pathology(implant=kind, implant_bodies=(VertebralLevel.L3, VertebralLevel.L4))).implants
        assert found is not None and float(found.density.max()) > at_least


def test_osteophytes_add_bone_outside_the_rim() -> None:
    posture = stand(Pathology())
    spur = Osteophyte(VertebralLevel.L3, 1, 90.0, 9.0)
    plain, grown = bones(Pathology(), posture), bones(Pathology(osteophytes=(spur,)), posture)
    assert float(grown.spine.density.sum()) > float(plain.spine.density.sum())
    placement = posture.vertebrae[VertebralLevel.L3]
    one = osteophyte_bones(Pathology(osteophytes=(spur,)), VertebralLevel.L3, (46, 34, 28), placement)[0]
    inside = one.origin + np.argwhere(one.sdf < 0)
    assert inside[:, 0].max() > 23 * placement.scale[0] + 2


def test_plaques_lie_before_the_spine() -> None:
    posture = stand(Pathology())
    plaque = Plaque(0.0, 90.0, 15.0, 8.0, 0.8)
    plain, calcified = bones(Pathology(), posture).frame, bones(Pathology(plaques=(plaque,)), posture).frame
    added = (calcified.density - plain.density).nonzero().float().mean(0) * 2 + torch.tensor(plain.origin_mm)
    front = posture.vertebrae[VertebralLevel.L3].centre[1] - posture.vertebrae[VertebralLevel.L3].half_depth
    assert float(added[1]) < front and float(added[2]) == pytest.approx(0, abs=3)


def test_findings_have_their_shares_and_weak_bone_breaks_more() -> None:
    config = PopulationConfig()
    drawn = [(p := sample_person(k, 2), sample_pathology(p, config)) for k in range(4000)]
    found = [q for _, q in drawn]
    assert np.mean([q.implant is not Implant.NONE for q in found]) == pytest.approx(0.03, abs=0.01)
    assert np.mean([q.fracture_grade > 0 and q.implant is Implant.NONE for q in found]) == pytest.approx(0.06, abs=0.02)
    assert np.mean([q.lumbar_count == 6 for q in found]) == pytest.approx(0.03, abs=0.01)
    assert np.mean([q.curve_deg > 10 for q in found]) == pytest.approx(0.025, abs=0.01)
    assert np.mean([str(q.exposure) != "good" for q in found]) == pytest.approx(0.025, abs=0.01)
    broken = np.array([q.fracture_grade > 0 for q in found])
    density = np.array([p.vbmd_mg_cm3 for p, _ in drawn])
    assert density[broken].mean() < density[~broken].mean() - 15
    old = np.array([p.age_years > 75 for p, _ in drawn])
    plaques = np.array([bool(q.plaques) for q in found])
    assert plaques[old].mean() > 0.6 > plaques[~old].mean()


def test_no_share_means_nobody() -> None:
    none = PopulationConfig(implant_share=0, fracture_share=0, scoliosis_share=0, poor_exposure_share=0)
    found = [sample_pathology(sample_person(k, 2, none), none) for k in range(300)]
    assert all(q.implant is Implant.NONE and q.fracture_grade == 0 and q.curve_deg < 10 for q in found)
    assert all(str(q.exposure) == "good" for q in found)


def test_a_strong_curve_gives_a_large_cobb_angle() -> None:
    straight = [stand(Pathology(), k).cobb_deg for k in range(5)]
    bent = [stand(Pathology(curve_deg=20), k).cobb_deg for k in range(5)]
    assert max(straight) < 6 and min(bent) > 15


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
