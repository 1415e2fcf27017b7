"""What becomes of real films: classes, rejections, names, and whether size and mirroring change the answer.

Usage: python scripts/judge_real_films.py FOLDER [--out JSON] [--pictures FOLDER] [--weights FOLDER]

FOLDER holds `lateral/` and `ap/` with images, `patients.csv` (image, age_years, sex) and, if there are any,
`lateral_levels_by_eye.json` (by image: centres of L1-L4 in pixels, status). Each film is classified from the image
alone five times: as it is, at half its size, with its longest side at 1,200 pixels, mirrored, and as its negative.
Prints JSON.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.stats import spearmanr

from cohort.io.radiograph import read_radiograph
from cohort.spine import TARGET_LEVELS, SpineDetection, View
from cohort.study import Radiograph, Study
from osteolens.errors import OsteoLensError
from pipeline.bundle.load import load_bundle
from pipeline.prediction import Prediction
from pipeline.screening.film_reader import LoadedStudy
from pipeline.screening.overlay import write_overlay
from pipeline.screening.screener import Screener, ScreeningOutput

SMALL_PX = 1200
"""Longest side of the shrunk film."""

PICTURE_PX = 600
"""Longest side of a picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedCases:
    """One film, screened in each of its forms; None where that failed."""

    name: str
    view: View
    forms: dict[str, Prediction | None]
    seconds: dict[str, float]

    @property
    def plain(self) -> Prediction | None:
        """As the film is."""
        return self.forms["native"]


def forms_of(radiograph: Radiograph) -> dict[str, Radiograph]:
    """The film as it is, at half its size, with its longest side at SMALL_PX, mirrored, and its negative."""
    pixels = radiograph.pixels
    small = min(1.0, SMALL_PX / max(pixels.shape))
    return {
        "native": radiograph,
        "half": replace(radiograph, pixels=_shrunk(pixels, 0.5)),
        "small": replace(radiograph, pixels=_shrunk(pixels, small)),
        "mirrored": replace(radiograph, pixels=np.ascontiguousarray(pixels[:, ::-1])),
        "negative": replace(radiograph, pixels=np.ascontiguousarray(1 - pixels)),
    }


def _shrunk(pixels: Any, scale: float) -> Any:
    """As a viewer would export it: shrunk by area, in 256 steps of grey."""
    if scale >= 1:
        return pixels
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(np.round(small * 255) / 255, np.float32)


def judge(folder: Path, screener: Screener, pictures: Path | None) -> list[EvaluatedCases]:
    """Screen every film of a folder in every form."""
    found = []
    for view, part in ((View.LATERAL, "lateral"), (View.AP, "ap")):
        for path in sorted((folder / part).iterdir()):
            forms: dict[str, Prediction | None] = {}
            seconds: dict[str, float] = {}
            try:
                radiograph = replace(read_radiograph(path), view=view)
            except OsteoLensError as error:
                print(f"{path.name}: {error}", file=sys.stderr)
                found.append(EvaluatedCases(name=path.stem, view=view, forms={"native": None}, seconds={}))
                continue
            frontal = view is View.AP
            study = Study(
                study_uid=path.stem,
                patient_id=path.stem,
                ap=path if frontal else None,
                lateral=None if frontal else path,
            )
            for form, image in forms_of(radiograph).items():
                started = cv2.getTickCount()
                screened = screener.screen(LoadedStudy(study, (image,), ()))
                seconds[form] = (cv2.getTickCount() - started) / cv2.getTickFrequency()
                forms[form] = screened.prediction
                if pictures is not None and form == "native":
                    _draw(screened, pictures, path.stem)
            found.append(EvaluatedCases(name=path.stem, view=view, forms=forms, seconds=seconds))
    return found


def _draw(screened: ScreeningOutput, folder: Path, name: str) -> None:
    """What was found, without the film: real films are others' property."""
    folder.mkdir(parents=True, exist_ok=True)
    for view, pixels in screened.pixels.items():
        blank, outlines = np.zeros_like(pixels), screened.outlines[view]
        write_overlay(screened.prediction, view, blank, PICTURE_PX, folder / f"{name}.png", outlines)


def names_right(detection: SpineDetection, centres: dict[str, list[float]]) -> bool:
    """Whether each centre told by eye lies in the box of its name, as far as the box was found."""
    right = []
    for level in TARGET_LEVELS:
        box = detection.box(level)
        if box is not None and level.value in centres:
            x, y = centres[level.value]
            right.append(box.x0 <= x <= box.x1 and box.y0 <= y <= box.y1)
    return bool(right) and all(right)


def figures_of(films: list[EvaluatedCases], folder: Path) -> dict[str, Any]:
    """What `main` prints of the films of one view."""
    plain = [film.plain for film in films]
    whole = [p for p in plain if p is not None]
    ages = _ages(folder)
    levels = _levels(folder)
    told = {f.name: levels[f.name] for f in films if levels.get(f.name, {}).get("status", "doubtful") != "doubtful"}
    named = {f.name: f for f in films if f.name in told and f.plain is not None and f.view in f.plain.views}
    scores = [
        (ages[f.name], f.plain.t_score) for f in films if f.plain and f.plain.t_score is not None and f.name in ages
    ]
    return {
        "films": len(films),
        "failed": sum(p is None for p in plain),
        "with_a_class": sum(p.bmd_class is not None for p in whole),
        "rejected": dict(Counter(p.rejection.code for p in whole if p.rejection is not None)),
        "wrong_view": sum(film.view not in p.views for film, p in zip(films, plain, strict=True) if p and p.views),
        "names_told_by_eye": len(told),
        "names_right": sum(names_right(f.plain.views[f.view].detection, told[n]["centres"]) for n, f in named.items()),  # type: ignore[union-attr]
        "films_with_a_suspected_fracture": sum(bool(p.suspected_fractures) for p in whole),
        "levels_left_out": dict(
            Counter(why.code.value for p in whole for shown in p.views.values() for why in shown.left_out.values())
        ),
        "against_native": {form: _agreement(films, form) for form in ("half", "small", "mirrored")},
        "negatives_refused": dict(
            Counter(n.rejection.code for f in films if (n := f.forms.get("negative")) and n.rejection is not None)
        ),
        "seconds_native_over_small": _ratio(films),
        "t_score_and_age": {
            "films": len(scores),
            "spearman": float(spearmanr(*np.array(scores).T).statistic) if len(scores) > 2 else None,
            "pearson": float(np.corrcoef(np.array(scores).T)[0, 1]) if len(scores) > 2 else None,
        },
    }


def _agreement(films: list[EvaluatedCases], form: str) -> dict[str, Any]:
    """How often another form of a film gives the same class or rejection, and how far its T-score lies."""
    pairs = [(f, f.plain, f.forms[form]) for f in films if f.plain is not None and f.forms[form] is not None]
    apart = {f.name: b.t_score - a.t_score for f, a, b in pairs if a and b and None not in (a.t_score, b.t_score)}  # type: ignore[operator]
    differ = [f.name for f, a, b in pairs if a and b and (a.bmd_class != b.bmd_class or _code(a) != _code(b))]
    return {
        "films": len(pairs),
        "another_class_or_refusal": differ,
        "t_score_apart_max": max(map(abs, apart.values()), default=None),
        "t_score_apart_above_0.3": [name for name, value in apart.items() if abs(value) > 0.3],
    }


def _code(prediction: Prediction) -> str | None:
    return None if prediction.rejection is None else prediction.rejection.code


def _ratio(films: list[EvaluatedCases]) -> float | None:
    """Time at native size over that at SMALL_PX, median over films of three times that size or more in pixels."""
    ratios = [f.seconds["native"] / f.seconds["small"] for f in films if f.seconds and f.plain and _is_large(f.plain)]
    return float(np.median(ratios)) if ratios else None


def _is_large(prediction: Prediction) -> bool:
    return any(max(shown.detection.image_shape) > 2 * SMALL_PX for shown in prediction.views.values())


def _ages(folder: Path) -> dict[str, float]:
    table = folder / "patients.csv"
    if not table.is_file():
        return {}
    with table.open(encoding="utf-8") as stream:
        return {row["image"]: float(row["age_years"]) for row in csv.DictReader(stream) if row["age_years"]}


def _levels(folder: Path) -> dict[str, Any]:
    path = folder / "lateral_levels_by_eye.json"
    loaded: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return loaded


def main() -> None:
    """Screen and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, help="also write one line of JSON a film")
    parser.add_argument("--pictures", type=Path, help="write what was found as outlines, without the films")
    parser.add_argument("--weights", type=Path)
    options = parser.parse_args()
    films = judge(options.folder, Screener(load_bundle(options.weights)), options.pictures)
    if options.out is not None:
        lines = [
            json.dumps({"film": f.name, **{form: None if p is None else p.as_json() for form, p in f.forms.items()}})
            for f in films
        ]
        options.out.write_text("\n".join(lines), encoding="utf-8")
    print(
        json.dumps(
            {view.value: figures_of([f for f in films if f.view is view], options.folder) for view in View}, indent=1
        )
    )


if __name__ == "__main__":
    main()
