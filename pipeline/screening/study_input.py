"""Inputs of one study: a file, a folder, a `Study`, or arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Real
from os import PathLike, fspath
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from cohort.covariates import Covariates, Sex
from cohort.io.folder import index_cohort
from cohort.io.grey import radiograph_range
from cohort.spine import View
from cohort.study import Radiograph, SpacingSource, Study
from osteolens.errors import ConfigError, NotRadiograph, StudyError
from pipeline.screening.radiograph_reader import LoadedStudy, read_study

Array: TypeAlias = npt.NDArray[np.generic]
Image: TypeAlias = Array | Radiograph
Source: TypeAlias = str | PathLike[str] | Study | Image | Sequence[Image] | Mapping[str, Image]
"""A path, a study, or images: radiographs as `read_radiograph` gives them, or arrays (rows, columns), one, several, or
by view (`AP`, `LATERAL`)."""

LEAST_SIDE = 64
"""Pixels along a side that an array needs; it is an image in which vertebral bodies can be told."""

WITHOUT_FILES = "images"
"""Identifier of a study that has no files."""


def load_study(source: Source, given: Covariates) -> LoadedStudy:
    """One study with its pixels.

    Args:
        source: as `Screener.screen` takes it.
        given: covariates that override what headers and tables say.

    Raises:
        ConfigError: another kind of source, or an unknown view.
        ReadError: no such file or folder, or an array that is no radiograph.
        StudyError: no study, several, or one without a readable image.
    """
    if isinstance(source, Study):
        return read_study(replace(source, covariates=source.covariates.overridden_by(given)))
    if isinstance(source, (str, PathLike)):
        study = _only_study(Path(fspath(source)))
        return read_study(replace(study, covariates=study.covariates.overridden_by(given)))
    if isinstance(source, Mapping):
        return _of_radiographs([_image(image, view.value, view) for view, image in _by_view(source).items()], given)
    if isinstance(source, (np.ndarray, Radiograph)):
        return _of_radiographs([_image(source, "array 1")], given)
    if not isinstance(source, Sequence):
        raise ConfigError(f"found {type(source).__name__}, expected a path, a study, radiographs or arrays")
    return _of_radiographs([_image(image, f"array {k}") for k, image in enumerate(source, start=1)], given)


def given_covariates(
    age_years: float | None, sex: str | None, bmi_kg_m2: float | None, height_cm: float | None, weight_kg: float | None
) -> Covariates:
    """Covariates that a caller states of a patient.

    Args:
        age_years: of the patient.
        sex: F or M.
        bmi_kg_m2: body mass index.
        height_cm: body height.
        weight_kg: body weight.

    Raises:
        ConfigError: another sex than F or M, or no number.
    """
    numbers = {"age_years": age_years, "bmi_kg_m2": bmi_kg_m2, "height_cm": height_cm, "weight_kg": weight_kg}
    for name, value in numbers.items():
        if value is not None and not isinstance(value, Real):
            raise ConfigError(f"{name} is {value!r}, expected a number")
    if sex is not None and (not isinstance(sex, str) or sex.upper() not in tuple(Sex)):
        raise ConfigError(f"sex is {sex!r}, expected F or M")
    return Covariates(
        age_years=age_years,
        sex=None if sex is None else Sex(sex.upper()),
        height_cm=height_cm,
        weight_kg=weight_kg,
        bmi_given=bmi_kg_m2,
    )


def _only_study(path: Path) -> Study:
    index = index_cohort(path)
    if len(index.studies) == 1:
        return index.studies[0]
    if not index.studies:
        raise StudyError(f"{path}: no radiograph found ({len(index.skipped)} other files); expected one study")
    raise StudyError(f"{path}: {len(index.studies)} studies found, expected one; screen a folder with screen_folder")


def _by_view(source: Mapping[str, Image]) -> dict[View, Image]:
    images: dict[View, Image] = {}
    for name, image in source.items():
        if not isinstance(name, str) or name.upper() not in tuple(View):
            raise ConfigError(f"view {name!r} is unknown; expected AP or LATERAL")
        view = View(name.upper())
        if view in images:
            raise ConfigError(f"view {view} is given twice; expected one image each, or a list of images")
        images[view] = image
    return images


def _image(image: object, text: str, view: View | None = None) -> Radiograph:
    """A radiograph under the view that it was given for, or an array as one."""
    if isinstance(image, Radiograph):
        return image if view is None else replace(image, view=view)
    if isinstance(image, np.ndarray):
        return _radiograph(image, text, view)
    found = "a path" if isinstance(image, (str, PathLike)) else type(image).__name__
    raise ConfigError(
        f"{text}: found {found}, expected a radiograph (osteolens.read_radiograph) or an array (rows, columns); a "
        "study whose files lie in one folder is screened by the folder's path"
    )


def _of_radiographs(radiographs: Sequence[Radiograph], given: Covariates) -> LoadedStudy:
    """A study of images that stand in memory, in the order in which a study lists its images."""
    first: dict[View, Radiograph] = {}
    further: list[tuple[View, Radiograph]] = []
    for radiograph in radiographs:
        if radiograph.view in first:
            further.append((radiograph.view, radiograph))
        elif radiograph.view is not None:
            first[radiograph.view] = radiograph
    unknown = [radiograph for radiograph in radiographs if radiograph.view is None]
    study = Study(
        study_uid=WITHOUT_FILES,
        patient_id="",
        ap=first[View.AP].path if View.AP in first else None,
        lateral=first[View.LATERAL].path if View.LATERAL in first else None,
        further=tuple((view, radiograph.path) for view, radiograph in further),
        images_of_unknown_view=tuple(radiograph.path for radiograph in unknown),
        covariates=given,
    )
    listed = (*(first[view] for view in View if view in first), *(radiograph for _, radiograph in further), *unknown)
    return LoadedStudy(study, listed, ())


def _radiograph(pixels: Array, text: str, view: View | None = None) -> Radiograph:
    """An array as a plain image of the same grey values would be read."""
    name = Path(text)
    kind, shape = pixels.dtype.kind, " x ".join(map(str, pixels.shape))
    if pixels.ndim != 2 or min(pixels.shape) < LEAST_SIDE or kind not in "uif":
        raise NotRadiograph(
            f"{name}: found {pixels.dtype} of {shape}, expected grey values (rows, columns) of {LEAST_SIDE} pixels a "
            "side or more"
        )
    values = pixels.astype(np.float32)
    if not np.isfinite(values).all():
        raise NotRadiograph(f"{name}: pixel values are not finite; expected grey values, bright = dense bone")
    low, high = radiograph_range(values)
    scaled = np.clip((values - low) / (high - low), 0, 1) if high > low else np.zeros_like(values)
    return Radiograph(
        pixels=np.ascontiguousarray(scaled, np.float32),
        pixel_spacing_mm=None,
        spacing_source=SpacingSource.NONE,
        view=view,
        path=name,
        bits=8 * pixels.dtype.itemsize,
    )
