"""Quality control of a study's images together: views, levels that count, and what became of each file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from classify.crop import CropPlaces
from cohort.rejection_codes import WHOLE_VERTEBRA, LevelReason, RejectionCode
from cohort.spine import TARGET_LEVELS, SpineDetection, VertebralLevel, View
from cohort.study import Radiograph
from detect.config import DetectionConfig
from detect.quality_control import INVERTED_TEXT, ViewQuality, check_view, too_few
from detect.segmenter import looks_inverted
from osteolens.documents.text import visible
from pipeline.prediction import ImageOutcome, ImageRecord, MeasuredVertebra, Rejection, ViewResult
from pipeline.screening.radiograph_reader import LoadedStudy
from pipeline.screening.spines import SURE_MARGIN, DetectedSpine

LeftOut = dict[VertebralLevel, LevelReason]


@dataclass(frozen=True, slots=True, kw_only=True)
class AssessedView:
    """One image of a study: its spine, and why it cannot be classified, if so.

    Attributes:
        radiograph: the image.
        spine: detected in it.
        quality: result of quality control.
        left_out: those of L1-L4 that may not be classified on, the other view's findings included.
        rejection: why the image is of no use, or None.
    """

    radiograph: Radiograph
    spine: DetectedSpine
    quality: ViewQuality
    left_out: LeftOut
    rejection: Rejection | None

    @property
    def detection(self) -> SpineDetection:
        """The boxes of an image that has some."""
        assert self.spine.detection is not None, f"{self.radiograph.path.name}: no boxes"
        return self.spine.detection

    @property
    def view(self) -> View | None:
        """The projection that the image shows."""
        return None if self.spine.detection is None else self.spine.detection.view

    @property
    def used(self) -> tuple[VertebralLevel, ...]:
        """Those of L1-L4 that may be classified on."""
        return tuple(level for level in TARGET_LEVELS if level not in self.left_out)

    @property
    def crop_places(self) -> CropPlaces:
        """Where the classifier's crops lie."""
        mirrored, shape = self.spine.mirrored, self.detection.image_shape
        return CropPlaces(detection=self.detection, levels=self.used, mirrored=mirrored, shape=shape)

    def as_view(self) -> ViewResult:
        """As it stands in a prediction."""
        lateral = self.view is View.LATERAL
        return ViewResult(
            image=self.radiograph.path.name,
            detection=self.detection,
            pixel_spacing_mm=self.radiograph.pixel_spacing_mm,
            left_out=self.left_out,
            vertebrae={
                level: MeasuredVertebra.of(vertebra, self.radiograph.pixel_spacing_mm)
                for level, vertebra in self.quality.vertebrae.items()
            },
            cobb=self.quality.cobb,
            anterior_left=self.spine.anterior_left if lateral else None,
        )


def assess(
    radiographs: Sequence[Radiograph], spines: Sequence[DetectedSpine], config: DetectionConfig, min_confidence: float
) -> list[AssessedView]:
    """Quality control of each image of a study, then of all of them together.

    Args:
        radiographs: of one study.
        spines: detected in each.
        config: thresholds of quality control.
        min_confidence: least mean box confidence of L1-L4 in a view.
    """
    pairs = zip(radiographs, spines, strict=True)
    return combine([assess_view(radiograph, spine, config, min_confidence) for radiograph, spine in pairs], config)


def assess_view(
    radiograph: Radiograph, spine: DetectedSpine, config: DetectionConfig, min_confidence: float
) -> AssessedView:
    """Quality control of one image.

    Args:
        radiograph: the image.
        spine: detected in it.
        config: thresholds of quality control.
        min_confidence: least mean box confidence of L1-L4.
    """
    quality = check_view(spine.detection, radiograph, spine.bodies, spine.anterior_left, config, min_confidence)
    return _assessed(radiograph, spine, quality, quality.left_out, _reason(spine, quality, quality.left_out, config))


def combine(images: Sequence[AssessedView], config: DetectionConfig) -> list[AssessedView]:
    """The same images together: the fittest of each view counts, and what is wrong with a vertebra in one of them
    leaves it out of the other too."""
    fittest = views_of(_one_a_view(images))
    of_vertebra: LeftOut = {}
    for view, image in fittest.items():
        if image.quality.rejection is None:
            for level, why in image.quality.left_out.items():
                if why.code in WHOLE_VERTEBRA:
                    of_vertebra[level] = replace(why, reason=f"{why.reason} ({view} view)")
    together = []
    for image in images:
        left_out = {**of_vertebra, **image.quality.left_out}
        reason = _reason(image.spine, image.quality, left_out, config)
        together.append(_assessed(image.radiograph, image.spine, image.quality, left_out, reason))
    counting = [k for k, image in enumerate(images) if any(image is one for one in fittest.values())]
    return _one_a_view(together, counting)


def _reason(spine: DetectedSpine, quality: ViewQuality, left_out: LeftOut, config: DetectionConfig) -> Rejection | None:
    """Why an image is of no use on its own, or with these levels left out."""
    if quality.rejection is not None or spine.detection is None:
        return quality.rejection
    return too_few(spine.detection.view, left_out, config.min_levels)


def assess_manual(
    radiographs: Sequence[Radiograph], spines: Sequence[DetectedSpine], config: DetectionConfig
) -> list[AssessedView]:
    """Images with manual ROIs, which are taken as they are, unless the image is inverted."""
    assessed = []
    for radiograph, spine in zip(radiographs, spines, strict=True):
        reason: Rejection | None = None
        if spine.detection is None:
            reason = Rejection(RejectionCode.NO_ROI, "no manual ROIs of L1 to L4")
        elif looks_inverted(spine.bodies, config.min_body):
            reason = Rejection(RejectionCode.INVERTED, INVERTED_TEXT)
        assessed.append(_assessed(radiograph, spine, ViewQuality(), {}, reason))
    return _one_a_view(assessed)


def _assessed(
    radiograph: Radiograph,
    spine: DetectedSpine,
    quality: ViewQuality,
    left_out: LeftOut,
    reason: Rejection | None,
) -> AssessedView:
    rejection = None if reason is None else Rejection(reason.code, f"{radiograph.path.name}: {reason.reason}")
    return AssessedView(radiograph=radiograph, spine=spine, quality=quality, left_out=left_out, rejection=rejection)


def _one_a_view(images: Sequence[AssessedView], fittest: Sequence[int] | None = None) -> list[AssessedView]:
    """The same, all but the fittest image of each view rejected: a spot view, a repeat, flexion and extension.

    Args:
        images: of one study.
        fittest: places of those that are kept; the fittest of each view when left out.
    """
    best: dict[View, int] = {}
    for place in range(len(images)) if fittest is None else fittest:
        view = images[place].view
        if view is not None and (view not in best or _fitness(images[place]) > _fitness(images[best[view]])):
            best[view] = place
    assessed = []
    for place, image in enumerate(images):
        if image.view is None or best[image.view] == place:
            assessed.append(image)
            continue
        used = images[best[image.view]].radiograph.path.name
        text = f"{image.radiograph.path.name}: the study has another {image.view} image, {used}, which is used"
        assessed.append(replace(image, rejection=Rejection(RejectionCode.ANOTHER_IMAGE, text)))
    return assessed


def _fitness(image: AssessedView) -> tuple[bool, int, float, float]:
    """Usable before rejected, then by levels, by the labelling margin, and by the confidence of boxes."""
    boxes = [box.confidence for box in image.detection.boxes if box.level in TARGET_LEVELS]
    margin = min(image.detection.labelling_margin, SURE_MARGIN)
    return image.rejection is None, len(image.used), margin, sum(boxes)


def views_of(images: Sequence[AssessedView]) -> dict[View, AssessedView]:
    """The image of each view that counts."""
    counting = [
        image for image in images if image.rejection is None or image.rejection.code is not RejectionCode.ANOTHER_IMAGE
    ]
    return {image.view: image for image in counting if image.view is not None}


def image_records(
    loaded: LoadedStudy, images: Sequence[AssessedView], classified: bool, root: Path | None
) -> tuple[ImageRecord, ...]:
    """Every file of a study in the order of its table, header or names, and what became of it.

    Args:
        loaded: the study and its files.
        images: those that were looked at; none where the study failed.
        classified: whether the study got a class.
        root: folder that paths are told from.
    """
    looked_at, reasons = iter(images), dict(loaded.unread)
    records = []
    for role, path in loaded.study.images:
        image = None if path in reasons else next(looked_at, None)
        record = _record(role, path, image, reasons.get(path), classified, root)
        records.append(replace(record, sha256=loaded.digests.get(path, "")))
    records += [
        ImageRecord(path=told_path(path, root), role=role, view=None, outcome=ImageOutcome.NOT_USED, reason=reason)
        for role, path, reason in loaded.study.set_aside
    ]
    return tuple(records)


def _record(
    role: View | None, path: Path, image: AssessedView | None, unread: str | None, classified: bool, root: Path | None
) -> ImageRecord:
    outcome, reason = ImageOutcome.NOT_USED, "the study failed"
    if unread is not None:
        outcome, reason = ImageOutcome.UNREADABLE, unread
    elif image is not None and image.rejection is not None:
        outcome, reason = ImageOutcome.LEFT_OUT, f"{image.rejection.code}: {image.rejection.reason}"
    elif image is not None:
        outcome, reason = ImageOutcome.CLASSIFIED if classified else ImageOutcome.NOT_CLASSIFIED, ""
    view = None if image is None else image.view
    return ImageRecord(path=told_path(path, root), role=role, view=view, outcome=outcome, reason=reason)


def told_path(path: Path, root: Path | None) -> str:
    """A path as text that any file can hold, from the folder that was screened where it lies inside."""
    short = path.relative_to(root) if root is not None and path.is_relative_to(root) else path
    return visible(short)
