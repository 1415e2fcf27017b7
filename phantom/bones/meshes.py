"""Anatomies from folders of surface meshes, read at run time from a path that the user gives.

Known folders: `bodyparts3d` (a whole spine, ribs and pelvis), `artisynth_lss` (L1-L5, sacrum and pelvis),
`morphable_lumbar` (a population-mean L2-L5) and `hubmap_vh` (a female and a male pelvis). Nothing of them is copied
into OsteoLens; signed distances are cached in the user's cache folder under the hash of each mesh.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from types import ModuleType
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt
import platformdirs

from cohort.spine import LEVELS, VertebralLevel
from osteolens.atomic import whole_file
from osteolens.errors import AnatomyError, MissingExtra
from phantom.bones.anatomy import Anatomy, Bone, Pelvis, Vector, Vertebra, pelvis_from_bones, vertebra_from_bone
from phantom.bones.builtin import procedural_anatomy

log = logging.getLogger(__name__)

LUMBAR = tuple(level for level in LEVELS if level.value.startswith("L"))
THORACIC = tuple(level for level in LEVELS if level.value.startswith("T"))

TO_LPS: dict[str, tuple[Vector, float]] = {
    "bodyparts3d": (np.diag([1.0, 1.0, 1.0]), 210.0),
    "artisynth_lss": (np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]]), 1000.0),
    "morphable_lumbar": (np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]]), 1.0),
    "hubmap_vh": (np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]), 1000.0),
}
"""Rotation from each source's axes to (left, back, head), and its unit in mm."""


UNSURE_FRACTION = 0.06
"""Most points with a winding number between 0.2 and 0.8 for one inside; whole meshes have none, BodyParts3D's cracked
ones up to 0.046 (its L2), a ball without a fifth of its height 0.42."""


SHELL_FACTOR = {"bodyparts3d": 0.90, "artisynth_lss": 1.04, "morphable_lumbar": 1.0}
"""Shell by source of the lumbar spine, so that all give about the same mean areal BMD; their shapes alone do not."""


@dataclass(frozen=True, slots=True)
class Surface:
    """A triangle mesh: vertices (n, 3), and faces (m, 3) as indices into them."""

    vertices: Vector
    faces: npt.NDArray[np.int64]


class _Mesh(Protocol):
    """The part of a trimesh mesh that is used here; trimesh has no types."""

    vertices: npt.ArrayLike
    faces: npt.ArrayLike


def load_anatomies(folder: Path | None) -> tuple[Anatomy, ...]:
    """The built-in anatomy, and with a folder one anatomy for each lumbar spine and pelvis found in it.

    Raises:
        AnatomyError: the folder holds none of the known sources, or one of them lacks a bone.
        MissingExtra: trimesh or libigl is not installed.
    """
    built_in = procedural_anatomy()
    if folder is None:
        return (built_in,)
    sources = [name for name in TO_LPS if (folder / name).is_dir()]
    if "bodyparts3d" not in sources:
        raise AnatomyError(
            f"{folder}: found {', '.join(sources) or 'none'} of {', '.join(TO_LPS)}; bodyparts3d is needed "
            "for ribs and thoracic vertebrae; give the folder that holds these, or leave --anatomy out"
        )
    spine_and_ribs = _bodyparts(folder / "bodyparts3d")
    lumbar = {"bodyparts3d": {level: spine_and_ribs.vertebrae[level] for level in LUMBAR}}
    pelves = {"bodyparts3d": spine_and_ribs.pelvis}
    if "artisynth_lss" in sources:
        source = folder / "artisynth_lss"
        lumbar["artisynth_lss"] = {
            level: vertebra_from_bone(_bone(source, f"{level}_Schrumpfverpacken.obj", 1.0)) for level in LUMBAR
        }
        sacrum = _bone(source, "S1_Schrumpfverpacken.obj", 1.5)
        pelves["artisynth_lss"] = pelvis_from_bones(sacrum, (_bone(source, "Pelvis.obj", 2.0),))
    if "morphable_lumbar" in sources:
        lumbar["morphable_lumbar"] = _morphable(folder / "morphable_lumbar")
    if "hubmap_vh" in sources:
        pelves["hubmap_vh_female"] = _hubmap_pelvis(folder / "hubmap_vh", "F")
        pelves["hubmap_vh_male"] = _hubmap_pelvis(folder / "hubmap_vh", "M")
    thoracic = {level: spine_and_ribs.vertebrae[level] for level in THORACIC}
    combined = [
        Anatomy(
            name=f"{spine}+{pelvis}",
            vertebrae={**thoracic, **lumbar[spine]},
            pelvis=pelves[pelvis],
            ribs=spine_and_ribs.ribs,
            shell_factor=SHELL_FACTOR[spine],
        )
        for spine in lumbar
        for pelvis in pelves
    ]
    return (built_in, *combined)


def _bodyparts(source: Path) -> Anatomy:
    vertebrae: dict[VertebralLevel, Vertebra] = {
        level: vertebra_from_bone(_bone(source, f"{level}_FJ*.obj", 1.0)) for level in (*THORACIC, *LUMBAR)
    }
    hips = tuple(_bone(source, f"hip_{side}_FJ*.obj", 2.0) for side in "LR")
    pelvis = pelvis_from_bones(_bone(source, "sacrum_FJ*.obj", 1.5), hips)
    ribs: dict[VertebralLevel, tuple[Bone, ...]] = {}
    for level, number in zip(THORACIC, (10, 11, 12), strict=True):
        frame = vertebrae[level].bone
        pair = [_bone(source, f"rib{number}_{side}_FJ*.obj", 1.5) for side in "LR"]
        ribs[level] = tuple(replace(bone, axes=frame.axes, centre=frame.centre) for bone in pair)
    return Anatomy(name="bodyparts3d", vertebrae=vertebrae, pelvis=pelvis, ribs=ribs)


def _morphable(source: Path) -> dict[VertebralLevel, Vertebra]:
    """L2-L5 from the mean mesh; L1 is L2 at 96 %, as the source has none."""
    vertices, faces = source / "meanMesh_vertices.csv", source / "meanMesh_faces.csv"
    axes, unit = TO_LPS["morphable_lumbar"]

    @lru_cache(maxsize=1)
    def surfaces() -> tuple[Surface, ...]:
        points = np.loadtxt(vertices, delimiter=",") @ axes.T * unit
        mesh = _trimesh().Trimesh(points, np.loadtxt(faces, delimiter=",").astype(int) - 1, process=False)
        parts = sorted(mesh.split(only_watertight=False), key=lambda part: -part.centroid[2])
        if len(parts) != 4:
            raise AnatomyError(f"{source}: expected 4 vertebrae in the mean mesh, found {len(parts)}")
        smaller = parts[0].copy()
        smaller.apply_scale(0.96)
        return tuple(_surface(part) for part in (smaller, *parts))

    spine = {}
    for number, level in enumerate(LUMBAR):
        build = partial(lambda k: surfaces()[k], number)
        spine[level] = vertebra_from_bone(_signed_distance(f"morphable {level}", (vertices, faces), build, 1.0))
    return spine


def load_scene(path: Path) -> dict[str, Surface]:
    """Named surfaces of a GLB file, in its own axes and unit.

    Raises:
        AnatomyError: the file is missing.
        MissingExtra: trimesh is not installed.
    """
    if not path.is_file():
        raise AnatomyError(f"{path.parent}: {path.name} is missing; expected it from the HuBMAP reference library")
    return {name: _surface(part) for name, part in _trimesh().load(path).geometry.items()}


def cross_section(surface: Surface, height_mm: float) -> list[Vector]:
    """Points (n, 2) of each closed loop in which a horizontal plane cuts a surface.

    Raises:
        MissingExtra: trimesh is not installed.
    """
    mesh = _trimesh().Trimesh(surface.vertices, surface.faces, process=False)
    section = mesh.section(plane_origin=[0, 0, height_mm], plane_normal=[0, 0, 1])
    return [] if section is None else [np.asarray(line, np.float64)[:, :2] for line in section.discrete]


def _hubmap_pelvis(source: Path, letter: str) -> Pelvis:
    path = source / f"VH_{letter}_Pelvis.glb"
    axes, unit = TO_LPS["hubmap_vh"]
    if not path.is_file():
        raise AnatomyError(f"{source}: {path.name} is missing; expected a pelvis of the HuBMAP reference library")

    def joined(words: tuple[str, ...]) -> Surface:
        trimesh = _trimesh()
        chosen = [part for name, part in load_scene(path).items() if any(word in name for word in words)]
        if not chosen:
            raise AnatomyError(f"{path}: no part named {' or '.join(words)}; the anatomy lacks this bone")
        mesh = trimesh.util.concatenate([trimesh.Trimesh(p.vertices, p.faces) for p in chosen])
        return Surface(np.asarray(mesh.vertices @ axes.T * unit), np.asarray(mesh.faces))

    hip_parts = ("pubis_compact", "ilium_compact", "ischium_compact")
    sacrum = _signed_distance(f"{path.stem} sacrum", (path,), lambda: joined(("sacrum", "coccyx")), 1.5)
    return pelvis_from_bones(sacrum, (_signed_distance(f"{path.stem} hips", (path,), lambda: joined(hip_parts), 2.0),))


def _bone(source: Path, pattern: str, step_mm: float) -> Bone:
    files = sorted(source.glob(pattern))
    if not files:
        raise AnatomyError(f"{source}: no file {pattern}; the anatomy lacks this bone")

    def build() -> Surface:
        trimesh = _trimesh()
        mesh = trimesh.load(files[0], force="mesh", process=False)
        axes, unit = TO_LPS[source.name]
        mesh = trimesh.Trimesh(np.asarray(mesh.vertices) @ axes.T * unit, mesh.faces, process=False)
        mesh.merge_vertices(merge_tex=True, merge_norm=True, digits_vertex=4)
        mesh.update_faces(mesh.nondegenerate_faces())
        mesh.remove_unreferenced_vertices()
        if len(mesh.vertices) < 3000:
            mesh = trimesh.smoothing.filter_humphrey(mesh.subdivide(), iterations=4)
        return _surface(mesh)

    return _signed_distance(f"{source.name} {files[0].stem}", (files[0],), build, step_mm)


def _signed_distance(name: str, files: tuple[Path, ...], build: Callable[[], Surface], step_mm: float) -> Bone:
    """Signed distance by closest point and generalised winding number, cached under the hash of the bone's files.

    Raises:
        AnatomyError: the surface is open or encloses nothing.
    """
    digest = hashlib.sha256(f"{name} {step_mm} v2".encode())
    for path in files:
        digest.update(path.read_bytes())
    cache = Path(platformdirs.user_cache_dir("osteolens")) / "anatomy" / f"{digest.hexdigest()[:24]}.npz"
    if cache.is_file():
        with np.load(cache, allow_pickle=False) as stored:
            return Bone(name=name, sdf=stored["sdf"], origin=stored["origin"], step_mm=step_mm)
    try:
        import igl
    except ImportError as error:
        raise MissingExtra("simulate cohort --anatomy", "libigl") from error
    log.info("signed distance of %s", name)
    surface = build()
    vertices = np.ascontiguousarray(surface.vertices, np.float64)
    faces = np.ascontiguousarray(surface.faces, np.int64)
    origin = vertices.min(0) - 5.0
    shape = np.ceil((vertices.max(0) + 5.0 - origin) / step_mm).astype(int) + 1
    index = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), -1).reshape(-1, 3)
    points = origin + index * step_mm
    _check_closed(name, np.asarray(igl.fast_winding_number(vertices, faces, points[:: max(1, len(points) // 20000)])))
    distance = igl.signed_distance(points, vertices, faces, sign_type=igl.SIGNED_DISTANCE_TYPE_FAST_WINDING_NUMBER)[0]
    sdf = np.asarray(distance, np.float32).reshape(shape)
    cache.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(cache) as unfinished, unfinished.open("wb") as stream:
        np.savez_compressed(stream, sdf=sdf, origin=origin)
    return Bone(name=name, sdf=sdf, origin=origin, step_mm=step_mm)


def _check_closed(name: str, winding: npt.NDArray[np.float64]) -> None:
    """Refuse a surface with holes: round a closed one every winding number is 0 or 1, cracks change it only nearby."""
    inside, unsure = int((winding > 0.5).sum()), int(((winding > 0.2) & (winding < 0.8)).sum())
    if inside == 0:
        raise AnatomyError(f"{name}: the mesh encloses no volume; expected a closed surface with outward faces")
    if unsure > UNSURE_FRACTION * inside:
        raise AnatomyError(
            f"{name}: the mesh is not closed; {100 * unsure / inside:.0f} % of its volume is neither in nor out, "
            f"at most {100 * UNSURE_FRACTION:.0f} % expected; close its holes or leave this source out"
        )


def _surface(mesh: _Mesh) -> Surface:
    return Surface(np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int64))


def _trimesh() -> ModuleType:
    try:
        import trimesh
    except ImportError as error:
        raise MissingExtra("simulate cohort --anatomy", "trimesh") from error
    return cast(ModuleType, trimesh)
