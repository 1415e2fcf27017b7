"""What quality control says of a study's images together: views, levels that count, and what became of each file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cohort.spine import TARGET_LEVELS, SpineDetection, VertebralLevel, View
from cohort.study import Radiograph, Study
from detect.config import DetectConfig
from detect.quality import ViewQuality, check_view, too_few
from detect.rejection import WHOLE_VERTEBRA, LevelReason, RejectionCode
from pipeline.prediction import ImageOutcome, ImageRecord, Refusal, ScreenedView
from pipeline.spines import FoundSpine

LeftOut = dict[VertebralLevel, LevelReason]


@dataclass(frozen=True, slots=True, kw_only=True)
class AssessedImage:
    """One image of a study: what was found in it and why it cannot be classified, if so.

    Attributes:
        radiograph: the image.
        spine: what was found.
        quality: what quality control says of it.
        left_out: those of L1-L4 that may not be classified on, the other view's findings included.
        rejection: why the image is of no use, or None.
    """

    radiograph: Radiograph
    spine: FoundSpine
    quality: ViewQuality
    left_out: LeftOut
    rejection: Refusal | None

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

    def as_view(self) -> ScreenedView:
        """As it stands in a prediction."""
        lateral = self.view is View.LATERAL
        return ScreenedView(
            image=self.radiograph.path.name,
            detection=self.detection,
            pixel_spacing_mm=self.radiograph.pixel_spacing_mm,
            left_out=self.left_out,
            vertebrae=self.quality.vertebrae,
            cobb=self.quality.cobb,
            anterior_left=self.spine.anterior_left if lateral else None,
        )


def assess(
    radiographs: Sequence[Radiograph], spines: Sequence[FoundSpine], config: DetectConfig, min_confidence: float
) -> list[AssessedImage]:
    """Check all images of a study; what is wrong with a vertebra in one view leaves it out of the other too."""
    qualities = [
        check_view(spine.detection, radiograph, spine.bodies, spine.anterior_left, config, min_confidence)
        for radiograph, spine in zip(radiographs, spines, strict=True)
    ]
    of_vertebra: LeftOut = {}
    for spine, quality in zip(spines, qualities, strict=True):
        if spine.detection is not None and quality.rejection is None:
            for level, why in quality.left_out.items():
                if why.code in WHOLE_VERTEBRA:
                    of_vertebra[level] = replace(why, reason=f"{why.reason} ({spine.detection.view} view)")
    found: list[AssessedImage] = []
    for radiograph, spine, quality in zip(radiographs, spines, qualities, strict=True):
        own = {**of_vertebra, **quality.left_out}
        reason = quality.rejection
        if reason is None and spine.detection is not None:
            reason = too_few(spine.detection.view, own, config.min_levels)
        found.append(_assessed(radiograph, spine, quality, own, reason))
    return _one_a_view(found)


def assess_manual(radiographs: Sequence[Radiograph], spines: Sequence[FoundSpine]) -> list[AssessedImage]:
    """Images with boxes drawn by hand, which are taken as they are."""
    reason = ("no_roi", "no hand-drawn boxes of L1 to L4")
    return _one_a_view(
        [
            _assessed(radiograph, spine, ViewQuality(), {}, None if spine.detection is not None else reason)
            for radiograph, spine in zip(radiographs, spines, strict=True)
        ]
    )


def _assessed(
    radiograph: Radiograph,
    spine: FoundSpine,
    quality: ViewQuality,
    left_out: LeftOut,
    reason: tuple[RejectionCode | str, str] | None,
) -> AssessedImage:
    rejection = None if reason is None else Refusal(str(reason[0]), f"{radiograph.path.name}: {reason[1]}")
    return AssessedImage(radiograph=radiograph, spine=spine, quality=quality, left_out=left_out, rejection=rejection)


def _one_a_view(images: Sequence[AssessedImage]) -> list[AssessedImage]:
    """The same, a second image of a view turned down."""
    seen: set[View] = set()
    found = []
    for image in images:
        if image.view is None or image.view not in seen:
            found.append(image)
            seen |= {image.view} if image.view is not None else set()
            continue
        text = f"{image.radiograph.path.name}: shows a second {image.view} view; expected one AP and one lateral"
        found.append(replace(image, rejection=Refusal("wrong_view", text)))
    return found


def views_of(images: Sequence[AssessedImage]) -> dict[View, AssessedImage]:
    """The image of each view that was found."""
    found: dict[View, AssessedImage] = {}
    for image in images:
        if image.view is not None:
            found.setdefault(image.view, image)
    return found


def image_records(
    study: Study,
    images: Sequence[AssessedImage],
    unread: Sequence[tuple[Path, str]],
    classified: bool,
    root: Path | None,
) -> tuple[ImageRecord, ...]:
    """Every file of a study in the order of its table, header or names, and what became of it.

    Args:
        study: the study.
        images: those that were looked at; none where the study failed.
        unread: those that could not be read, with the reason.
        classified: whether the study got a class.
        root: folder that paths are told from.
    """
    looked_at, reasons = iter(images), dict(unread)
    records = []
    for role, path in study.images:
        image = None if path in reasons else next(looked_at, None)
        records.append(_record(role, path, image, reasons.get(path), classified, root))
    records += [
        ImageRecord(path=told_path(path, root), role=role, view=None, outcome=ImageOutcome.NOT_USED, reason=reason)
        for role, path, reason in study.set_aside
    ]
    return tuple(records)


def _record(
    role: View | None, path: Path, image: AssessedImage | None, unread: str | None, classified: bool, root: Path | None
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
    return str(short).encode("utf-8", "backslashreplace").decode("utf-8")
