"""A whole folder: read ahead, screen, write each result at once, never stop for one study, resume."""

from __future__ import annotations

import json
import logging
import platform
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from cohort.errors import ConfigError, OsteoLensError
from cohort.index import CohortIndex
from cohort.study import BMD_CLASSES, Covariates, Study
from pipeline.assessment import image_records, told_path
from pipeline.config import ScreenConfig
from pipeline.manual_rois import DrawnRois
from pipeline.overlay import write_overlay
from pipeline.prediction import Prediction, Status, write_json
from pipeline.report import write_report
from pipeline.screen import ReadStudy, Screener, covariates_json, identifiers, read_images
from pipeline.weights import Weights

log = logging.getLogger(__name__)

UNKNOWN = Covariates()
"""No covariate given on the command line."""


@dataclass(slots=True)
class RunSummary:
    """What a run did.

    Attributes:
        rows: one dictionary a study, as in predictions.csv.
        seconds: time by stage.
        resumed: studies whose result of an earlier run was kept.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    resumed: int = 0

    def count(self, status: str) -> int:
        """Studies with this status: screened, refused or failed."""
        return sum(row["status"] == status for row in self.rows)


def process(
    index: CohortIndex,
    out: Path,
    weights: Weights,
    config: ScreenConfig,
    given: Covariates = UNKNOWN,
    resume: bool = True,
    drawn: DrawnRois | None = None,
    done: Callable[[dict[str, Any]], None] = lambda _: None,
) -> RunSummary:
    """Screen every study and write its JSON and overlays as soon as it is done, then the tables and the report.

    Args:
        index: studies and skipped files.
        out: output folder.
        weights: checked weights.
        config: settings.
        given: covariates from the command line, which override all others; for a single study only.
        resume: keep results of an earlier run of the same weights, settings and covariates.
        drawn: hand-drawn ROIs to classify on in place of the detector's.
        done: called with each row.

    Raises:
        ConfigError: covariates or a shift of levels were given for more than one study, or the output folder cannot be
            written.
    """
    if given != UNKNOWN and len(index.studies) > 1:
        raise ConfigError(
            f"--age, --sex, --height, --weight and --bmi describe one patient, but {len(index.studies)} studies were "
            "found; put them into cohort.csv beside the images"
        )
    if config.shift_levels and len(index.studies) > 1:
        raise ConfigError(
            f"shift_levels corrects one study that a reader has looked at, but {len(index.studies)} were found; "
            "give that study's folder"
        )
    try:
        for name in ("studies", "overlays"):
            (out / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written ({error.strerror}); choose another --out") from error
    started = time.perf_counter()
    summary = RunSummary(seconds={"load": 0.0, "read_wait": 0.0, "screen": 0.0, "write": 0.0})
    studies = [replace(s, covariates=s.covariates.overridden_by(given)) for s in index.studies]
    pending = []
    source = identifiers(weights, config, drawn)
    for study in studies:
        kept = _kept_row(study, out, source, index.root) if resume and not config.shift_levels else None
        if kept is None:
            pending.append(study)
        else:
            summary.rows.append(kept)
            summary.resumed += 1
            done(kept)
    screener = None
    if pending:
        screener = Screener(weights, config, drawn, index.root)
        summary.seconds["load"] = time.perf_counter() - started
    for study, future in _read_ahead(pending, config.read_ahead):
        assert screener is not None
        row = _one_study(study, future, screener, out, summary)
        summary.rows.append(row)
        done(row)
    summary.rows.sort(key=lambda row: str(row["study_uid"]))
    summary.seconds["total"] = time.perf_counter() - started
    _write_run(index, out, weights, config, summary)
    return summary


def _read_ahead(studies: list[Study], ahead: int) -> Iterator[tuple[Study, Future[ReadStudy]]]:
    """Studies in order with their pixels on the way; at most `ahead` are held in memory."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting: deque[tuple[Study, Future[ReadStudy]]] = deque()
        for study in studies:
            waiting.append((study, pool.submit(read_images, study)))
            if len(waiting) > ahead:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()


def _one_study(
    study: Study, future: Future[ReadStudy], screener: Screener, out: Path, summary: RunSummary
) -> dict[str, Any]:
    config, root, source = screener.config, screener.root, screener.identifiers
    clock = time.perf_counter()
    begun = clock

    def lap(stage: str) -> None:
        nonlocal clock
        now = time.perf_counter()
        summary.seconds[stage] += now - clock
        clock = now

    failure = ""
    unread: tuple[tuple[Path, str], ...] = ()
    try:
        read = future.result()
        unread = read.unread
        lap("read_wait")
        screened = screener.screen(read)
        lap("screen")
        prediction = screened.prediction
        for view, pixels in screened.pixels.items():
            path = out / "overlays" / f"{prediction.study_uid}_{view}.png"
            outlines = screened.outlines.get(view, {})
            write_overlay(prediction, view, pixels, config.overlay_px, path, outlines)
            if view in screened.heat:
                hot = path.with_name(f"{prediction.study_uid}_{view}_explained.png")
                write_overlay(prediction, view, pixels, config.overlay_px, hot, outlines, screened.heat[view])
        lap("write")
        return _written(prediction, out, time.perf_counter() - begun)
    except OsteoLensError as error:
        failure = str(error)
    except Exception as error:  # the one broad catch: a broken study never ends the run
        log.warning("a study failed with %s", type(error).__name__)
        log.debug("details", exc_info=True)
        failure = f"{type(error).__name__}: {error}"
    failed = Prediction(
        study_uid=study.study_uid,
        patient_id=study.patient_id,
        model=source,
        covariates=covariates_json(study.covariates),
        images=image_records(study, [], unread, False, root),
        failure=" ".join(failure.split()),
    )
    return _written(failed, out, time.perf_counter() - begun)


def _written(prediction: Prediction, out: Path, seconds: float) -> dict[str, Any]:
    """Write a study's JSON; returns its row."""
    document = prediction.as_json()
    write_json(document, out / "studies" / f"{prediction.study_uid}.json")
    return row_of(document, seconds)


def row_of(document: dict[str, Any], seconds: float) -> dict[str, Any]:
    """One line of predictions.csv from a study's JSON."""
    refusal, findings = document["refusal"], document["findings"]
    shares = document["probabilities"] or {}
    grades = {v["level"]: v["genant_grade"] for v in findings["vertebrae"]}
    reason = f"{refusal['code']}: {refusal['reason']}" if refusal else document["failure"] or ""
    return {
        "study_uid": document["study_uid"],
        "patient_id": document["patient_id"],
        "status": document["status"],
        "bmd_class": document["bmd_class"] or "",
        **{f"p_{c}": shares.get(c.value, "") for c in BMD_CLASSES},
        "t_score_estimate": "" if document["t_score_estimate"] is None else document["t_score_estimate"],
        "prediction_set": "|".join(document["prediction_set"]),
        "decision": document["decision"] or "",
        "views": "+".join(document["views"]),
        "levels": " ".join(
            f"{view}:{'+'.join(name for name, level in shown['levels'].items() if level['used'])}"
            for view, shown in document["views"].items()
        ),
        "suspected_fractures": " ".join(f"{name}:grade-{grades[name]}" for name in findings["suspected_fractures"]),
        "cobb_deg": findings["cobb"]["degrees"] if findings["cobb"] else "",
        **{name: "" if value is None else value for name, value in document["covariates"].items()},
        "reason": reason,
        "warnings": " | ".join(document["warnings"]),
        "images": " | ".join(_image_text(image) for image in document["images"]),
        "seconds": round(seconds, 3),
    }


def _image_text(image: dict[str, Any]) -> str:
    view = image["view"] or image["role"]
    what = f"{image['outcome']} as {view}" if view else image["outcome"]
    return f"{image['path']}: {what}" + (f" ({image['reason']})" if image["reason"] else "")


def _kept_row(study: Study, out: Path, source: dict[str, str], root: Path | None) -> dict[str, Any] | None:
    """The row of an earlier result, if it came from the same weights, settings, images and covariates."""
    path = out / "studies" / f"{study.study_uid}.json"
    try:
        document = json.loads(path.read_text("utf-8"))
        paths = {told_path(path, root) for _, path in study.images}
        paths |= {told_path(path, root) for _, path, _ in study.set_aside}
        same = (
            document["model"] == source
            and document["status"] != Status.FAILED
            and document["covariates"] == covariates_json(study.covariates)
            and {image["path"] for image in document["images"]} == paths
        )
        return row_of(document, 0.0) if same else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_run(index: CohortIndex, out: Path, weights: Weights, config: ScreenConfig, summary: RunSummary) -> None:
    table = pd.DataFrame(summary.rows)
    partial = out / "predictions.csv.partial"
    table.to_csv(partial, index=False)
    partial.replace(out / "predictions.csv")
    skipped = [{"file": str(s.path), "reason": s.reason} for s in index.skipped]
    pd.DataFrame(skipped, columns=["file", "reason"]).to_csv(out / "skipped.csv", index=False)
    run = {
        "osteolens": version("osteolens"),
        "python": platform.python_version(),
        "onnxruntime": version("onnxruntime"),
        "device": "cpu",
        "config": config.model_dump(),
        "weights": weights.identifiers,
        "counts": {
            **{status: summary.count(status) for status in ("screened", "refused", "failed")},
            "resumed": summary.resumed,
            "skipped_files": len(skipped),
        },
        "seconds": {name: round(value, 3) for name, value in summary.seconds.items()},
    }
    write_json(run, out / "run.json")
    write_report(out, summary.rows, skipped, run)
