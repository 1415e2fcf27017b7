"""What becomes of real radiographs: classes, rejections, labels, and whether size and mirroring change the answer.

Usage: python benchmarks/real_films.py FOLDER [--out JSON] [--pictures FOLDER] [--weights FOLDER]

FOLDER holds `lateral/` and `ap/` with images, `patients.csv` (image, age_years, sex) and, if there are any,
`lateral_levels_by_eye.json` (by image: centres of L1-L4 in pixels, status). Each radiograph is classified from the
image alone five times: as it is, at half its size, with its longest side at 1,200 pixels, mirrored, and as its
negative. Prints JSON.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from cohort.io.radiograph import read_radiograph
from cohort.spine import TARGET_LEVELS, SpineDetection, VertebralLevel, View
from cohort.study import Radiograph, Study
from osteolens.atomic import write_whole
from osteolens.documents.json_document import read_json
from osteolens.errors import OsteoLensError
from pipeline.bundle.load import load_bundle
from pipeline.prediction import Prediction
from pipeline.screening.output.overlay import overlay_png
from pipeline.screening.radiograph_reader import LoadedStudy
from pipeline.screening.screener import Screener, ScreeningOutput

SMALL_PX = 1200
"""Longest side of the shrunk radiograph."""

PICTURE_PX = 600
"""Longest side of a picture."""

FAR_APART = 0.3
"""T-scores further apart than this are told by name."""


class Form(StrEnum):
    """How a radiograph is shown."""

    NATIVE = "native"
    HALF = "half"
    SMALL = "small"
    MIRRORED = "mirrored"
    NEGATIVE = "negative"


UNCHANGING = (Form.HALF, Form.SMALL, Form.MIRRORED)
"""Forms that should give the same answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenedRadiograph:
    """One radiograph, screened in each of its forms.

    Attributes:
        name: of the file, without its ending.
        view: as the folder says.
        forms: results by form; empty where the file cannot be read.
        seconds: that each took.
    """

    name: str
    view: View
    forms: dict[Form, Prediction] = field(default_factory=dict)
    seconds: dict[Form, float] = field(default_factory=dict)

    @property
    def native(self) -> Prediction | None:
        """As the radiograph is."""
        return self.forms.get(Form.NATIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenByEye:
    """Centres (x, y) of L1-L4 in pixels, as a person told them."""

    centres: dict[VertebralLevel, tuple[float, float]]


def forms_of(radiograph: Radiograph) -> dict[Form, Radiograph]:
    """The radiograph as it is, at half its size, with its longest side at SMALL_PX, mirrored, and its negative."""
    pixels = radiograph.pixels
    small = min(1.0, SMALL_PX / max(pixels.shape))
    return {
        Form.NATIVE: radiograph,
        Form.HALF: replace(radiograph, pixels=_shrunk(pixels, 0.5)),
        Form.SMALL: replace(radiograph, pixels=_shrunk(pixels, small)),
        Form.MIRRORED: replace(radiograph, pixels=np.ascontiguousarray(pixels[:, ::-1])),
        Form.NEGATIVE: replace(radiograph, pixels=np.ascontiguousarray(1 - pixels)),
    }


def _shrunk(pixels: npt.NDArray[np.float32], scale: float) -> npt.NDArray[np.float32]:
    """As a viewer would export it: shrunk by area, in 256 steps of grey."""
    if scale >= 1:
        return pixels
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(np.round(small * 255) / 255, np.float32)


def screened_folder(folder: Path, screener: Screener, pictures: Path | None) -> list[ScreenedRadiograph]:
    """Screen every radiograph of a folder in every form."""
    parts = ((View.LATERAL, "lateral"), (View.AP, "ap"))
    return [
        screened_file(path, view, screener, pictures)
        for view, part in parts
        for path in sorted((folder / part).iterdir())
    ]


def screened_file(path: Path, view: View, screener: Screener, pictures: Path | None) -> ScreenedRadiograph:
    """Screen one radiograph in every form; what cannot be read is said on stderr."""
    try:
        radiograph = replace(read_radiograph(path), view=view)
    except OsteoLensError as error:
        print(f"{path.name}: {error}", file=sys.stderr)
        return ScreenedRadiograph(name=path.stem, view=view)
    is_ap = view is View.AP
    study = Study(
        study_uid=path.stem, patient_id=path.stem, ap=path if is_ap else None, lateral=None if is_ap else path
    )
    screened = ScreenedRadiograph(name=path.stem, view=view)
    for form, image in forms_of(radiograph).items():
        started = time.perf_counter()
        output = screener.screen_loaded(LoadedStudy(study, (image,), ()))
        screened.seconds[form] = time.perf_counter() - started
        screened.forms[form] = output.prediction
        if pictures is not None and form is Form.NATIVE:
            _draw(output, pictures, path.stem)
    return screened


def _draw(output: ScreeningOutput, folder: Path, name: str) -> None:
    """What was found, without the radiograph: real ones are others' property."""
    folder.mkdir(parents=True, exist_ok=True)
    for view, pixels in output.pixels.items():
        blank = np.zeros_like(pixels)
        picture = overlay_png(output.prediction, view, blank, PICTURE_PX, output.outlines[view])
        write_whole(folder / f"{name}.png", picture)


def labels_right(detection: SpineDetection, seen: SeenByEye) -> bool:
    """Whether each centre told by eye lies in the box of its level, as far as the box was found."""
    right = []
    for level in TARGET_LEVELS:
        box = detection.box(level)
        if box is not None and level in seen.centres:
            x, y = seen.centres[level]
            right.append(box.x0 <= x <= box.x1 and box.y0 <= y <= box.y1)
    return bool(right) and all(right)


def metrics_of(radiographs: Sequence[ScreenedRadiograph], folder: Path) -> dict[str, object]:
    """What `main` prints of the radiographs of one view."""
    native = {r.name: r.native for r in radiographs if r.native is not None}
    seen = {name: by_eye for name, by_eye in _seen_by_eye(folder).items() if name in {r.name for r in radiographs}}
    labelled = {
        r.name: r.native.views[r.view].detection
        for r in radiographs
        if r.name in seen and r.native is not None and r.view in r.native.views
    }
    return {
        "radiographs": len(radiographs),
        "unreadable": len(radiographs) - len(native),
        "with_a_class": sum(p.bmd_class is not None for p in native.values()),
        "rejected": _count(native.values()),
        "wrong_view": sum(r.view not in r.native.views for r in radiographs if r.native is not None and r.native.views),
        "levels_told_by_eye": len(seen),
        "levels_right": sum(labels_right(detection, seen[name]) for name, detection in labelled.items()),
        "with_a_suspected_fracture": sum(bool(p.suspected_fractures) for p in native.values()),
        "levels_left_out": dict(
            Counter(
                why.code.value
                for p in native.values()
                for result in p.views.values()
                for why in result.left_out.values()
            )
        ),
        "against_native": {form.value: _agreement(radiographs, form) for form in UNCHANGING},
        "negatives_rejected": _count(r.forms[Form.NEGATIVE] for r in radiographs if Form.NEGATIVE in r.forms),
        "seconds_native_over_small": _ratio(radiographs),
        "t_score_and_age": _correlation(native, _ages(folder)),
    }


def _count(predictions: Iterable[Prediction]) -> dict[str, int]:
    return dict(Counter(p.rejection.code.value for p in predictions if p.rejection is not None))


def _correlation(native: Mapping[str, Prediction], ages: Mapping[str, float]) -> dict[str, object]:
    pairs = [(ages[name], p.t_score) for name, p in native.items() if p.t_score is not None and name in ages]
    enough = len(pairs) > 2
    columns = np.array(pairs).T
    return {
        "radiographs": len(pairs),
        "spearman": float(spearmanr(columns[0], columns[1]).statistic) if enough else None,
        "pearson": float(np.corrcoef(columns)[0, 1]) if enough else None,
    }


def _agreement(radiographs: Sequence[ScreenedRadiograph], form: Form) -> dict[str, object]:
    """How often another form of a radiograph gives the same class or rejection, and how far its T-score lies."""
    pairs = {r.name: (r.native, r.forms[form]) for r in radiographs if r.native is not None}
    apart = {
        name: b.t_score - a.t_score for name, (a, b) in pairs.items() if a.t_score is not None and b.t_score is not None
    }
    return {
        "radiographs": len(pairs),
        "another_class_or_rejection": [
            name for name, (a, b) in pairs.items() if a.bmd_class is not b.bmd_class or _code(a) != _code(b)
        ],
        "t_score_apart_max": max(map(abs, apart.values()), default=None),
        f"t_score_apart_above_{FAR_APART}": [name for name, value in apart.items() if abs(value) > FAR_APART],
    }


def _code(prediction: Prediction) -> str | None:
    return None if prediction.rejection is None else prediction.rejection.code


def _ratio(radiographs: Sequence[ScreenedRadiograph]) -> float | None:
    """Time at native size over that at SMALL_PX, median over radiographs of more than twice that size."""
    ratios = [
        r.seconds[Form.NATIVE] / r.seconds[Form.SMALL]
        for r in radiographs
        if r.native is not None and any(max(v.detection.image_shape) > 2 * SMALL_PX for v in r.native.views.values())
    ]
    return float(np.median(ratios)) if ratios else None


def _ages(folder: Path) -> dict[str, float]:
    table = folder / "patients.csv"
    if not table.is_file():
        return {}
    with table.open(encoding="utf-8") as stream:
        return {row["image"]: float(row["age_years"]) for row in csv.DictReader(stream) if row["age_years"]}


def _seen_by_eye(folder: Path) -> dict[str, SeenByEye]:
    """Levels of each image that a person was sure of."""
    path = folder / "lateral_levels_by_eye.json"
    document = read_json(path) if path.is_file() else {}
    return {
        name: SeenByEye(centres={VertebralLevel(level): (x, y) for level, (x, y) in entry["centres"].items()})
        for name, entry in document.items()
        if entry.get("status", "doubtful") != "doubtful"
    }


def main() -> None:
    """Screen and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, help="also write one line of JSON a radiograph")
    parser.add_argument("--pictures", type=Path, help="write what was found as outlines, without the radiographs")
    parser.add_argument("--weights", type=Path)
    options = parser.parse_args()
    radiographs = screened_folder(options.folder, Screener(load_bundle(options.weights)), options.pictures)
    if options.out is not None:
        lines = [
            json.dumps({"radiograph": r.name, **{form: p.as_json() for form, p in r.forms.items()}})
            for r in radiographs
        ]
        write_whole(options.out, "\n".join(lines))
    by_view = {view.value: [r for r in radiographs if r.view is view] for view in View}
    print(json.dumps({view: metrics_of(shown, options.folder) for view, shown in by_view.items()}, indent=1))


if __name__ == "__main__":
    main()
