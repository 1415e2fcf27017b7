"""ROIs in a YOLO data set as ultralytics, Roboflow and Darknet lay it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cohort.importers.drawn import LABEL_ALONE, Drawing, Drawings, LeftOut
from cohort.importers.formats.label_studio_names import is_of_label_studio_folder, stem_without_hash
from cohort.importers.geometry import Shape, shape_of_parts
from cohort.importers.sources.documents import image_named, images_under, is_file, load_yaml, read_text
from cohort.importers.sources.image_folders import ImageFolders
from osteolens.documents.json_document import quoted
from osteolens.documents.text import visible
from osteolens.errors import ReadError

WHAT = "data.yaml with `names` of the classes"

NAMES_FILES = ("classes.txt", "obj.names", "_darknet.labels")
"""Where labelImg, Darknet and Roboflow keep the names of the classes, one a line, in place of data.yaml."""

ASIDE = (*NAMES_FILES, "train.txt", "valid.txt", "val.txt", "test.txt", "README.dataset.txt", "README.roboflow.txt")
"""Texts that are no labels."""

MOST_UNNAMED = 1000
"""Classes that may go without a name."""


def read_yolo(source: Path, folders: ImageFolders, needs_names: bool = True) -> Drawings:
    """A folder with data.yaml or classes.txt, and images and labels in folders of one layout or beside each other.

    A label's name is its image's with the suffix replaced or appended; dots before it belong to the name. Lines hold a
    class and a box `x y w h`, a polygon or the four corners of a turned box (OBB), and perhaps a confidence. A polygon
    that is exactly a rectangle is a box; any other is an outline, to which the ROI rule applies.

    Args:
        source: the folder.
        folders: where images lie.
        needs_names: whether names of the classes must stand; else classes are called by their numbers.

    Raises:
        ReadError: no names of the classes.
    """
    if not source.is_dir():
        raise ReadError(f"{source}: no such folder; expected {WHAT}, images and labels")
    names, has_keypoints = _classes(source, needs_names)
    by_folder: dict[str, list[Path]] = {}
    for image in images_under(source):
        by_folder.setdefault(_key(image.relative_to(source).parts[:-1]), []).append(image)
    drawings: list[Drawing] = []
    left_out: list[LeftOut] = []
    hashed = is_of_label_studio_folder(source)
    texts = sorted(path for path in source.rglob("*") if path.suffix.lower() == ".txt" and path.name not in ASIDE)
    for label in texts:
        try:
            owner = _image_of(label, source, by_folder, folders)
            if owner is None:
                continue
            drawing = Drawing(image=owner, relative=True, study_stem=stem_without_hash(owner) if hashed else "")
            _read_lines(label, names, has_keypoints, drawing)
        except ReadError as error:
            left_out.append(LeftOut(label, str(error)))
            continue
        drawings.append(drawing)
    return Drawings(drawings=drawings, left_out=left_out)


def _key(parts: Sequence[str]) -> str:
    return "/".join(parts).casefold()


def _image_of(label: Path, source: Path, by_folder: Mapping[str, Sequence[Path]], images: ImageFolders) -> Path | None:
    """The image of a label file; None for a text that is no label, since it lies in no labels folder.

    Raises:
        ReadError: a label file without image, or with several.
    """
    folders = list(label.relative_to(source).parts[:-1])
    at = [k for k, part in enumerate(folders) if part.casefold() == "labels"]
    for place in at[::-1]:
        beside = [*folders[:place], "images", *folders[place + 1 :]]
        image = image_named(label.stem, by_folder.get(_key(beside), ()))
        if image is not None:
            return image
    image = image_named(label.stem, by_folder.get(_key(folders), ())) or images.named(label.stem)
    if image is None and (at or images.further):
        at = at or [len(folders)]
        beside = [*folders[: at[-1]], "images", *folders[at[-1] + 1 :]]
        raise ReadError(f"{LABEL_ALONE}: no image {visible(label.stem)} with one suffix in {'/'.join(beside)}")
    return image


def _classes(source: Path, needs_names: bool) -> tuple[dict[int, str], bool]:
    """Names of the classes by number, and whether keypoints follow the boxes.

    Raises:
        ReadError: neither data.yaml nor a file of names, or one that is damaged.
    """
    for name in ("data.yaml", "data.yml"):
        if is_file(source / name):
            document = load_yaml(source / name, WHAT)
            return _names(document), "kpt_shape" in document
    files = [path for path in sorted(source.rglob("*")) if path.name in NAMES_FILES and is_file(path)]
    lists_of_names = {tuple(read_text(path).split("\n")) for path in files}
    if not lists_of_names and not needs_names:
        return {number: f"class {number}" for number in range(MOST_UNNAMED)}, False
    if len(lists_of_names) != 1:
        problem = f"{len(lists_of_names)} different lists of classes" if lists_of_names else "no data.yaml"
        raise ReadError(f"{source}: found {problem}; expected {WHAT}, or one of {', '.join(NAMES_FILES)}")
    return {number: name.strip() for number, name in enumerate(lists_of_names.pop()) if name.strip()}, False


def _names(document: Mapping[str, object]) -> dict[int, str]:
    """Names of the classes by number.

    Raises:
        ReadError: no list and no mapping of names.
    """
    names = document.get("names")
    pairs = (
        list(enumerate(names)) if isinstance(names, list) else list(names.items()) if isinstance(names, dict) else []
    )
    by_number = {}
    for number, name in pairs:
        if not isinstance(name, (str, int, float)) or not str(number).strip().isdecimal():
            raise ReadError(f"data.yaml: names[{quoted(number)}] is {type(name).__name__}; expected {WHAT}")
        by_number[int(str(number))] = str(name)
    if not by_number:
        raise ReadError(f"data.yaml: `names` is {'missing' if 'names' not in document else 'empty'}; expected {WHAT}")
    return by_number


def _read_lines(label: Path, names: Mapping[int, str], has_keypoints: bool, drawing: Drawing) -> None:
    """Shapes of a label file; lines that hold none are listed by their number.

    Raises:
        ReadError: no text, or no line.
    """
    lines = [(k, line) for k, line in enumerate(read_text(label).splitlines(), start=1) if line.strip()]
    if not lines:
        raise ReadError("the label file is empty")
    for number, line in lines:
        try:
            drawing.shapes.append(_shape(line.split(), names, has_keypoints))
        except (ValueError, OverflowError) as error:
            problem = f"{quoted(line[:80])} is no `class x y w h` of data.yaml's classes ({error})"
            drawing.left_out.append(LeftOut(label, f"line {number}: {problem}"))


def _shape(cells: Sequence[str], names: Mapping[int, str], has_keypoints: bool) -> Shape:
    """A box `x y w h`, a polygon, or either with a confidence at the end, in fractions of the image's size.

    Raises:
        ValueError: what is no number, or a class that data.yaml does not name.
        OverflowError: an infinite class.
    """
    number, *values = (float(cell) for cell in cells)
    name = names.get(int(number)) if number == int(number) else None
    if name is None:
        raise ValueError(f"class {number:g} is not among its {len(names)} names")
    if has_keypoints:
        values = values[:4]
    if len(values) < 4 or not np.isfinite(values).all():
        raise ValueError(f"{len(values)} numbers after the class")
    score = values.pop() if len(values) % 2 else None
    if len(values) == 4:
        x, y, width, height = values
        if width <= 0 or height <= 0:
            raise ValueError("the box has no width or no height")
        points = np.array([[x - width / 2, y - height / 2], [x + width / 2, y + height / 2]])
        return Shape(label=name, points=points, is_outline=False, score=score)
    return shape_of_parts(name, [np.array(values).reshape(-1, 2)], score)
